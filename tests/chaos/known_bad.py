"""
The consume-transform-produce loop of the client's own documentation, kept because it is wrong.

It does not await the delivery of what it sends, and it is not fenced by the
group's generation. A chaos test that does not fail on it proves nothing.
"""

import asyncio
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.chassis.errors import Poison
from services.chassis.hop import Input, Record
from services.chassis.runner import utc_now
from services.chassis.state import MemoryStore, Overlay
from tests.support.copying import CopyHop

BATCH = 40


async def documented_loop(hop: CopyHop, kafka: str) -> None:
    """Run the documented loop around the decision of *hop*, for ever."""
    consumer = AIOKafkaConsumer(
        hop.source, bootstrap_servers=kafka, group_id=hop.name, enable_auto_commit=False,
        auto_offset_reset="earliest", isolation_level="read_committed", session_timeout_ms=6_000,
        heartbeat_interval_ms=1_000, max_partition_fetch_bytes=4 * 1024 * 1024,
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, transactional_id=f"{hop.name}.{id(consumer)}", max_request_size=4 * 1024 * 1024
    )
    await consumer.start()
    await producer.start()
    view = Overlay(MemoryStore())
    while True:
        got = await consumer.getmany(timeout_ms=200, max_records=BATCH)
        if not got:
            continue
        async with producer.transaction():
            offsets: dict[TopicPartition, int] = {}
            for partition, messages in got.items():
                for message in messages:
                    record = message if isinstance(message, Record) else as_record(message)
                    value = await asyncio.to_thread(_decide, hop, record, view)
                    await producer.send(hop.target, value, partition=record.partition)
                offsets[partition] = messages[-1].offset + 1
            await producer.send_offsets_to_transaction(offsets, hop.name)


def as_record(message: object) -> Record:
    """The client's record as the chassis's."""
    fields = ("topic", "partition", "offset", "key", "value", "headers", "timestamp")
    return Record(*(getattr(message, field) for field in fields))


def _decide(hop: CopyHop, record: Record, view: Overlay) -> bytes:
    try:
        outcome = hop.decide(Input(UUID(int=record.offset), utc_now(), record), view)
    except Poison:
        return record.value or b""
    return outcome.events[0].body
