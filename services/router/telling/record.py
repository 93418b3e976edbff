"""``decision/1``: what is kept of a decision, and the same bytes once more from what was kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from contracts.events import DecisionRecorded
from services.router.decision import Decision, World, unplaced
from services.router.facts import NEW, History
from services.router.gist import Gist
from services.router.telling.telling import facts_told, later_told, suppressed_told, truth_told, why_not_told

_GIST: TypeAdapter[Gist] = TypeAdapter(Gist)
_OF_HISTORY = tuple(one.name for one in fields(History))


class Heading(NamedTuple):
    """What a record says of the tip and the time, which no rule decides."""

    tip_id: UUID
    revision: int
    version: int
    group_id: str
    partner: str
    decided_at: datetime
    builds: Mapping[str, str]


class NotAgain(Exception):
    """A decision that cannot be taken again; the text is the reason."""


def recorded(heading: Heading, one: Decision, world: World, sightings: Iterable[str]) -> bytes:
    """``decision/1``: facts, digests and the truth of every rule."""
    return orjson.dumps(
        {
            "schema": "decision/1",
            "tip_id": heading.tip_id,
            "revision": heading.revision,
            "version": heading.version,
            "group_id": heading.group_id,
            "partner": heading.partner,
            "decided_at": heading.decided_at,
            "rulebook": {"id": world.book.id, "digest": world.book.digest},
            "builds": heading.builds,
            "facts": _once(one, "facts", facts_told),
            "truth": _once(one, "truth", truth_told),
            "destinations": [
                {"id": to.id, "rules": to.rules, "priority": to.priority, "region": to.region}
                for to in one.destinations
            ],
            "later": _once(one, "later", later_told),
            "suppressed": _once(one, "suppressed", suppressed_told),
            "why_not": _once(one, "why_not", why_not_told),
            "priority": one.priority,
            "priority_reasons": one.priority_reasons,
            "actionability": one.triage.actionability,
            "px": one.px,
            "sighting_of": list(sightings),
            "gist": _once(one, "gist", _gist_told),
            "world": world.digest,
        }
    )


def again(kept: DecisionRecorded, world: World) -> bytes:
    """
    The record of the decision that *world* takes now on what *kept* says of the tip.

    What no rule decides is taken from *kept*: ids, times, the group's sightings, and the region of a routine tip,
    which is where the spread over the regions stood.

    Raises:
        NotAgain: It was recorded before all that a decision reads was kept.
    """
    try:
        gist = _GIST.validate_python(kept.gist)
    except ValidationError:
        raise NotAgain("an older version recorded it without all that it had read") from None
    regions = {to.id: to.region for to in kept.destinations}
    decision = world.decided(gist)
    placed = tuple(
        replace(to, region=regions.get(to.id)) if unplaced(to, decision, world.atlas) else to
        for to in decision.destinations
    )
    heading = Heading(
        kept.tip_id,
        kept.revision,
        kept.version,
        kept.group_id,
        kept.partner,
        kept.decided_at.astimezone(UTC),
        kept.builds,
    )
    return recorded(heading, replace(decision, destinations=placed), world, map(str, kept.sighting_of))


def _once(one: Decision, name: str, tell: Callable[[Decision], object]) -> orjson.Fragment:
    """What *tell* says of a decision; said once for all tips that are decided like this one."""
    found = one.told.get(name)
    if found is None:
        # A copy: what orjson returns holds four kilobytes, however short it is (3.13), and this is kept.
        found = one.told[name] = orjson.Fragment(bytes(memoryview(orjson.dumps(tell(one)))))
    return found


def _gist_told(one: Decision) -> dict[str, Any]:
    """All that the decision read, as JSON knows it; of a history only what happened."""
    gist = one.gist
    if gist is None:
        return {}
    history, named = gist.history, ("hosts", "persons", "people")
    return gist._asdict() | {
        "history": {} if history is NEW else _happened(history),
        "signals": sorted(gist.signals),
        **{name: [part._asdict() for part in getattr(gist, name)] for name in named},
    }


def _happened(history: History) -> dict[str, Any]:
    told = {name: getattr(history, name) for name in _OF_HISTORY}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in told.items()
        if value != getattr(NEW, name)
    }
