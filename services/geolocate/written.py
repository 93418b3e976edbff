"""
How points are written: into the event, into custody, into the span.

Thousands of tips share what the sources say of their addresses, so that part is
encoded once (`_shared`) and set into each event; target, name and time differ.
The event's JSON is what pydantic makes of `contracts.events.Jurisdiction`
without defaults, byte for byte (a test compares them).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson
from pydantic_core import to_json

from contracts import telemetry
from contracts.events import Evidence
from services.geolocate.decision import Found
from services.geolocate.locate import Point, Points

_MOST_SAID = 100
"""Verdicts that a custody entry spells out; the rest are counted."""

_REMEMBERED = 16_384
"""Findings whose written form a process keeps; about 25 MB at worst."""

Attributes = dict[str, str | int | float | bool | list[str]]


class _Shared(NamedTuple):
    """What is written of a finding wherever it stands."""

    fields: Mapping[str, object]
    """Of a verdict, in the contract's order; evidence and network are JSON already."""
    words: str
    """``ipfire=NL dbip=NL whois=SC: NL 75``."""


@lru_cache(maxsize=_REMEMBERED)
def _shared(found: Found) -> _Shared:
    fields: dict[str, object] = {}
    if found.country is not None:
        fields["country"] = found.country
    if found.confidence:
        fields["confidence"] = found.confidence
    if found.candidates:
        fields["candidates"] = found.candidates
    if found.evidence:
        fields["evidence"] = _evidence(found.evidence)
    if found.network is not None:
        fields["network"] = orjson.Fragment(to_json(found.network))
    if found.operator is not None:
        fields["operator"] = found.operator
    sources = " ".join(f"{item.source}={item.says or '-'}" for item in found.evidence)
    return _Shared(fields, f"{sources}: {found.country or '-'} {round(100 * found.confidence)}")


@lru_cache(maxsize=_REMEMBERED)
def _evidence(evidence: tuple[Evidence, ...]) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps([item.model_dump(exclude_defaults=True) for item in evidence]))


def jurisdiction_fields(points: Points, builds: Mapping[str, str]) -> dict[str, object]:
    """What orjson writes as the event's ``jurisdiction``."""
    fields: dict[str, object] = {}
    if points.hosting:
        fields["hosting"] = [_verdict(point) for point in points.hosting]
    if points.persons:
        fields["persons"] = [_verdict(point) for point in points.persons]
    if points.flags:
        fields["flags"] = points.flags
    if builds:
        fields["builds"] = builds
    return fields


def _verdict(point: Point) -> dict[str, object]:
    fields: dict[str, object] = {"target": point.target, "role": point.role}
    if point.canonical is not None:
        fields["canonical"] = point.canonical
    fields.update(_shared(point.found).fields)
    if point.domain is not None:
        fields["domain"] = point.domain
    if point.observed_at is not None:
        fields["observed_at"] = orjson.Fragment(to_json(point.observed_at))
    if point.flags:
        fields["flags"] = point.flags
    return fields


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
        made[telemetry.FLAGS] = [flag.value for flag in points.flags]
    if points.hosting:
        made[telemetry.CONFIDENCE] = min([point.found.confidence for point in points.hosting])
    made[telemetry.BUILDS] = builds
    return made


def _countries(points: Sequence[Point]) -> list[str]:
    return sorted({country for point in points if (country := point.found.country)})
