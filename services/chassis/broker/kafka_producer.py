"""The one transactional producer of a task: a whole transaction is one call, every delivery is proven."""

# ruff: noqa: SLF001 - the client ships no types, and what it keeps to itself is needed here

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    InvalidProducerEpoch,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
)

from services.chassis.broker import kafka_client
from services.chassis.broker.broker_port import Out, Place, Spot, TransactionFailed
from services.chassis.broker.kafka_load import Load
from services.chassis.errors import Fenced
from services.chassis.running.tuning import Tuning

BATCH_BYTES = 1_000_000
"""The broker measures batches: below the smallest ``max.message.bytes`` that a hop writes to (1 MiB)."""
RETRY_BACKOFF_MS = 20
START_S = 60.0
BY_RECORDS = (MessageSizeTooLargeError, RecordListTooLargeError, CorruptRecordException, TypeError, ValueError)
"""Failures that the same records will meet again."""


class KafkaTaskProducer:
    """Fenced by whoever starts the same id later."""

    def __init__(self, bootstrap: str, transactional_id: str, tuning: Tuning) -> None:
        kafka_client.install()
        self._id = transactional_id
        self._deadline_s = tuning.deadline_s
        self._options = {
            "bootstrap_servers": bootstrap, "transactional_id": transactional_id, "acks": "all",
            "transaction_timeout_ms": tuning.transaction_ms, "max_batch_size": BATCH_BYTES, "linger_ms": 0,
            "retry_backoff_ms": RETRY_BACKOFF_MS,
        }  # fmt: skip
        self._client: Any = None
        self._counts: dict[str, int] = {}
        self._load = self._new_load()

    def _new_load(self) -> Load:
        return Load(self._new_batch, self._counts)

    def _new_batch(self) -> Any:  # noqa: ANN401
        return self._client.create_batch()

    async def start(self) -> None:
        """Fence every earlier producer of the same id and end its open transaction."""
        self._client = AIOKafkaProducer(**self._options)
        try:
            async with asyncio.timeout(START_S):
                await self._client.start()
        except Exception as error:
            raise TransactionFailed(f"producer {self._id} did not start: {error!r}") from error

    def pack(self, outs: Sequence[Out]) -> None:
        """Put *outs* into the next transaction."""
        self._load.add(outs)

    async def commit(self, outs: Sequence[Out], offsets: Mapping[Spot, int], group: str) -> list[Place]:
        """Write what was packed, *outs* and *offsets* in one transaction; return where each record lies."""
        load, self._load = self._load, self._new_load()
        try:
            load.add(outs)
            async with asyncio.timeout(self._deadline_s):
                return await self._transact(load, offsets, group)
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise Fenced(f"a newer worker owns {self._id}") from error
        except Exception as error:
            blamed = isinstance(error, BY_RECORDS)
            raise TransactionFailed(f"transaction of {self._id}: {error!r}", by_records=blamed) from error

    async def _transact(self, load: Load, offsets: Mapping[Spot, int], group: str) -> list[Place]:
        await load.settle(self._count)
        if not load.size and not offsets:
            return []
        await self._client.begin_transaction()
        places = [Place(-1, -1)] * load.size
        for partition, indexes, future in await self._send(load):
            base = (await future).offset
            if base < 0:
                raise TransactionFailed("the broker did not say where the records lie")
            for n, index in enumerate(indexes, base):
                places[index] = Place(partition, n)
        if offsets:
            wanted = {TopicPartition(*spot): offset for spot, offset in offsets.items()}
            await self._client.send_offsets_to_transaction(wanted, group)
        await self._client.commit_transaction()
        return places

    async def _count(self, topic: str) -> int:
        return len(await self._client.partitions_for(topic))

    async def _send(self, load: Load) -> list[tuple[int, list[int], Any]]:
        """Send every batch and wait until each is delivered."""
        sent: list[tuple[int, list[int], Any]] = []
        for layer in load.layers():
            for topic, partition, packed in layer:
                future = await self._client.send_batch(packed.closed(), topic, partition=partition)
                sent.append((partition, packed.indexes, future))
        await asyncio.gather(*(future for _, _, future in sent))
        return sent

    async def stop(self) -> None:
        """Close; nothing is open between two commits."""
        if self._client is not None:
            await self._client.stop()

    async def kill(self) -> None:
        """Close without waiting for anything in flight; the broker ends what is open when the next one starts."""
        client, self._client = self._client, None
        if client is None:
            return
        client._closed = True
        if client._sender.sender_task is not None:
            client._sender.sender_task.cancel()
        with suppress(Exception):
            await client.client.close()
