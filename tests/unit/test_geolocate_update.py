"""Putting newer databases in use: checked first, switched in one step."""

import io
import tarfile
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured, Unavailable
from services.chassis.settings import Settings
from services.cli.commands import geodata as command
from services.geolocate.geodata import Geodata
from services.geolocate.install import KNOWN
from services.geolocate.supply import from_debian, unpack
from tests.support.geodata import write_source

NEWER, OLDER = 1_790_000_000, 1_780_000_000
RIGHT = {f"{ip}/{128 if ':' in ip else 32}": country for ip, country in KNOWN.items()}
SWEDE = "193.10.0.1"


def country_folder(folder: Path, *, epoch: int = NEWER, name: str = "one", rows: dict[str, str] | None = None) -> Path:
    """A folder with one country database."""
    write_source(folder / f"{name}.mmdb", rows or RIGHT, kind="Vidare-Country", epoch=epoch)
    return folder


def test_a_folders_databases_come_into_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Running processes see them: the folder that settings name changes under them."""
    settings = Settings(home=tmp_path / "home")
    running = Geodata.of(settings)
    before = running.current.digest

    assert command.update(settings, folder=country_folder(tmp_path / "new", name="ipfire", epoch=1_900_000_000)) == 0
    assert running.refresh()
    assert running.current.digest != before
    assert running.current.builds["ipfire"] == "2030-03-17"
    assert running.current.builds["dbip"] == "2026-06-01"
    assert "sha256" in capsys.readouterr().err


def test_a_database_that_places_known_addresses_wrongly_is_refused(tmp_path: Path) -> None:
    """Nothing changes then."""
    settings = Settings(home=tmp_path / "home")
    wrong = dict.fromkeys(RIGHT, "US")

    with pytest.raises(Misconfigured, match="known addresses"):
        command.update(settings, folder=country_folder(tmp_path / "new", rows=wrong))
    assert not (tmp_path / "home" / "geodata").exists()


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    """Half a file never comes into use."""
    folder = country_folder(tmp_path / "new")
    body = (folder / "one.mmdb").read_bytes()
    (folder / "one.mmdb").write_bytes(body[: len(body) // 2])

    with pytest.raises(Misconfigured):
        command.update(Settings(home=tmp_path / "home"), folder=folder)


def test_an_older_build_never_replaces_a_newer_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in use stays, and the answer says so."""
    settings = Settings(home=tmp_path / "home")
    command.update(settings, folder=country_folder(tmp_path / "new", epoch=NEWER))
    capsys.readouterr()
    command.update(settings, folder=country_folder(tmp_path / "old", epoch=OLDER))

    assert "one: built 2026-09-21 (kept: what came is older)" in capsys.readouterr().out
    assert Geodata.of(settings).current.builds["one"] == "2026-09-21"


def test_a_folder_can_be_used_where_it_lies(tmp_path: Path) -> None:
    """``use`` points to it; an empty one is refused."""
    settings = Settings(home=tmp_path / "home")
    command.use(settings, country_folder(tmp_path / "mine"))

    assert settings.geodata_folder.resolve() == tmp_path / "mine"
    assert list(Geodata.of(settings).current.builds) == ["one"]
    with pytest.raises(Misconfigured):
        command.use(settings, tmp_path / "home")


def test_status_names_age_and_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken file makes the answer a no."""
    folder = country_folder(tmp_path / "mine")
    assert command.status(Settings(geodata=folder)) == 0
    (folder / "two.mmdb").write_bytes(b"broken")

    assert command.status(Settings(geodata=folder)) == 1
    assert "two.mmdb" in capsys.readouterr().out


def test_an_archive_never_writes_outside_its_folder(tmp_path: Path) -> None:
    """A hostile or damaged package is an unavailable one."""
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("../escaped")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))

    with pytest.raises(Unavailable):
        unpack(archive, tmp_path / "in" / "side")
    assert not (tmp_path / "in" / "escaped").exists()
    archive.write_bytes(b"no archive")
    with pytest.raises(Unavailable):
        unpack(archive, tmp_path / "in")


def test_debians_files_are_checked(tmp_path: Path) -> None:
    """A missing package, or a file of another kind, is said in one sentence."""
    with pytest.raises(Misconfigured, match="tor-geoipdb"):
        from_debian(tmp_path, print, tmp_path)
    (tmp_path / "geoip").write_text("1,2,NL\n")
    (tmp_path / "geoip6").write_text("")
    with pytest.raises(Misconfigured, match="tor-geoipdb"):
        from_debian(tmp_path, print, tmp_path)
