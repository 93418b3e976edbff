"""
The in-memory twin of the broker: same port, same promises, no network.

Transactions are atomic because a commit is one call. Each leaves a marker in
every partition it wrote, as the real broker does, so that nobody learns to
expect a last record at the end of a partition.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from services.chassis.broker.assignment import Claim, share_out
from services.chassis.broker.broker_port import Member, Out, Place, Span, Spot, TransactionFailed
from services.chassis.codec import partition_of
from services.chassis.errors import Fenced
from services.chassis.hop import Record, TaskSpec


class _Log:
    """One partition; None is a transaction marker."""

    def __init__(self) -> None:
        self.begin = 0
        self.rows: list[Record | None] = []

    @property
    def end(self) -> int:
        return len(self.rows)

    def read(self, position: int, limit: int) -> tuple[list[Record], int]:
        """Records from *position* on, and the position behind them and the markers that follow."""
        found: list[Record] = []
        while position < self.end and len(found) < limit:
            row = self.rows[position]
            position += 1
            if row is not None:
                found.append(row)
        while position < self.end and self.rows[position] is None:
            position += 1
        return found, position


class MemoryBroker:
    """Topics, transactions, committed offsets, groups."""

    def __init__(self, *, auto_partitions: int | None = None) -> None:
        self._auto = auto_partitions
        self._topics: dict[str, list[_Log]] = {}
        self._epochs: dict[str, int] = defaultdict(int)
        self._offsets: dict[tuple[str, Spot], int] = {}
        self._groups: dict[str, list[MemoryMembership]] = defaultdict(list)
        self._news: set[asyncio.Event] = set()
        self.before_commit: Callable[[str, Sequence[Out]], None] = lambda _id, _outs: None
        """Called with the transactional id before a commit; what it raises fails the commit (faults of tests)."""

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        """Nothing to close."""

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic."""
        self._topics[topic] = [_Log() for _ in range(partitions)]

    @property
    def topics(self) -> Sequence[str]:
        """Topics that exist."""
        return list(self._topics)

    def logs(self, topic: str) -> list[_Log]:
        """The partitions of *topic*; made on demand where the broker was told to."""
        if topic not in self._topics:
            if self._auto is None:
                raise TransactionFailed(f"topic {topic} does not exist")
            self.create(topic, self._auto)
        return self._topics[topic]

    def log(self, spot: Spot) -> _Log:
        """One partition."""
        return self.logs(spot.topic)[spot.partition]

    def records(self, topic: str) -> list[Record]:
        """All records of *topic*, by partition and offset."""
        return [row for log in self._topics.get(topic, []) for row in log.rows[log.begin :] if row is not None]

    def append(self, outs: Sequence[Out]) -> list[Place]:
        """Append without a transaction, as a foreign client would."""
        places = [self._append(out) for out in outs]
        self.notify()
        return places

    def _append(self, out: Out) -> Place:
        logs = self.logs(out.topic)
        partition = out.partition
        if partition is None:
            partition = partition_of((out.key or b"").decode(), len(logs))
        log = logs[partition]
        place = Place(partition, log.end)
        log.rows.append(Record(out.topic, partition, log.end, out.key, out.value, tuple(out.headers), out.timestamp_ms))
        return place

    def notify(self) -> None:
        """Wake whoever waits for records."""
        for event in self._news:
            event.set()

    def fence(self, transactional_id: str) -> int:
        """Start a new epoch of *transactional_id*."""
        self._epochs[transactional_id] += 1
        return self._epochs[transactional_id]

    def transact(
        self, who: tuple[str, int], outs: Sequence[Out], offsets: Mapping[Spot, int], group: str
    ) -> list[Place]:
        """Write a whole transaction, or nothing."""
        if self._epochs[who[0]] != who[1]:
            raise Fenced(f"a newer worker owns {who[0]}")
        try:
            self.before_commit(who[0], outs)
            for out in outs:
                self.logs(out.topic)
        except Exception as error:
            raise TransactionFailed(str(error), by_records=isinstance(error, ValueError)) from error
        places = [self._append(out) for out in outs]
        for topic, partition in {(out.topic, place.partition) for out, place in zip(outs, places, strict=True)}:
            self._topics[topic][partition].rows.append(None)
        self._offsets.update({(group, spot): offset for spot, offset in offsets.items()})
        self.notify()
        return places

    def producer(self, transactional_id: str) -> "MemoryProducer":
        """A producer of its own for a task; not started."""
        return MemoryProducer(self, transactional_id)

    def reader(self, lane: str) -> "MemoryReader":  # noqa: ARG002 - one log serves all lanes
        """A reader of committed records."""
        return MemoryReader(self, self._news)

    def membership(self, group: str, tasks: Sequence[TaskSpec], member: Member, name: str | None) -> "MemoryMembership":
        """A place in *group*."""
        return MemoryMembership(self._groups[group], tasks, member, name)

    async def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        """How many partitions each of *topics* has."""
        if self._auto is not None:
            for topic in topics:
                self.logs(topic)
        return {topic: len(self._topics[topic]) for topic in topics if topic in self._topics}

    async def spans(self, spots: Sequence[Spot]) -> Mapping[Spot, Span]:
        """Begin and end of each partition."""
        return {spot: Span(self.log(spot).begin, self.log(spot).end) for spot in spots}

    async def committed(self, group: str, spots: Sequence[Spot]) -> Mapping[Spot, int]:
        """Committed offsets of *group*."""
        return {spot: self._offsets[group, spot] for spot in spots if (group, spot) in self._offsets}

    async def read_to(self, spot: Spot, begin: int, end: int) -> AsyncIterator[Sequence[Record]]:
        """Committed records of *spot* from *begin* on, until the position reaches *end*."""
        position = max(begin, self.log(spot).begin)
        while position < end:
            await asyncio.sleep(0)
            records, position = self.log(spot).read(position, 500)
            yield records

    async def delete_before(self, offsets: Mapping[Spot, int]) -> None:
        """Delete the records before these offsets for ever."""
        for spot, offset in offsets.items():
            self.log(spot).begin = max(self.log(spot).begin, offset)


class MemoryProducer:
    """The one writer of a task."""

    def __init__(self, broker: MemoryBroker, transactional_id: str) -> None:
        self._broker = broker
        self._id = transactional_id
        self._epoch = 0
        self._packed: list[Out] = []

    async def start(self) -> None:
        """Fence every earlier producer of the same id."""
        await asyncio.sleep(0)
        self._epoch = self._broker.fence(self._id)

    def pack(self, outs: Sequence[Out]) -> None:
        """Put *outs* into the next transaction."""
        self._packed += outs

    async def commit(self, outs: Sequence[Out], offsets: Mapping[Spot, int], group: str) -> list[Place]:
        """Write what was packed, *outs* and the offsets in one transaction."""
        await asyncio.sleep(0)
        packed, self._packed = self._packed, []
        return self._broker.transact((self._id, self._epoch), [*packed, *outs], offsets, group)

    async def stop(self) -> None:
        """Nothing to close."""

    async def kill(self) -> None:
        """Nothing to close."""


class MemoryReader:
    """Reads the partitions it is told to."""

    def __init__(self, broker: MemoryBroker, news: set[asyncio.Event]) -> None:
        self._broker = broker
        self._listeners = news
        self._positions: dict[Spot, int] = {}
        self._news = asyncio.Event()

    async def start(self) -> None:
        """Listen for news."""
        self._listeners.add(self._news)

    def assign(self, positions: Mapping[Spot, int]) -> None:
        """Read exactly these partitions from these offsets on."""
        self._positions = dict(positions)
        self._news.set()

    async def take(self, spot: Spot, limit: int) -> Sequence[Record]:
        """Up to *limit* records of *spot* that are here already."""
        if spot not in self._positions:
            return []
        records, self._positions[spot] = self._broker.log(spot).read(self._positions[spot], limit)
        return records

    async def arrived(self) -> Sequence[Spot]:
        """Wait until records are here."""
        await self._news.wait()
        self._news.clear()
        return [spot for spot, at in self._positions.items() if at < self._broker.log(spot).end]

    def position(self, spot: Spot) -> int | None:
        """Offset of the next record that `take` would give."""
        return self._positions.get(spot)

    async def stop(self) -> None:
        """Stop listening."""
        self._listeners.discard(self._news)


class MemoryMembership:
    """A place in a group; every join and leave takes all tasks away and gives them out again."""

    def __init__(
        self, others: "list[MemoryMembership]", tasks: Sequence[TaskSpec], member: Member, name: str | None
    ) -> None:
        self.members = others
        self._tasks = [task.id for task in tasks]
        self.member = member
        self.name = name or f"member-{id(self)}"
        self.own: frozenset[str] = frozenset()
        self.generation = 0

    async def start(self) -> None:
        """Join."""
        await self._rebalance([*self.members, self])

    async def stop(self) -> None:
        """Leave."""
        await self._rebalance([other for other in self.members if other is not self])

    async def _rebalance(self, after: "list[MemoryMembership]") -> None:
        for membership in self.members:
            await membership.member.revoked()
        self.members[:] = after
        claims = {m.name: Claim(m.own, m.generation) for m in after}
        shares = share_out(self._tasks, claims)
        for membership in after:
            membership.own = shares[membership.name]
            membership.generation += 1
            await membership.member.assigned(membership.own)
