"""
A notifier in the consume-transform-produce loop of the client's own documentation: the known-bad part of a mesh.

    python -m tests.chaos.documented notifier hop --id 0

Takes the place of a notifier process in the chaos test of the whole mesh, which must find what it loses and doubles.
The decision is the notifier's own; only the loop around it is the documented one.
"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.topics import ROUTED, URGENT
from services.chassis.codec import event_of
from services.chassis.hop import Emit, Input
from services.chassis.onboarding import load_agencies
from services.chassis.runner import utc_now
from services.chassis.settings import Settings
from services.chassis.state import MemoryStore, Overlay
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.chaos.known_bad import as_record
from tests.chaos.slow import busy_file, slow_down

BATCH = 40


async def documented_notifier(hop: NotifierHop, kafka: str) -> None:
    """Run the documented loop around the decision of *hop*, for ever."""
    consumer = AIOKafkaConsumer(
        ROUTED + URGENT, ROUTED, bootstrap_servers=kafka, group_id=hop.name, enable_auto_commit=False,
        auto_offset_reset="earliest", isolation_level="read_committed", session_timeout_ms=10_000,
        heartbeat_interval_ms=1_000,
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{hop.name}.{id(consumer)}")
    await consumer.start()
    await producer.start()
    store = MemoryStore()
    while True:
        got = await consumer.getmany(timeout_ms=200, max_records=BATCH)
        if not got:
            continue
        async with producer.transaction():
            offsets: dict[TopicPartition, int] = {}
            for partition, messages in got.items():
                for message in messages:
                    for emit in await asyncio.to_thread(_decide, hop, message, store):
                        await producer.send(emit.topic, emit.body, key=emit.key.encode())
                offsets[partition] = messages[-1].offset + 1
            await producer.send_offsets_to_transaction(offsets, hop.name)


def _decide(hop: NotifierHop, message: object, store: MemoryStore) -> list[Emit]:
    record = as_record(message)
    view = Overlay(store)
    outcome = hop.decide(Input(event_of(record, untrusted=False), utc_now(), record), view)
    store.apply(outcome.puts, None)
    return outcome.events


def main() -> int:
    """Run until killed."""
    settings = Settings()
    slow_down(NotifierHop, busy_file(settings.home, "notifier", sys.argv[-1]))
    agencies = Onboarded.of(load_agencies(settings))
    hop = NotifierHop(agencies, partitions=settings.partitions, proofs="http://127.0.0.1:8105")
    asyncio.run(documented_notifier(hop, settings.kafka or ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
