"""Who may send and who receives: strict files, each fault with its line."""

from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured
from services.chassis.onboarding import load_agencies, load_partners, resolve_secret
from services.chassis.settings import Settings

AGENCY = """\
# a comment
[[agency]]
id = "hotline-nl"
name = "Invented (demo endpoint)"
kind = "hotline"
country = "NL"
profile = "hotline"
basis = "test"
channels = ["topic"]
topic = {}

[[agency]]
id = "police-se"
name = "Invented police (demo endpoint)"
kind = "police"
country = "SE"
profile = "police"
basis = "test"
channels = ["webhook", "topic"]
webhook = { url = "http://127.0.0.1:8190/agencies/police-se", secret = "env:NAME" }
"""

PARTNER = """\
[[partner]]
id = "ecpat-se"
name = "Invented"
kind = "hotline"
token = "env:TOKEN"
"""


def written(tmp_path: Path, text: str) -> Settings:
    """Settings whose both files hold *text*."""
    path = tmp_path / "file.toml"
    path.write_text(text, encoding="utf-8")
    return Settings(agencies=path, partners=path)


def test_good_files_are_read(tmp_path: Path) -> None:
    """
    Records by id, holds, and who leaves this machine.
    """
    agencies = load_agencies(written(tmp_path, 'hold_countries = ["KP"]\n' + AGENCY))

    assert set(agencies.records) == {"hotline-nl", "police-se"}
    assert agencies.hold_countries == frozenset({"KP"})
    assert agencies.leaving_loopback() == ()
    assert load_partners(written(tmp_path, PARTNER))["ecpat-se"].vetted is False


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('basis = "test"', 'basis = "test"\ncolour = "red"', 9, "unknown key 'colour'"),
        ('basis = "test"\n', "", 2, "'basis' is missing"),
        ('id = "hotline-nl"', 'id = "Hotline NL"', 3, "'id'"),
        ('id = "hotline-nl"', 'id = "police-se"', 13, "two rows of agency"),
        ('channels = ["topic"]', "channels = []", 9, "no channel at all"),
        ('channels = ["topic"]', 'channels = ["pigeon"]', 9, "Input should be 'webhook'"),
        ('channels = ["topic"]', 'channels = ["email"]', 2, "there is no email"),
        ('kind = "hotline"', 'kind = "helpline"', 5, "'kind'"),
        ('country = "NL"', 'country = "Netherlands"', 6, "'country'"),
        ('country = "NL"', 'country = "RU"', 6, "certainty 'low', below medium"),
        ('country = "NL"', 'country = "VN"', 6, "certainty 'none', below medium"),
        ('country = "NL"\n', "", 2, "needs a country"),
        ('profile = "hotline"', 'profile = "everything"', 7, "'profile'"),
        ('secret = "env:NAME"', 'secret = "hunter2hunter2"', 20, "must be a reference"),
        ('url = "http://127', 'url = "ftp://127', 20, "'url'"),
        ('id = "police-se"', 'id = "police-se"\nactive = "perhaps"', 14, "'active'"),
        ('id = "police-se"', 'id = "police-se"\nweight = -1', 14, "'weight'"),
        ('id = "police-se"', 'id = "police-se', 13, "not TOML"),
        ('[[agency]]\nid = "police-se"', '[[agenci]]\nid = "police-se"', 12, "unknown key 'agenci'"),
    ],
)
def test_a_faulty_agencies_file_is_refused_with_line_and_reason(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    """
    Exit 78 needs one clear sentence: file, line, what is wrong.
    """
    assert old in AGENCY
    settings = written(tmp_path, AGENCY.replace(old, new, 1))

    with pytest.raises(Misconfigured) as error:
        load_agencies(settings)

    assert str(error.value).startswith(f"{settings.agencies_file}:{line}: "), str(error.value)
    assert reason in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('id = "ecpat-se"', 'id = "ecpat-urgent"', 2, "may not end in"),
        ('id = "ecpat-se"', 'id = "ecpat-status"', 2, "may not end in"),
        ('id = "ecpat-se"', 'id = "ecpat-dlq"', 2, "may not end in"),
        ('kind = "hotline"', 'kind = "friend"', 4, "'kind'"),
        ('token = "env:TOKEN"', 'token = "s3cret"', 5, "must be a reference"),
        ('token = "env:TOKEN"', 'tokken = "env:TOKEN"', 5, "unknown key 'tokken'"),
        ("[[partner]]", 'partner = "me"\n[[other]]', 1, "'partner'"),
        ('token = "env:TOKEN"', 'token = "env:TOKEN"\n' + PARTNER, 7, "two rows of partner"),
    ],
)
def test_a_faulty_partners_file_is_refused_with_line_and_reason(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    """
    The same for senders.
    """
    settings = written(tmp_path, PARTNER.replace(old, new, 1))

    with pytest.raises(Misconfigured) as error:
        load_partners(settings)

    assert str(error.value).startswith(f"{settings.partners_file}:{line}: "), str(error.value)
    assert reason in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """
    Nobody has to guess which file is meant.
    """
    with pytest.raises(Misconfigured, match=r"nowhere\.toml:1: cannot be read"):
        load_agencies(Settings(agencies=tmp_path / "nowhere.toml"))


@pytest.mark.parametrize(
    ("channels", "leaves"),
    [
        ('channels = ["webhook"]\nwebhook = { url = "https://agency.example/in" }', True),
        ('channels = ["webhook"]\nwebhook = { url = "http://[::1]:9/in" }', False),
        ('channels = ["email"]\nemail = { to = "a@agency.example", from = "b@vidare.example" }', True),
        ('channels = ["pull", "topic"]', False),
    ],
)
def test_who_leaves_this_machine_is_known(tmp_path: Path, channels: str, leaves: bool) -> None:
    """
    Test tips and test networks never meet such an agency.
    """
    agencies = load_agencies(
        written(tmp_path, AGENCY.replace('channels = ["topic"]', channels, 1).replace("topic = {}\n", ""))
    )

    assert ("hotline-nl" in agencies.leaving_loopback()) is leaves


def test_secrets_are_resolved_when_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    From the environment or a file; a missing one says which.
    """
    monkeypatch.setenv("VIDARE_TEST_SECRET", "one")
    monkeypatch.delenv("VIDARE_TEST_NOTHING", raising=False)
    path = tmp_path / "secret"
    path.write_text("two\n", encoding="utf-8")

    assert resolve_secret("env:VIDARE_TEST_SECRET") == "one"
    assert resolve_secret(f"file:{path}") == "two"
    for missing in ("env:VIDARE_TEST_NOTHING", f"file:{tmp_path / 'nothing'}"):
        with pytest.raises(Misconfigured, match="secret"):
            resolve_secret(missing)
