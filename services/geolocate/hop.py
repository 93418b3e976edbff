"""
The geolocate hop: a received tip in, the same tip with its verdicts out.

No state of its own. The tip's bytes are passed on as they came; only the
verdicts are new.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import orjson

from contracts.onboarding import Partner
from contracts.topics import LOCATED, RECEIVED, URGENT
from contracts.vocabulary import EntryKind
from services.chassis.errors import Unavailable
from services.chassis.hop import Emit, Entry, Input, Lane, Outcome, Record, TaskSpec, View, same_partition_topics
from services.geolocate.geodata import OpenSet
from services.geolocate.locate import World, points
from services.geolocate.reading import Tip, read
from services.geolocate.resolver import Resolver
from services.geolocate.written import attributes, basis, jurisdiction_bytes, tally

NAME = "geolocate"
LANES = (Lane(RECEIVED + URGENT, urgent=True), Lane(RECEIVED))
_TYPE = "tip-located/1"
_ENTRY = EntryKind.HOP_GEOLOCATED.value
_PURPOSE = "where a tip points"


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
        tip = read(record.value)
        used = self._current()
        if not used.ready:
            raise Unavailable("geodata")
        world = World(used.look_up, given.now.date(), self._resolver)
        found = points(tip.urls, tip.addresses, world, vetted=tip.partner in self._vetted)
        return Outcome(
            events=[_located(given, record, tip, jurisdiction_bytes(found, used.builds))],
            entries=[
                Entry(_ENTRY, tip.id, _PURPOSE, basis=basis(found, used.digest), tally=tally(found)),
            ],
            attributes=attributes(found, used.names),
            tip=tip.id,
        )


@lru_cache(maxsize=4)
def _head(now: datetime) -> bytes:
    """How every event of one moment begins."""
    head = {"schema": _TYPE, "located_at": now.astimezone(UTC)}
    return orjson.dumps(head, option=orjson.OPT_UTC_Z)[:-1] + b',"jurisdiction":'


def _located(given: Input, record: Record, tip: Tip, jurisdiction: bytes) -> Emit:
    # Joined from bytes: an encoder would copy the tip several times while its own buffer grows.
    body = b'%b%b,"received":%b}' % (_head(given.now), jurisdiction, record.value or b"")
    topic = LOCATED + URGENT if record.topic.endswith(URGENT) else LOCATED
    return Emit(
        topic,
        tip.group_id,
        _TYPE,
        body,
        tip=tip.id,
        expects_entry=True,
        partition=record.partition,
    )
