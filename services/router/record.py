"""``decision/1``: what is kept of a decision, and the same bytes once more from what was kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from contracts.events import DecisionRecorded
from services.router.decision import Decision, World, unplaced
from services.router.facts import NEW
from services.router.gist import Gist
from services.router.telling import facts_told, later_told, suppressed_told, truth_told, why_not_told

_GIST: TypeAdapter[Gist] = TypeAdapter(Gist)


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
            "gist": _once(one, "gist", lambda decision: _plain(decision.gist)),
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
        found = one.told[name] = orjson.Fragment(orjson.dumps(tell(one)))
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a gist holds
    """*value* as JSON knows it; of a history only what happened."""
    if isinstance(value, frozenset):
        return sorted(value)
    if is_dataclass(value):
        named = {one.name: getattr(value, one.name) for one in fields(value)}
        untold = {one.name: getattr(NEW, one.name) for one in fields(NEW)} if isinstance(value, type(NEW)) else {}
        return {name: _plain(held) for name, held in named.items() if name not in untold or held != untold[name]}
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        return dict(zip(names, map(_plain, value), strict=True)) if names else [_plain(one) for one in value]
    return value
