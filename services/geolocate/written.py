"""
How points are written: into the event, into custody, into the span.

Thousands of tips share what the sources say of their addresses, so that part is
encoded once (`_shared`) and set into each event; target, name and time differ.
The event's JSON is what pydantic makes of `contracts.events.Jurisdiction`
without defaults, byte for byte (a test compares them); joined from bytes it
takes a fifth less time than an encoder's dictionaries.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson
from pydantic_core import to_json

from contracts import telemetry
from contracts.events import Evidence
from contracts.vocabulary import AddressRole, Flag
from services.geolocate.decision import Found
from services.geolocate.locate import Point, Points

_MOST_SAID = 100
"""Verdicts that a custody entry spells out; the rest are counted."""

_REMEMBERED = 8_192
"""Findings whose written form a process keeps; about 12 MB at worst."""

_ROLES = {role: b'","role":%b' % orjson.dumps(role) for role in AddressRole}
Attributes = dict[str, str | int | float | bool | list[str]]


class _Shared(NamedTuple):
    """What is written of a finding wherever it stands."""

    fields: bytes
    """Of a verdict, in the contract's order, each behind a comma."""
    words: str
    """``ipfire=NL dbip=NL whois=SC: NL 75``."""


@lru_cache(maxsize=_REMEMBERED)
def _shared(found: Found) -> _Shared:
    fields = [
        _field("country", found.country) if found.country is not None else b"",
        _field("confidence", found.confidence) if found.confidence else b"",
        _field("candidates", found.candidates) if found.candidates else b"",
        b',"evidence":%b' % _evidence(found.evidence) if found.evidence else b"",
        b',"network":%b' % to_json(found.network) if found.network is not None else b"",
        _field("operator", found.operator) if found.operator is not None else b"",
    ]
    sources = " ".join(f"{item.source}={item.says or '-'}" for item in found.evidence)
    return _Shared(b"".join(fields), f"{sources}: {found.country or '-'} {round(100 * found.confidence)}")


@lru_cache(maxsize=_REMEMBERED)
def _evidence(evidence: tuple[Evidence, ...]) -> bytes:
    # A copy: what orjson returns holds four kilobytes, however short it is (3.13), and this is kept.
    return bytes(memoryview(orjson.dumps([item.model_dump(exclude_defaults=True) for item in evidence])))


def _field(name: str, value: object) -> bytes:
    return b',"%b":%b' % (name.encode(), orjson.dumps(value))


@lru_cache(maxsize=256)
def _flags(flags: tuple[Flag, ...]) -> bytes:
    return _field("flags", flags)


@lru_cache(maxsize=8)
def _builds(builds: tuple[tuple[str, str], ...]) -> bytes:
    return _field("builds", dict(builds))


def jurisdiction_bytes(points: Points, builds: Mapping[str, str]) -> bytes:
    """The event's ``jurisdiction``."""
    fields = b"".join(
        (
            b',"hosting":[%b]' % b",".join([_verdict(point) for point in points.hosting]) if points.hosting else b"",
            b',"persons":[%b]' % b",".join([_verdict(point) for point in points.persons]) if points.persons else b"",
            _flags(points.flags) if points.flags else b"",
            _builds(tuple(builds.items())) if builds else b"",
        )
    )
    return b"{%b}" % fields[1:]


def _verdict(point: Point) -> bytes:
    canonical, domain, flags, observed_at = point.canonical, point.domain, point.flags, point.observed_at
    return b"".join(
        (
            b'{"target":"',
            point.target.encode(),
            _ROLES[point.role],
            b',"canonical":%b' % orjson.dumps(canonical) if canonical is not None else b"",
            _shared(point.found).fields,
            b',"domain":%b' % orjson.dumps(domain) if domain is not None else b"",
            b',"observed_at":%b' % to_json(observed_at) if observed_at is not None else b"",
            _flags(flags) if flags else b"",
            b"}",
        )
    )


def basis(points: Points, digest: str) -> dict[str, object]:
    """What the verdicts rest on: databases by *digest*, and what each of them said; no address."""
    verdicts = (*points.hosting, *points.persons)
    return {"geodata": digest, "said": [_said(point) for point in verdicts[:_MOST_SAID]]}


def _said(point: Point) -> str:
    """``/addresses/0 ipfire=NL dbip=NL whois=SC: NL 75 conflict``."""
    return " ".join((point.target, _shared(point.found).words, *point.flags))


def tally(points: Points) -> dict[str, object]:
    """How many verdicts there are of each sort."""
    return {"hosting": len(points.hosting), "persons": len(points.persons)}


def attributes(points: Points, builds: list[str]) -> Attributes:
    """What the span tells: countries, flags, the least confidence, *builds*; no address."""
    made: Attributes = {telemetry.COUNTRIES: _countries(points.hosting)}
    if points.persons:
        made[telemetry.PERSON_COUNTRIES] = _countries(points.persons)
    if points.flags:
        made[telemetry.FLAGS] = _words(points.flags)
    if points.hosting:
        made[telemetry.CONFIDENCE] = min([point.found.confidence for point in points.hosting])
    made[telemetry.BUILDS] = builds
    return made


@lru_cache(maxsize=256)
def _words(flags: tuple[Flag, ...]) -> list[str]:
    return [flag.value for flag in flags]


def _countries(points: Sequence[Point]) -> list[str]:
    return sorted({country for point in points if (country := point.found.country)})
