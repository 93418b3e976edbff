"""What commands do with a broker: read topics from end to end, write records in one transaction."""

import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from services.chassis.broker.broker_port import Broker, Out, Spot, TaskProducer, TransactionFailed
from services.chassis.errors import Unavailable
from services.chassis.hop import Record


@asynccontextmanager
async def connected(kafka: str) -> AsyncIterator[Broker]:
    """
    Connect to the broker for the length of the block.

    Raises:
        Unavailable: Nothing answers there.
    """
    from services.chassis.broker.kafka import KafkaBroker  # noqa: PLC0415 - keeps `vidare --help` quick

    broker = KafkaBroker(kafka)
    try:
        await broker.start()
    except Exception as error:
        await broker.stop()
        what = f"the broker at {kafka}"
        raise Unavailable(what) from error
    try:
        yield broker
    finally:
        await broker.stop()


async def all_records(broker: Broker, topic: str, *, begin: Mapping[Spot, int] | None = None) -> AsyncIterator[Record]:
    """Every committed record of *topic* that is there now, partition by partition; none if there is no such topic."""
    count = (await broker.partitions([topic])).get(topic, 0)
    spots = [Spot(topic, partition) for partition in range(count)]
    for spot, span in (await broker.spans(spots)).items() if spots else ():
        first = max(span.begin, (begin or {}).get(spot, span.begin))
        if first >= span.end:
            continue
        async for records in broker.read_to(spot, first, span.end):
            for record in records:
                yield record


async def write(
    broker: Broker, outs: Sequence[Out], *, writer: str, offsets: Mapping[Spot, int] | None = None, group: str = ""
) -> None:
    """
    Write *outs*, and *offsets* of *group*, in one transaction: all of it or nothing.

    Raises:
        Unavailable: It was not committed, or nobody knows.
    """
    producer = broker.producer(f"vidare-{writer}-{secrets.token_hex(4)}")
    try:
        await producer.start()
        await producer.commit(outs, offsets or {}, group)
    except TransactionFailed as error:
        what = "the broker"
        raise Unavailable(what) from error
    finally:
        await producer.stop()


@asynccontextmanager
async def only_writer(broker: Broker, name: str) -> AsyncIterator[TaskProducer]:
    """
    Be the one writer called *name* for the length of the block; whoever was before cannot commit any longer.

    Raises:
        Unavailable: A commit failed, or nobody knows.
        Fenced: Somebody else began as *name* meanwhile.
    """
    producer = broker.producer(f"vidare-{name}")
    try:
        await producer.start()
        yield producer
    except TransactionFailed as error:
        what = "the broker"
        raise Unavailable(what) from error
    finally:
        await producer.stop()


def now_ms() -> int:
    """Milliseconds since 1970, as records are stamped."""
    return time.time_ns() // 1_000_000
