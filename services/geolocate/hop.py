"""
The geolocate hop: a received tip in, the same tip with its verdicts out.

No state of its own. The tip's bytes are passed on as they came; only the
verdicts are new.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import orjson
from pydantic import ValidationError

from contracts import telemetry
from contracts.events import Jurisdiction, TipReceived, Verdict
from contracts.onboarding import Partner
from contracts.topics import LOCATED, RECEIVED, URGENT
from contracts.vocabulary import DeadReason, EntryKind, Flag
from services.chassis.errors import Poison, Unavailable
from services.chassis.hop import Emit, Entry, Input, Lane, Outcome, Record, TaskSpec, View, same_partition_topics
from services.geolocate.geodata import OpenSet
from services.geolocate.locate import World, jurisdiction
from services.geolocate.resolver import Resolver

NAME = "geolocate"
LANES = (Lane(RECEIVED + URGENT, urgent=True), Lane(RECEIVED))
_TYPE = "tip-located/1"
_SCHEMA = "tip-received/1"
_PURPOSE = "where a tip points"
_MOST_SAID = 100
"""Verdicts that a custody entry spells out; the rest are counted."""


class GeolocateHop:
    """Locates every indicator of a tip (`services.chassis.hop.Hop`)."""

    name = NAME
    untrusted = False

    def __init__(
        self,
        current: Callable[[], OpenSet],
        partners: Mapping[str, Partner],
        *,
        partitions: int,
        resolver: Resolver | None = None,
        version: str = "0",
    ) -> None:
        """Read the databases that *current* gives at each decision; *resolver* only where names may be asked."""
        self._current = current
        self._vetted = frozenset(partner.id for partner in partners.values() if partner.vetted)
        self._partitions = partitions
        self._resolver = resolver
        self.version = version

    def tasks(self) -> Sequence[TaskSpec]:
        """Partition *i* of both lanes is task *i*; there is no state."""
        return same_partition_topics(LANES, self._partitions, changelog=None)

    def decide(self, given: Input, view: View) -> Outcome:  # noqa: ARG002  (no state: the view is never asked)
        """
        Locate one tip.

        Raises:
            Poison: Not a ``tip-received/1``.
            Unavailable: No database is open, or a name is still being resolved.
        """
        record = given.record
        if record is None:
            return Outcome()
        tip = parse(record.value)
        used = self._current()
        if not used.ready:
            raise Unavailable("geodata")
        world = World(used.look_up, given.now.date(), self._resolver)
        found = jurisdiction(tip.content.indicators, world, vetted=tip.partner in self._vetted, builds=used.builds)
        tip_id = str(tip.tip_id)
        return Outcome(
            events=[_located(record, tip, found, given.now)],
            entries=[
                Entry(EntryKind.HOP_GEOLOCATED.value, tip_id, _PURPOSE, basis=_basis(found, used), tally=_tally(found))
            ],
            attributes=_attributes(found, used),
            tip=tip_id,
        )


def parse(value: bytes | None) -> TipReceived:
    """
    The event in *value*.

    Raises:
        Poison: Null, not JSON, another version, or not such an event.
    """
    if value is None:
        raise Poison(DeadReason.NULL_VALUE)
    try:
        return TipReceived.model_validate_json(value)
    except ValidationError:
        raise Poison(_why(value)) from None


def _why(value: bytes) -> DeadReason:
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        return DeadReason.NOT_JSON
    named = body.get("schema") if isinstance(body, dict) else None
    return DeadReason.UNKNOWN_VERSION if isinstance(named, str) and named != _SCHEMA else DeadReason.INVALID_EVENT


def _located(record: Record, tip: TipReceived, found: Jurisdiction, now: datetime) -> Emit:
    body = {
        "schema": _TYPE,
        "located_at": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "jurisdiction": orjson.Fragment(found.__pydantic_serializer__.to_json(found, exclude_defaults=True)),
        "received": orjson.Fragment(record.value or b""),
    }
    topic = LOCATED + URGENT if record.topic.endswith(URGENT) else LOCATED
    return Emit(
        topic,
        tip.group_id,
        _TYPE,
        orjson.dumps(body),
        tip=str(tip.tip_id),
        expects_entry=True,
        partition=record.partition,
    )


def _basis(found: Jurisdiction, used: OpenSet) -> dict[str, object]:
    """What the verdicts rest on: databases by digest, and what each of them said; no address."""
    verdicts = (*found.hosting, *found.persons)
    return {"geodata": used.digest, "said": [_said(verdict) for verdict in verdicts[:_MOST_SAID]]}


def _said(verdict: Verdict) -> str:
    """``/addresses/0 ipfire=NL dbip=NL whois=SC: NL 75 conflict``."""
    sources = " ".join(f"{item.source}={item.says or '-'}" for item in verdict.evidence)
    flags = "".join(f" {flag.value}" for flag in verdict.flags)
    return f"{verdict.target} {sources}: {verdict.country or '-'} {round(100 * verdict.confidence)}{flags}"


def _tally(found: Jurisdiction) -> dict[str, object]:
    return {"hosting": len(found.hosting), "persons": len(found.persons)}


def _attributes(found: Jurisdiction, used: OpenSet) -> dict[str, str | int | float | bool | list[str]]:
    made: dict[str, str | int | float | bool | list[str]] = {telemetry.COUNTRIES: _countries(found.hosting)}
    if found.persons:
        made[telemetry.PERSON_COUNTRIES] = _countries(found.persons)
    if found.flags:
        made[telemetry.FLAGS] = [Flag(flag).value for flag in found.flags]
    if found.hosting:
        made[telemetry.CONFIDENCE] = min(verdict.confidence for verdict in found.hosting)
    made[telemetry.BUILDS] = used.names
    return made


def _countries(verdicts: Sequence[Verdict]) -> list[str]:
    return sorted({verdict.country for verdict in verdicts if verdict.country})
