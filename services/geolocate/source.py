"""
One open database: ours, MaxMind's or a synthetic one, asked in one way.

A file is copied into memory of its own and mapped from there: whoever
truncates or rewrites the file on disk cannot pull it from under a look-up.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from pathlib import Path

import geoip2.database
import geoip2.errors
import maxminddb

from contracts.events import Network
from services.geolocate.mmdb import UNDATED
from services.geolocate.wholeness import NotWhole, check_whole

TEST_PREFIX = "Vidare-Test"
_MAXMIND = ("GeoLite2-", "GeoIP2-", "DBIP-")
_PUBLISHERS = {"GeoLite2-": "maxmind", "GeoIP2-": "maxmind", "DBIP-": "dbip"}
"""Beginnings of types by which a publisher names its files; of ours, each file is one publisher's already."""

_PROBES = ("192.0.2.1", "8.8.8.8", "193.0.0.1", "1.1.1.1", "200.160.0.1", "2001:db8::1", "2a00:1450::1", "2600::1")
"""Looked up once when a file is opened, spread over the tree: a torn file fails here, not at a tip."""

_LONGEST_COUNTRY = 16
_SUMS = Path(__file__).with_name("data") / "SHA256SUMS"
Says = Callable[[str], str | None]


class BrokenDatabase(Exception):
    """A file that is not a database that can be asked; says why."""


@dataclass(slots=True, eq=False)
class Source:
    """An open database, known by identity; ``country`` or ``network`` answers, the other is None."""

    name: str
    path: Path
    type: str
    description: str
    built: date | None
    digest: str
    test: bool
    publisher: str
    """Whose data it is: two editions of one publisher are one voice."""
    country: Says | None = None
    network: Callable[[str], Network | None] | None = None
    signature: tuple[int, int, int] = (0, 0, 0)
    """Inode, size and time of change of the file that was opened."""

    @property
    def built_text(self) -> str | None:
        """Date of the build, ISO 8601."""
        return self.built.isoformat() if self.built else None


def signature_of(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced or rewritten."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def open_source(path: Path) -> Source:
    """
    Open the database *path* and ask it for a few addresses.

    Raises:
        BrokenDatabase: Empty, truncated, not a database, or of a kind that says neither country nor network.
    """
    try:
        signature = signature_of(path)
        body = path.read_bytes()
        digest = hashlib.sha256(body).hexdigest()
        if digest not in _vouched():
            check_whole(body)
        reader = _mapped(body, path.name)
        meta = reader.metadata()
    except NotWhole as error:
        raise BrokenDatabase(f"{path}: {error}; replace it or remove it") from error
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise BrokenDatabase(f"{path}: not a usable .mmdb file; replace it or remove it") from error
    made = Source(
        name=path.stem.lower(),
        path=path,
        type=meta.database_type,
        description=meta.description.get("en", ""),
        built=datetime.fromtimestamp(meta.build_epoch, UTC).date() if meta.build_epoch > UNDATED else None,
        digest=f"sha256:{digest}",
        test=meta.database_type.startswith(TEST_PREFIX),
        publisher=_publisher(meta.database_type) or path.stem.lower(),
        signature=signature,
    )
    _wire(made, reader, body)
    _probe(made)
    return made


@cache
def _vouched() -> frozenset[str]:
    """Digests of the shipped files, which the tests have read as a whole: nobody has to wait for that again."""
    if not _SUMS.is_file():
        return frozenset()
    return frozenset(line.split()[0] for line in _SUMS.read_text("utf-8").splitlines() if line.strip())


def _publisher(kind: str) -> str | None:
    return next((name for begins, name in _PUBLISHERS.items() if kind.startswith(begins)), None)


def _mapped(body: bytes, name: str) -> maxminddb.Reader:
    """A reader over an anonymous copy of *body*."""
    if not hasattr(os, "memfd_create"):
        raise BrokenDatabase("anonymous memory files are missing on this system; run on Linux")
    handle = os.memfd_create(name)
    try:
        os.write(handle, body) if len(body) < 1 << 30 else _write_all(handle, body)
        return maxminddb.open_database(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def _write_all(handle: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(handle, view) :]


def _wire(made: Source, reader: maxminddb.Reader, body: bytes) -> None:
    """Choose how *made* is asked, by the type that the file names."""
    is_network = "ASN" in made.type.upper()
    if made.type.startswith(_MAXMIND):
        _wire_maxmind(made, body, is_network=is_network)
    elif is_network:
        made.network = lambda ip: _network(reader.get(ip))
    else:
        made.country = lambda ip: country_of(reader.get(ip))


def _wire_maxmind(made: Source, body: bytes, *, is_network: bool) -> None:
    """MaxMind's own files through MaxMind's own library."""
    handle = os.memfd_create(made.path.name)
    try:
        _write_all(handle, body)
        reader = geoip2.database.Reader(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)

    def network(ip: str) -> Network | None:
        try:
            found = reader.asn(ip)
        except geoip2.errors.AddressNotFoundError:
            return None
        number = found.autonomous_system_number
        return _network_of(number, found.autonomous_system_organization or "") if number else None

    def country(ip: str) -> str | None:
        try:
            found = reader.city(ip) if "City" in made.type else reader.country(ip)
        except geoip2.errors.AddressNotFoundError:
            return None
        return found.country.iso_code

    if is_network:
        made.network = network
    else:
        made.country = country


def country_of(record: object) -> str | None:
    """The country in a record of our layout, or of a common one; at most a short code, whatever stands there."""
    if isinstance(record, dict):
        nested = record.get("country") or record.get("country_code")
        record = nested.get("iso_code") if isinstance(nested, dict) else nested
    return record[:_LONGEST_COUNTRY] if isinstance(record, str) and record else None


def _network(record: object) -> Network | None:
    if not isinstance(record, dict):
        return None
    number = record.get("asn") or record.get("autonomous_system_number")
    name = record.get("name") or record.get("autonomous_system_organization") or ""
    return _network_of(number, str(name)) if isinstance(number, int) else None


@lru_cache(maxsize=16_384)
def _network_of(number: int, name: str) -> Network:
    """One value per network, not per address: it is cheap to compare and to find again."""
    return Network(asn=number, name=name)


def _probe(made: Source) -> None:
    ask = made.country or made.network
    try:
        for ip in _PROBES:
            if ask is not None:
                ask(ip)
    except (maxminddb.InvalidDatabaseError, TypeError, AttributeError) as error:
        raise BrokenDatabase(
            f"{made.path}: damaged, or of the kind {made.type!r} that says neither country nor network"
        ) from error
    except ValueError:
        return
