"""The one transactional producer of a task: a whole transaction is one call, every delivery is proven."""

# ruff: noqa: SLF001 - the client ships no types, and what it keeps to itself is needed here

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    InvalidProducerEpoch,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
)

from services.chassis import kafka_client
from services.chassis.broker_port import Out, Place, Spot, TransactionFailed
from services.chassis.codec import partition_of
from services.chassis.errors import Fenced
from services.chassis.tuning import Tuning

BATCH_BYTES = 1_000_000
"""The broker measures batches: below the smallest ``max.message.bytes`` that a hop writes to (1 MiB)."""
RETRY_BACKOFF_MS = 20
START_S = 60.0
BY_RECORDS = (MessageSizeTooLargeError, RecordListTooLargeError, CorruptRecordException, TypeError, ValueError)
"""Failures that the same records will meet again."""
_Batch = tuple[Any, list[int]]
"""A batch of the client, and which records are in it."""


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

    async def start(self) -> None:
        """Fence every earlier producer of the same id and end its open transaction."""
        self._client = AIOKafkaProducer(**self._options)
        try:
            async with asyncio.timeout(START_S):
                await self._client.start()
        except Exception as error:
            raise TransactionFailed(f"producer {self._id} did not start: {error!r}") from error

    async def commit(self, outs: Sequence[Out], offsets: Mapping[Spot, int], group: str) -> list[Place]:
        """Write *outs* and *offsets* in one transaction; return where each record lies."""
        if not outs and not offsets:
            return []
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._transact(outs, offsets, group)
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise Fenced(f"a newer worker owns {self._id}") from error
        except Exception as error:
            blamed = isinstance(error, BY_RECORDS)
            raise TransactionFailed(f"transaction of {self._id}: {error!r}", by_records=blamed) from error

    async def _transact(self, outs: Sequence[Out], offsets: Mapping[Spot, int], group: str) -> list[Place]:
        batches = self._pack(outs, await self._partitions(outs))
        await self._client.begin_transaction()
        sent = await self._send(batches)
        places = [Place(-1, -1)] * len(outs)
        for partition, indexes, base in [(p, i, (await future).offset) for p, i, future in sent]:
            if base < 0:
                raise TransactionFailed("the broker did not say where the records lie")
            for n, index in enumerate(indexes):
                places[index] = Place(partition, base + n)
        if offsets:
            wanted = {TopicPartition(*spot): offset for spot, offset in offsets.items()}
            await self._client.send_offsets_to_transaction(wanted, group)
        await self._client.commit_transaction()
        return places

    async def _partitions(self, outs: Sequence[Out]) -> list[int]:
        counts = self._counts
        for topic in {out.topic for out in outs} - counts.keys():
            counts[topic] = len(await self._client.partitions_for(topic))
        return [
            out.partition if out.partition is not None else partition_of((out.key or b"").decode(), counts[out.topic])
            for out in outs
        ]

    def _pack(self, outs: Sequence[Out], partitions: Sequence[int]) -> dict[tuple[str, int], list[_Batch]]:
        """Records into as few batches as fit, in order within each partition."""
        packed: dict[tuple[str, int], list[_Batch]] = {}
        for index, (out, partition) in enumerate(zip(outs, partitions, strict=True)):
            batches = packed.get((out.topic, partition))
            if batches is None:
                batches = packed[out.topic, partition] = [(self._client.create_batch(), [])]
            batch, indexes = batches[-1]
            if batch.append(timestamp=out.timestamp_ms, key=out.key, value=out.value, headers=out.headers) is None:
                batch, indexes = self._client.create_batch(), []
                batches.append((batch, indexes))
                batch.append(timestamp=out.timestamp_ms, key=out.key, value=out.value, headers=out.headers)
            indexes.append(index)
        return packed

    async def _send(self, packed: Mapping[tuple[str, int], list[_Batch]]) -> list[tuple[int, list[int], Any]]:
        """First batches of all partitions, then second ones: nobody waits for a batch that is not its own."""
        sent: list[tuple[int, list[int], Any]] = []
        for layer in zip_longest(*packed.values()):
            for (topic, partition), entry in zip(packed, layer, strict=True):
                if entry is not None:
                    future = await self._client.send_batch(entry[0], topic, partition=partition)
                    sent.append((partition, entry[1], future))
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
