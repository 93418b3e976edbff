"""Edge cases that take more than one line of input: rulebooks, bounds, versions, floods. Said through the commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import blackbox
from tests.support.blackbox import environment, lines, vidare

BOOK = (blackbox.ROOT / "services" / "router" / "rulebook.toml").read_text(encoding="utf-8")
TIP: dict[str, Any] = {"reference": "X-1", "kind": "csam", "place": {"country": "SE"}}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A clean environment with test networks on."""
    geodata = str(blackbox.three_voices(tmp_path / "geodata"))
    return environment(tmp_path / "home", geodata=geodata, test_networks="on")


def explained(env: dict[str, str], tip: dict[str, Any]) -> dict[str, Any]:
    """What `vidare explain` says of one tip."""
    done = vidare(["explain", "-", "--as", "ecpat-se", "--json"], env, lines([tip]))
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "door"', "kind = door", "TOML"),
        ('equals = "home"', 'equals = "SE"', "never is 'SE'"),
        (
            '{ fact = "kind", equals = "trafficking" }',
            '{ fact = "kind", equals = "trafficking" }, { fact = "kind", equals = "csam" }',
            "R23 is dead",
        ),
        ('when = []\nremove = ["sender"]', 'when = []\nremove = ["interpol-iccam", "review"]', "shadowed"),
    ],
    ids=["invalid", "unknown-country", "dead", "shadowed"],
)
def test_e54_a_bad_rulebook_is_refused_with_file_and_line(
    old: str, new: str, says: str, env: dict[str, str], tmp_path: Path
) -> None:
    """E54: invalid, a country that no fact can be, a row that never matches or counts: one error with its place."""
    assert old in BOOK
    file = tmp_path / "own.toml"
    file.write_text(BOOK.replace(old, new, 1), encoding="utf-8")
    done = vidare(["rules", "check", str(file)], env)

    assert done.returncode in {1, 78}
    told = (done.stdout + done.stderr).decode()
    assert f"{file}:" in told
    assert says in told


def test_e54_the_book_in_use_stays_when_a_bad_one_is_offered(env: dict[str, str], tmp_path: Path) -> None:
    """E54: a decision with a bad book is no decision (78); without it the shipped one decides as before."""
    file = tmp_path / "own.toml"
    file.write_text(BOOK.replace('kind = "door"', "kind = door", 1), encoding="utf-8")
    bad = vidare(["explain", "-", "--as", "ecpat-se", "--json"], env | {"VIDARE_RULEBOOK": str(file)}, lines([TIP]))

    assert (bad.returncode, bad.stdout) == (78, b"")
    assert [to["id"] for to in explained(env, TIP)["destinations"]] == ["police-se"]


def nested(depth: int) -> dict[str, Any]:
    """An unknown field that is *depth* lists deep."""
    inner: Any = 1
    for _ in range(depth):
        inner = [inner]
    return {"x": inner}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"narrative": "word " * 2_000_000}, "too_large"),
        ({"urls": [f"https://host.example/{n}" for n in range(5_000)]}, "too_many"),
        (nested(40), "not_json"),
        ({"urls": [f"https://host.example/{n}" for n in range(1_000)]}, None),
    ],
    ids=["10-MB-text", "5000-urls", "deep", "1000-urls"],
)
def test_e09_a_tip_is_bounded(changed: dict[str, Any], reason: str | None, env: dict[str, str]) -> None:
    """E09: ten megabytes of text, five thousand URLs, deep nesting: refused in words; what is allowed is decided."""
    found = explained(env, TIP | changed)

    assert (found["refusal"] or {"reason": None})["reason"] == reason


@pytest.mark.parametrize(
    ("schema", "more", "accepted"),
    [
        ("tip-submission/1", {}, True),
        (None, {}, True),
        ("tip-submission/2", {}, False),
        ("tip-submission/2", {"a_field_of_tomorrow": [1]}, False),
        ("tip-submission/0", {}, False),
        ("another/1", {}, False),
    ],
)
def test_e18_a_senders_version_is_read_or_refused_in_words(
    schema: str | None, more: dict[str, Any], accepted: bool, env: dict[str, str]
) -> None:
    """E18: the version that is spoken here, or none, is read; a newer or older one is refused at its pointer."""
    found = explained(env, TIP | more | ({"schema": schema} if schema else {}))

    assert found["accepted"] is accepted
    assert accepted or found["refusal"] == {"reason": "unknown_schema", "pointer": "/schema"}
