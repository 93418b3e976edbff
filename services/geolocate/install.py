"""
Put databases in use: look at every file, ask for addresses whose country is known, then switch in one step.

``VIDARE_HOME/geodata`` is a link to the set in use, so that a switch is one
rename; processes see it within seconds.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from services.chassis.errors import Misconfigured
from services.geolocate.geodata import LISTS
from services.geolocate.source import BrokenDatabase, Source, open_source

KNOWN = {
    "130.237.28.40": "SE",
    "193.10.0.1": "SE",
    "128.214.1.1": "FI",
    "129.240.1.1": "NO",
    "130.225.1.1": "DK",
    "129.132.1.1": "CH",
    "141.20.1.1": "DE",
    "131.111.1.1": "GB",
    "133.11.0.1": "JP",
    "128.9.0.1": "US",
    "2001:6b0::1": "SE",
    "2001:620::1": "CH",
    "2001:638::1": "DE",
}
"""Universities and research networks that have held their addresses in one country for decades."""

_ENOUGH = 0.8
"""Share of the known addresses that a database must place rightly."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found out about one file."""

    name: str
    built: str | None
    right: int
    asked: int

    @property
    def sane(self) -> bool:
        """True where the file places nearly all known addresses; a network database is not asked."""
        return self.asked == 0 or self.right >= _ENOUGH * self.asked


def check(path: Path) -> Checked:
    """
    Look into the file *path*.

    Raises:
        Misconfigured: It is not a database.
    """
    try:
        source = open_source(path)
    except BrokenDatabase as error:
        raise Misconfigured(str(error)) from error
    if source.country is None or source.test:
        return Checked(source.name, source.built_text, 0, 0)
    right = sum(source.country(ip) == country for ip, country in KNOWN.items())
    return Checked(source.name, source.built_text, right, len(KNOWN))


def keep_newest(staged: Path, current: Path) -> list[str]:
    """Take into *staged* what only *current* has, or has newer; returns the names that were kept."""
    kept = []
    for old in sorted([*current.glob("*.mmdb"), *(current / name for name in LISTS if (current / name).is_file())]):
        new = staged / old.name
        if not new.exists() or (old.suffix == ".mmdb" and _built(old) > _built(new)):
            shutil.copyfile(old, new)
            kept.append(old.stem)
    return kept


def _built(path: Path) -> str:
    try:
        source: Source = open_source(path)
    except BrokenDatabase:
        return ""
    return source.built_text or ""


def install(staged: Path, home: Path) -> Path:
    """
    Move the folder *staged*, whose files are sound, to *home* and put it in use.

    Raises:
        Misconfigured: A file is not a database, or places known addresses wrongly: nothing changed.
    """
    checked = [check(path) for path in sorted(staged.glob("*.mmdb"))]
    wrong = [one for one in checked if not one.sane]
    if wrong or not checked:
        found = ", ".join(f"{one.name} places {one.right} of {one.asked} known addresses rightly" for one in wrong)
        raise Misconfigured(f"not put in use: {found or 'no database came'}; the set in use stays")
    digest = hashlib.sha256(
        "".join(sorted(hashlib.sha256(p.read_bytes()).hexdigest() for p in staged.iterdir())).encode()
    )
    final = home / "geodata-sets" / digest.hexdigest()[:16]
    final.parent.mkdir(parents=True, exist_ok=True)
    if not final.exists():
        staged.rename(final)
    point(home, final)
    return final


def point(home: Path, folder: Path) -> None:
    """Make ``home/geodata`` mean *folder* in one step; a real folder of that name is kept beside it."""
    home.mkdir(parents=True, exist_ok=True)
    link, fresh = home / "geodata", home / f".geodata-{os.getpid()}"
    if link.is_dir() and not link.is_symlink():
        link.rename(home / f"geodata-before-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.resolve(), target_is_directory=True)
    fresh.replace(link)
