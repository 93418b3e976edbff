"""
How points are written: into the event, into custody, into the span.

Thousands of tips share what the sources say of their addresses, so that part is
encoded once (`_shared`) and set into each event; target, name and time differ.
The event's JSON is what pydantic makes of `contracts.events.Jurisdiction`
without defaults, byte for byte (a test compares them).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

import orjson
from pydantic_core import to_json

from contracts import telemetry
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
        fields["evidence"] = orjson.Fragment(to_json(found.evidence, exclude_none=False))
    if found.network is not None:
        fields["network"] = orjson.Fragment(to_json(found.network))
    if found.operator is not None:
        fields["operator"] = found.operator
    sources = " ".join(f"{item.source}={item.says or '-'}" for item in found.evidence)
    return _Shared(fields, f"{sources}: {found.country or '-'} {round(100 * found.confidence)}")
