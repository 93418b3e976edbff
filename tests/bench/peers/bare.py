"""
The floor of our own stack: bare aiokafka, one transactional producer per partition, every delivery awaited.

Leaves out what ours does: validation, tracing, custody, group membership.
"""

import asyncio
import os

import maxminddb
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

SOURCE, TARGET, KAFKA = os.environ["IN"], os.environ["OUT"], os.environ["KAFKA"]
GROUP = f"bare-{TARGET}"


async def partition(index: int, geo: maxminddb.Reader) -> None:
    """Work one partition for ever."""
    place = TopicPartition(SOURCE, index)
    producer = AIOKafkaProducer(
        bootstrap_servers=KAFKA, transactional_id=f"{GROUP}.{index}", linger_ms=0, max_batch_size=262_144
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=KAFKA,
        group_id=GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    consumer.assign([place])
    await producer.start()
    await consumer.start()
    while True:
        records = (await consumer.getmany(timeout_ms=200, max_records=500)).get(place)
        if not records:
            continue
        async with producer.transaction():
            sent = []
            for record in records:
                tip = orjson.loads(record.value)
                found = geo.get(tip["content"]["indicators"]["addresses"][0]["ip"])
                tip["country"] = found
                sent.append(
                    await producer.send(TARGET, orjson.dumps(tip), key=record.key, headers=list(record.headers))
                )
            await asyncio.gather(*sent)
            await producer.send_offsets_to_transaction({place: records[-1].offset + 1}, GROUP)


async def main() -> None:
    """Work all partitions."""
    geo = maxminddb.open_database(os.environ["MMDB"], maxminddb.MODE_MMAP_EXT)
    await asyncio.gather(*(partition(index, geo) for index in range(int(os.environ["PARTITIONS"]))))


asyncio.run(main())
