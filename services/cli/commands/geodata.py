"""``vidare geodata status|update|use``: which databases say where an address lies, how old they are, where from."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from services.chassis.errors import Misconfigured
from services.chassis.onboarding import resolve_secret
from services.chassis.settings import Settings
from services.cli import output
from services.geolocate import supply
from services.geolocate.geodata import Geodata
from services.geolocate.install import check, install, keep_newest, point
from services.geolocate.listed import list_rows
from services.geolocate.lookup import locate_text

_SHOWN = 160
_NO = 1


def status(settings: Settings, *, json: bool = False) -> int:
    """Print every database with its age; 1 while one is broken or none says countries."""
    geodata = Geodata.of(settings)
    today = datetime.now(UTC).date()
    rows, lists = geodata.status(today), list_rows(geodata, today)
    if json:
        answer = {"folder": str(settings.geodata_folder), "ready": geodata.ready, "sources": rows, "lists": lists}
        output.as_json(answer)
    else:
        output.line(f"folder: {settings.geodata_folder}")
        heads = ("source", "says", "built", "days", "state", "from")
        whole = [row for row in rows if "problem" not in row]
        output.table(
            heads,
            [(r["source"], r["says"], r["built"] or "-", r["age_days"], r["state"], r["from"][:_SHOWN]) for r in whole],
        )
        output.table(
            ("list", "kind", "date", "days", "from"),
            [(r["list"], r["kind"], r["date"] or "-", r["age_days"], (r["from"] or "-")[:_SHOWN]) for r in lists],
        )
        for row in rows:
            if "problem" in row:
                output.line(f"problem: {row['problem']}")
    return 0 if geodata.ready and not geodata.problems else _NO


def update(settings: Settings, *, folder: Path | None = None, maxmind: str | None = None, json: bool = False) -> int:
    """
    Take newer databases: of *folder*; of MaxMind (*maxmind*: its key by reference); else the open ones.

    Raises:
        Misconfigured: What came is not sound; the set in use stays.
        Unavailable: A source did not answer.
    """
    say: Callable[[str], None] = output.note
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".geodata-", dir=settings.home) as made:
        work, staged = Path(made) / "work", Path(made) / "set"
        work.mkdir()
        staged.mkdir()
        if folder is not None:
            supply.from_folder(staged, folder, say)
        elif maxmind is not None:
            source = supply.MaxMind(resolve_secret(maxmind), settings.maxmind_url)
            supply.from_maxmind(staged, work, source, say)
        else:
            supply.from_npm(staged, work, say)
            _debian(staged, say)
        say("checking against known addresses")
        _refuse_unsound(staged)
        kept = keep_newest(staged, settings.geodata_folder)
        final = install(staged, settings.home)
    return _told(final, kept, json=json)


def _debian(staged: Path, say: Callable[[str], None]) -> None:
    """The open set without Debian's package is still newer: its old file is kept."""
    try:
        supply.from_debian(staged, say)
    except Misconfigured as error:
        say(f"ipfire: kept as it is ({error})")


def _refuse_unsound(staged: Path) -> None:
    for path in sorted(staged.glob("*.mmdb")):
        found = check(path)
        if not found.sane:
            raise Misconfigured(
                f"{found.name} places {found.right} of {found.asked} known addresses rightly: not put in use"
            )


def use(settings: Settings, folder: Path, *, json: bool = False) -> int:
    """
    Put the databases of *folder* in use as they lie there.

    Raises:
        Misconfigured: There is none, or one is not sound.
    """
    if not any(folder.glob("*.mmdb")):
        raise Misconfigured(f"{folder}: no .mmdb file there; name a folder that holds some")
    _refuse_unsound(folder)
    point(settings.home, folder)
    return _told(folder, [], json=json)


def _told(folder: Path, kept: list[str], *, json: bool) -> int:
    geodata = Geodata(lambda: folder)
    sample = locate_text(geodata, "193.10.0.1", today=datetime.now(UTC).date())
    answer = {"folder": str(folder), "builds": geodata.current.builds, "kept": kept, "digest": geodata.current.digest}
    if json:
        output.as_json(answer)
    else:
        output.line(f"in use: {folder}")
        for source, built in geodata.current.builds.items():
            output.line(f"  {source}: built {built}{' (kept: what came is older)' if source in kept else ''}")
        output.line(f"a Swedish university is placed in {sample['country']} with confidence {sample['confidence']}")
    return 0
