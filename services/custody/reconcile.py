"""
Balancing the books of a running mesh: every entry there is, and what the groups have not read yet.

What is missing can be on its way, and the log may hold entries that a reader of
committed records cannot see yet (another writer's transaction is open before
them). So nothing is called lost before its topic was seen without lag and the
log was read again for longer than a transaction can stay open.
"""

import asyncio
import time
from collections.abc import Collection, Iterable

import orjson

from contracts.topics import CUSTODY, mesh_topics
from services.chassis.broker.broker_port import Broker, Spot
from services.chassis.errors import Misconfigured
from services.custody.books import Balance, Books
from services.custody.index import EntryIndex

PATIENCE_S = 20.0
"""Longer than the transaction time-out of 15 s: until then an entry may lie behind an open transaction."""
PAUSE_S = 0.5

READERS = {topic.name: topic.readers[0] for topic in mesh_topics() if topic.readers}
"""Which group works a topic: its name is the hop's."""

ENTRIES = Spot(CUSTODY, 0)


class Ledger:
    """The books of one mesh, as far as its log was read."""

    def __init__(self, broker: Broker, index: EntryIndex | None = None) -> None:
        self.books = Books()
        self._broker = broker
        self._index = index
        self._position = 0

    async def catch_up(self) -> int:
        """
        Fold every entry that can be read now; return how many there were.

        Raises:
            Misconfigured: There is no topic ``custody``.
        """
        if not (await self._broker.partitions([CUSTODY])).get(CUSTODY):
            raise Misconfigured(f"the broker has no topic {CUSTODY}: create the topics with `vidare topics apply`")
        span = (await self._broker.spans([ENTRIES]))[ENTRIES]
        if span.end <= self._position:
            return 0
        before = self.books.entries
        async for records in self._broker.read_to(ENTRIES, max(self._position, span.begin), span.end):
            for record in records:
                self._position = record.offset + 1
                if record.value is not None:
                    self.take(record.offset, record.value)
            await asyncio.sleep(0)
        # What was committed meanwhile may have been read as well: never fold it twice.
        self._position = max(span.end, self._position)
        return self.books.entries - before

    def take(self, offset: int, value: bytes) -> None:
        """Fold the entry at *offset*."""
        try:
            entry = orjson.loads(value)
        except orjson.JSONDecodeError:
            entry = None
        if self.books.add(entry) and self._index is not None and entry.get("tip") is not None:
            self._index.note(entry["tip"], offset)

    async def balance(self, *, patience_s: float = PATIENCE_S) -> Balance:
        """Balance the books; takes up to *patience_s* where something seems to be lost."""
        await self.catch_up()
        due = self.books.expected()
        late = await lagging(self._broker, self.books.awaited_topics())
        await self.catch_up()
        deadline = time.monotonic() + patience_s
        while (found := self.books.balance(late, due)).unaccounted and time.monotonic() < deadline:
            await asyncio.sleep(PAUSE_S)
            await self.catch_up()
        return found


async def lagging(broker: Broker, topics: Iterable[str]) -> Collection[str]:
    """Name those of *topics* that hold a committed record which their group has not worked."""
    found = set()
    counts = await broker.partitions([topic for topic in topics if topic in READERS])
    for topic, count in counts.items():
        spots = [Spot(topic, partition) for partition in range(count)]
        done = await broker.committed(READERS[topic], spots)
        for spot, span in (await broker.spans(spots)).items():
            if await _holds_records(broker, spot, max(done.get(spot, 0), span.begin), span.end):
                found.add(topic)
                break
    return found


async def _holds_records(broker: Broker, spot: Spot, begin: int, end: int) -> bool:
    """Look whether there is a record, not only markers of transactions, between two offsets."""
    if begin >= end:
        return False
    reading = broker.read_to(spot, begin, end)
    try:
        async for records in reading:
            if any(record.offset < end for record in records):
                return True
    finally:
        await reading.aclose()  # type: ignore[attr-defined]
    return False
