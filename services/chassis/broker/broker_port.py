"""
The broker as a hop sees it: one port, two adapters (``kafka``, ``memory``), one suite of tests for both.

Written narrow on purpose, so that the client below can be exchanged: a whole
transaction is one call, and nobody above it can forget a delivery.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from services.chassis.hop import Record, TaskSpec

Headers = list[tuple[str, bytes]]


class Spot(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Out(msgspec.Struct, frozen=True, gc=False):
    """One record to write; *partition* None: by the CRC of the key."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


class Place(NamedTuple):
    """Where a written record lies."""

    partition: int
    offset: int


class Span(NamedTuple):
    """First and next offset of a partition, as a reader of committed records sees it."""

    begin: int
    end: int


class TransactionFailed(Exception):
    """A transaction did not commit, or nobody knows: its producer is of no further use."""

    def __init__(self, what: str, *, by_records: bool = False) -> None:
        super().__init__(what)
        self.by_records = by_records
        """True where the records themselves are to blame (too large): trying again will not help."""


class TaskProducer(Protocol):
    """The one writer of a task: whoever starts the same id later fences this one."""

    async def start(self) -> None:
        """Fence every earlier producer of the same id and end its open transaction."""

    def pack(self, outs: Sequence[Out]) -> None:
        """
        Put *outs* into the next transaction; nothing is opened or sent before `commit`.

        What is packed cannot be taken back: whoever does not commit it must not use this producer again.
        """

    async def commit(self, outs: Sequence[Out], offsets: Mapping[Spot, int], group: str) -> list[Place]:
        """
        Write what was packed, then *outs*, and the offsets of *group* in one transaction; return where each lies.

        Raises:
            Fenced: A newer producer of the same id was started.
            TransactionFailed: Anything else; this producer must not be used again.
        """

    async def stop(self) -> None:
        """Close; nothing is open between two commits."""

    async def kill(self) -> None:
        """Close without waiting for anything in flight."""


class LaneReader(Protocol):
    """Reads committed records of the partitions it is told to, from the offsets it is told."""

    async def start(self) -> None:
        """Connect."""

    def assign(self, positions: Mapping[Spot, int]) -> None:
        """Read exactly these partitions from these offsets on; what was buffered is dropped."""

    async def take(self, spot: Spot, limit: int) -> Sequence[Record]:
        """Up to *limit* records of *spot* that are here already, in order; never waits."""

    async def arrived(self) -> Sequence[Spot]:
        """Wait until records are here and name the partitions that have some."""

    def position(self, spot: Spot) -> int | None:
        """Offset of the next record that `take` would give; None if *spot* is not assigned."""

    async def stop(self) -> None:
        """Close."""


class Member(Protocol):
    """What a group tells a member; both must be quick or bounded, and an exception ends the process."""

    async def revoked(self) -> None:
        """Everything is taken away: end what runs, then return."""

    async def assigned(self, tasks: frozenset[str]) -> None:
        """These tasks are ours from now on."""

    def failed(self, error: BaseException) -> None:
        """The membership broke; the process must end."""


class Membership(Protocol):
    """A place in a group."""

    async def start(self) -> None:
        """Join."""

    async def stop(self) -> None:
        """Leave; the member is told `revoked` before."""


class Broker(Protocol):
    """Everything a hop asks of a broker."""

    def producer(self, transactional_id: str) -> TaskProducer:
        """A producer of its own for a task; not started."""

    def reader(self, lane: str) -> LaneReader:
        """A reader of committed records; not started."""

    def membership(self, group: str, tasks: Sequence[TaskSpec], member: Member, name: str | None) -> Membership:
        """A place in *group*; *name* makes it static: the same name takes the same place again."""

    async def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        """How many partitions each of *topics* has; missing topics are left out."""

    async def spans(self, spots: Sequence[Spot]) -> Mapping[Spot, Span]:
        """Begin and end (last stable offset) of each partition."""

    async def committed(self, group: str, spots: Sequence[Spot]) -> Mapping[Spot, int]:
        """Committed offsets of *group*; partitions without one are left out."""

    def read_to(self, spot: Spot, begin: int, end: int) -> AsyncIterator[Sequence[Record]]:
        """Committed records of *spot* from *begin* on, until the position reaches *end* (it may be a marker)."""

    async def delete_before(self, offsets: Mapping[Spot, int]) -> None:
        """Delete the records before these offsets for ever."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Close."""
