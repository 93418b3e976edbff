"""
Every database of a folder, opened, named, watched for newer files.

A look-up always reads one whole set: a newer set takes its place in one step,
and a file that turns out broken keeps the old one open and says so.
"""

import hashlib
from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import maxminddb

from contracts.events import Evidence, Network
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import load_agencies
from services.chassis.settings import ROOT, Settings
from services.geolocate.decision import ALARM_AFTER, STALE_AFTER, Looked
from services.geolocate.networks import Networks, Operator, load_networks
from services.geolocate.source import BrokenDatabase, Source, open_source, signature_of
from services.indicators.reserved import DOCUMENTATION, as_number, reserved_reason

SHIPPED = ROOT / "services" / "geolocate" / "data"
DEMO = ROOT / "deploy" / "demo" / "geodata"

_ORDER = ("ipfire", "dbip", "whois")
"""Who is heard first; candidates of a conflict are listed in this order."""

LISTS = ("networks.toml", "tor-exits.txt")
Signature = tuple[int, int, int] | None
"""Inode, size and time of change; None while a file is not there."""

_REMEMBERED = 16_384
"""Addresses, and things said of them, that a process keeps: about 5 MB and 15 MB at worst."""


class OpenSet:
    """The databases and lists of one moment; never changes, remembers its look-ups for as long as it lives."""

    def __init__(self, sources: tuple[Source, ...], networks: Networks) -> None:
        """Name builds and digest of what is open."""
        self.sources = sources
        self.networks = networks
        self.builds = {source.name: source.built_text or "undated" for source in sources}
        self.names = [f"{source}={built}" for source, built in self.builds.items()]
        joined = "".join(sorted(source.digest for source in sources))
        self.digest = f"sha256:{hashlib.sha256(joined.encode()).hexdigest()}"
        self._real = [source for source in sources if not source.test]
        self._test = [source for source in sources if source.test]
        self.ready = any(source.country for source in sources)
        self.look_up = lru_cache(maxsize=_REMEMBERED)(self._look_up)
        self._said = lru_cache(maxsize=_REMEMBERED)(_looked)

    def _look_up(self, ip: str) -> Looked:
        reason = reserved_reason(ip)
        if reason is not None and not (reason == DOCUMENTATION and self._test):
            return self._said((), None, None, reason)
        says: list[tuple[Source, str]] = []
        heard: set[str] = set()
        network: Network | None = None
        for source in self._real if reason is None else self._test:
            try:
                if source.country is not None:
                    country = source.country(ip) if source.publisher not in heard else None
                    if country is not None:
                        says.append((source, country))
                        heard.add(source.publisher)
                elif network is None and source.network is not None:
                    network = source.network(ip)
            except (maxminddb.InvalidDatabaseError, ValueError):
                continue
        operator = self.networks.find(*as_number(ip), network.asn if network else None)
        if not (says or network or operator):
            return self._said((), None, None, reason)
        return self._said(tuple(says), network, operator)


def _looked(
    says: tuple[tuple[Source, str], ...],
    network: Network | None,
    operator: Operator | None,
    reserved: str | None = None,
) -> Looked:
    evidence = tuple(_evidence(source.name, country, source.built_text) for source, country in says)
    return Looked(evidence, network, operator, reserved)


@lru_cache(maxsize=4_096)
def _evidence(source: str, says: str, built: str | None) -> Evidence:
    return Evidence(source=source, says=says, built=built)


class Geodata:
    """The set in use; `look_up` reads it, `refresh` replaces it when files changed."""

    def __init__(self, folder: Callable[[], Path], *, test: bool = False) -> None:
        """Open every ``.mmdb`` of the folder that *folder* names; synthetic ones only where *test* is true."""
        self._folder = folder
        self._test = test
        self._tried: dict[Path, Signature] = {}
        self._listed: tuple[object, ...] = ()
        self.problems: dict[Path, str] = {}
        """Files that could not be opened, with the reason; the old one of the same name stays in use."""
        self.left_out: tuple[Path, ...] = ()
        """Synthetic databases that are not asked, because test networks are off."""
        self.current = OpenSet((), Networks())
        self.refresh()

    @classmethod
    def of(cls, settings: Settings) -> "Geodata":
        """
        The databases that *settings* name.

        Raises:
            Misconfigured: The folder is missing, or test networks are on while an agency's channel leaves this machine.
        """
        folder = settings.geodata_folder
        if not folder.is_dir():
            raise Misconfigured(
                f"geodata folder {folder} is missing; set VIDARE_GEODATA or run 'vidare geodata update'"
            )
        test = settings.test_networks == "on"
        if test:
            _refuse_live_agencies(settings)
        return cls(lambda: settings.geodata_folder, test=test)

    @property
    def ready(self) -> bool:
        """True while at least one source says countries."""
        return self.current.ready

    def look_up(self, ip: str) -> Looked:
        """What the set in use says of the canonical address *ip*."""
        return self.current.look_up(ip)

    def refresh(self) -> bool:
        """Open what is new or changed on disk; True if the set in use is another one now."""
        folder = self._folder()
        folders = (folder, DEMO) if self._test and folder != DEMO else (folder,)
        paths = [path for each in folders for path in sorted(each.glob("*.mmdb"))]
        lists = [each / name for each in (SHIPPED, *folders) for name in LISTS]
        seen = {path: _signature(path) for path in dict.fromkeys((*paths, *lists))}
        listed = tuple(seen.items())
        if listed == self._listed:
            return False
        self._listed = listed
        sources = [source for path in paths if (source := self._opened(path, seen[path])) is not None]
        self.problems = {path: reason for path, reason in self.problems.items() if path in seen}
        self.left_out = tuple(source.path for source in sources if source.test and not self._test)
        self.current = self._made([source for source in sources if self._test or not source.test], folder)
        return True

    def _made(self, sources: list[Source], folder: Path) -> OpenSet:
        """A set of *sources*; the demo's synthetic ones step back where *folder* has its own."""
        own = folder != DEMO and any(source.test and source.path.parent != DEMO for source in sources)
        if own:
            sources = [source for source in sources if source.path.parent != DEMO]
        demo = () if own or not self._test else (DEMO,)
        return OpenSet(_named(sources), self._networks(dict.fromkeys((SHIPPED, folder, *demo))))

    def _opened(self, path: Path, signature: Signature) -> Source | None:
        old = next((source for source in self.current.sources if source.path == path), None)
        if old is not None and old.signature == signature:
            return old
        if self._tried.get(path) == signature and path in self.problems:
            return old
        self._tried[path] = signature
        try:
            made = open_source(path)
        except BrokenDatabase as error:
            self.problems[path] = f"{error}{'; the old one stays in use' if old else ''}"
            return old
        self.problems.pop(path, None)
        return made

    def _networks(self, folders: Iterable[Path]) -> Networks:
        try:
            return load_networks(folders)
        except (Misconfigured, OSError, ValueError) as error:
            if not self.current.networks.by_asn:
                raise
            self.problems[SHIPPED / LISTS[0]] = f"{error}; the old lists stay in use"
            return self.current.networks

    def status(self, today: date) -> list[dict[str, Any]]:
        """One row per source for ``vidare geodata status``, and one per problem."""
        rows = [_row(source, today) for source in self.current.sources]
        broken = [{"source": path.stem, "path": str(path), "problem": reason} for path, reason in self.problems.items()]
        return rows + broken


def _refuse_live_agencies(settings: Settings) -> None:
    """Invented countries must never reach a real agency."""
    live = load_agencies(settings).leaving_loopback()
    if live:
        raise Misconfigured(
            f"VIDARE_TEST_NETWORKS=on, but these agencies are reached outside this machine: {', '.join(live)}; "
            f"turn it off or name another file in VIDARE_AGENCIES"
        )


def _signature(path: Path) -> Signature:
    try:
        return signature_of(path)
    except OSError:
        return None


def _named(sources: list[Source]) -> tuple[Source, ...]:
    """Sources in the order in which they are heard, a publisher's newest first; a lone synthetic one is ``test``."""
    lone = sum(1 for source in sources if source.test and source.country) == 1
    for source in sources:
        if source.test:
            source.name = "test" if lone and source.country else _test_name(source.path)

    def rank(source: Source) -> tuple[int, str, int, str]:
        known = (place for place, name in enumerate(_ORDER) if name in source.publisher)
        newest = -source.built.toordinal() if source.built else 0
        return (next(known, len(_ORDER)), source.publisher, newest, source.name)

    return tuple(sorted(sources, key=rank))


def _test_name(path: Path) -> str:
    stem = path.stem.lower()
    return stem if stem.startswith("test") else f"test-{stem}"


def _row(source: Source, today: date) -> dict[str, Any]:
    age = (today - source.built) if source.built else None
    state = "undated" if age is None else "alarm" if age > ALARM_AFTER else "stale" if age > STALE_AFTER else "fresh"
    return {
        "source": source.name,
        "path": str(source.path),
        "type": source.type,
        "says": "country" if source.country else "network",
        "built": source.built_text,
        "age_days": age.days if age is not None else None,
        "state": state,
        "digest": source.digest,
        "from": source.description,
        "test": source.test,
    }
