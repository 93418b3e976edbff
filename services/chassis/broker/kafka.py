"""The broker port on Apache Kafka; the ``kafka*`` modules are the only code that knows the client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import GroupLoadInProgressError, KafkaError

from services.chassis.broker.broker_port import Member, Span, Spot
from services.chassis.broker.kafka_membership import KafkaMembership
from services.chassis.broker.kafka_producer import KafkaTaskProducer
from services.chassis.broker.kafka_reader import KafkaLaneReader, close, committed_reader, read_to
from services.chassis.hop import Record, TaskSpec
from services.chassis.running.tuning import Tuning

Answer = TypeVar("Answer")
PATIENCE_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


async def patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask again while the broker says that it will be able to answer soon."""
    for pause in PATIENCE_S:
        try:
            return await ask()
        except KafkaError as error:
            if not getattr(error, "retriable", False):
                raise
        await asyncio.sleep(pause)
    return await ask()


class KafkaBroker:
    """One process's connection to the broker."""

    def __init__(self, bootstrap: str, tuning: Tuning | None = None) -> None:
        self._bootstrap = bootstrap
        self._tuning = tuning or Tuning()
        self._admin: Any = None
        self._asker: Any = None

    async def start(self) -> None:
        """Connect."""
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        self._asker = committed_reader(self._bootstrap, self._tuning)
        await self._admin.start()
        await self._asker.start()

    async def stop(self) -> None:
        """Close."""
        if self._asker is not None:
            await close(self._asker)
        if self._admin is not None:
            await self._admin.close()

    def producer(self, transactional_id: str) -> KafkaTaskProducer:
        """A producer of its own for a task; not started."""
        return KafkaTaskProducer(self._bootstrap, transactional_id, self._tuning)

    def reader(self, lane: str) -> KafkaLaneReader:  # noqa: ARG002 - each lane has a client of its own
        """A reader of committed records; not started."""
        return KafkaLaneReader(self._bootstrap, self._tuning)

    def membership(self, group: str, tasks: Sequence[TaskSpec], member: Member, name: str | None) -> KafkaMembership:
        """A place in *group*; *name* makes it static."""
        return KafkaMembership(self._bootstrap, group, tasks, member, name, self._tuning)

    async def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        """How many partitions each of *topics* has; missing topics are left out."""
        found = await patiently(lambda: self._admin.describe_topics(list(topics)))
        return {topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]}

    async def spans(self, spots: Sequence[Spot]) -> Mapping[Spot, Span]:
        """Begin and end (last stable offset) of each partition."""
        wanted = [TopicPartition(*spot) for spot in spots]
        begins = await self._asker.beginning_offsets(wanted)
        ends = await self._asker.end_offsets(wanted)
        return {Spot(*tp): Span(begins[tp], ends[tp]) for tp in wanted}

    async def committed(self, group: str, spots: Sequence[Spot]) -> Mapping[Spot, int]:
        """Committed offsets of *group*; partitions without one are left out."""
        found = await patiently(lambda: self._committed(group, [TopicPartition(*spot) for spot in spots]))
        return {Spot(*tp): entry.offset for tp, entry in found.items() if entry.offset >= 0}

    async def _committed(self, group: str, wanted: list[Any]) -> Mapping[Any, Any]:
        """
        Ask once; an answer that leaves a partition out is an error that the client does not see.

        A partition without an offset is named with -1. One left out (the group is
        still loading) must never be taken for that: we would begin again at the beginning.
        """
        found: Mapping[Any, Any] = await self._admin.list_consumer_group_offsets(group, partitions=wanted)
        if any(tp not in found for tp in wanted):
            raise GroupLoadInProgressError(group)
        return found

    def read_to(self, spot: Spot, begin: int, end: int) -> AsyncIterator[Sequence[Record]]:
        """Committed records of *spot* from *begin* on, until the position reaches *end* (it may be a marker)."""
        return read_to(self._bootstrap, self._tuning, spot, begin, end)

    async def delete_before(self, offsets: Mapping[Spot, int]) -> None:
        """Delete the records before these offsets for ever."""
        await self._admin.delete_records(
            {TopicPartition(*spot): RecordsToDelete(offset) for spot, offset in offsets.items()}
        )
