"""
The consume-transform-produce loop of the client's own documentation, kept because it is wrong.

It does not await the delivery of what it sends, and it is not fenced by the
group's generation. A chaos test that does not fail on it proves nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.chassis.errors import Poison
from services.chassis.hop import Input, Record
from services.chassis.running.runner import utc_now
from services.chassis.store.state import MemoryStore, Overlay
from tests.support.copying import CopyHop

BATCH = 40
LARGEST = 4 * 1024 * 1024


class Sending(NamedTuple):
    """What a decision wants written."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None


async def documented_loop(
    kafka: str, group: str, topics: Sequence[str], decide: Callable[[Record], Sequence[Sending]], *, session_ms: int
) -> None:
    """Run the documented loop around *decide*, for ever."""
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=kafka, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        isolation_level="read_committed", session_timeout_ms=session_ms, heartbeat_interval_ms=1_000,
        max_partition_fetch_bytes=LARGEST,
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, transactional_id=f"{group}.{id(consumer)}", max_request_size=LARGEST
    )
    await consumer.start()
    await producer.start()
    while True:
        got = await consumer.getmany(timeout_ms=200, max_records=BATCH)
        if not got:
            continue
        async with producer.transaction():
            offsets: dict[TopicPartition, int] = {}
            for partition, messages in got.items():
                for message in messages:
                    for sending in await asyncio.to_thread(decide, _record(message)):
                        await producer.send(*sending[:3], partition=sending.partition)
                offsets[partition] = messages[-1].offset + 1
            await producer.send_offsets_to_transaction(offsets, group)


def _record(message: Any) -> Record:
    if isinstance(message, Record):  # where the chassis has taught the client to make them
        return message
    fields = ("topic", "partition", "offset", "key", "value", "headers", "timestamp")
    return Record(*(getattr(message, field) for field in fields))


def copying(hop: CopyHop) -> Callable[[Record], Sequence[Sending]]:
    """Decide as *hop* does."""
    view = Overlay(MemoryStore())

    def decide(record: Record) -> Sequence[Sending]:
        try:
            outcome = hop.decide(Input(UUID(int=record.offset), utc_now(), record), view)
        except Poison:
            return [Sending(hop.target, record.value or b"", None, record.partition)]
        return [Sending(hop.target, outcome.events[0].body, None, record.partition)]

    return decide
