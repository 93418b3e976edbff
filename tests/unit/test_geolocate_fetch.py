"""Fetching MaxMind's databases with a licence key, from a real HTTP server: checked, all or nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured, Unavailable
from services.chassis.settings import Settings
from services.cli.commands import geodata as command
from services.geolocate.geodata import Geodata
from services.geolocate.install import KNOWN
from tests.support.geodata import write_source
from tests.support.maxmind import KEY, Server, archive, serving

NEWER = 1_790_000_000
COUNTRY, NETWORK = "GeoLite2-Country", "GeoLite2-ASN"
SWEDE = "193.10.0.1"


def blocks(countries: dict[str, str]) -> dict[str, object]:
    """Rows in MaxMind's layout."""
    return {f"{ip}/{128 if ':' in ip else 32}": {"country": {"iso_code": code}} for ip, code in countries.items()}


def database(folder: Path, edition: str, rows: dict[str, object]) -> bytes:
    """The bytes of a database."""
    return write_source(folder / f"{edition}.mmdb", rows, kind=edition, epoch=NEWER).read_bytes()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """MaxMind on loopback, with two small databases."""
    operator = {"autonomous_system_number": 1653, "autonomous_system_organization": "Example Research"}
    files = {
        COUNTRY: archive(COUNTRY, database(tmp_path / "src", COUNTRY, blocks(KNOWN))),
        NETWORK: archive(NETWORK, database(tmp_path / "src", NETWORK, {"193.10.0.0/16": operator})),
    }
    monkeypatch.setenv("VIDARE_TEST_MAXMIND_KEY", KEY)
    with serving(files) as made:
        yield made


def settings_of(tmp_path: Path, server: Server) -> Settings:
    """Settings whose MaxMind is the test's server."""
    return Settings(home=tmp_path / "home", maxmind_url=server.url)


def fetch(settings: Settings, key: str = "env:VIDARE_TEST_MAXMIND_KEY") -> int:
    """`vidare geodata update --maxmind KEY`."""
    return command.update(settings, maxmind=key)


def test_files_that_fit_their_checksums_come_into_use(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both editions, each with its checksum; what was there already stays beside them; the key is said nowhere."""
    settings = settings_of(tmp_path, server)
    running = Geodata.of(settings)

    assert fetch(settings) == 0
    assert running.refresh()
    assert running.current.builds["geolite2-country"] == "2026-09-21"
    assert "geolite2-country" in {item.source for item in running.look_up(SWEDE).evidence}
    assert running.current.builds["ipfire"]
    assert server.asked == [f"{one}.{end}" for one in (COUNTRY, NETWORK) for end in ("tar.gz", "tar.gz.sha256")]
    told = "".join(capsys.readouterr())
    assert "sha256" in told
    assert KEY not in told


def test_a_long_download_tells_how_far_it_is(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tenth at a time."""
    padding = os.urandom(1_500_000)
    server.files = {**server.files, COUNTRY: archive(COUNTRY, padding)}
    with pytest.raises(Misconfigured):
        fetch(settings_of(tmp_path, server))

    told = capsys.readouterr().err
    assert "geolite2-country: 100 %" in told
    assert 2 <= told.count(" %") <= 11


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ((COUNTRY, "tar.gz.sha256", b"0" * 64 + b"  x\n"), "the checksum does not fit"),
        ((COUNTRY, "tar.gz.sha256", b""), "the checksum does not fit"),
        ((NETWORK, "tar.gz", b"half an archive"), "the checksum does not fit"),
        ((NETWORK, "tar.gz", 500), "GeoLite2-ASN"),
        ((COUNTRY, "tar.gz", 404), "GeoLite2-Country"),
        ((COUNTRY, "tar.gz.sha256", 302), "GeoLite2-Country"),
    ],
)
def test_whatever_goes_wrong_changes_nothing(
    tmp_path: Path, server: Server, spoil: tuple[str, str, bytes | int], why: str
) -> None:
    """One file of two is no set: nothing is put in use, and the key is not in the error."""
    edition, suffix, answer = spoil
    server.spoilt[edition, suffix] = answer
    settings = settings_of(tmp_path, server)

    with pytest.raises(Unavailable, match=why) as error:
        fetch(settings)
    assert KEY not in str(error.value)
    assert not (tmp_path / "home" / "geodata").exists()


def test_a_wrong_key_is_said_without_repeating_it(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 is an unavailable source; the set in use stays."""
    monkeypatch.setenv("VIDARE_TEST_MAXMIND_KEY", "another-key")

    with pytest.raises(Unavailable) as error:
        fetch(settings_of(tmp_path, server))
    assert "another-key" not in str(error.value)


def test_a_key_must_stand_by_reference(tmp_path: Path, server: Server) -> None:
    """A key on the command line would stand in the shell's history."""
    with pytest.raises(Misconfigured):
        fetch(settings_of(tmp_path, server), key="plain-key")
    assert server.asked == []


def test_a_database_that_fits_its_checksum_and_is_wrong_all_the_same_is_refused(tmp_path: Path, server: Server) -> None:
    """The sanity set is asked after the checksum: a sound archive with every country moved is not put in use."""
    wrong = database(tmp_path / "wrong", COUNTRY, blocks(dict.fromkeys(KNOWN, "US")))
    server.files = {**server.files, COUNTRY: archive(COUNTRY, wrong)}

    with pytest.raises(Misconfigured, match="known addresses"):
        fetch(settings_of(tmp_path, server))
    assert not (tmp_path / "home" / "geodata").exists()
