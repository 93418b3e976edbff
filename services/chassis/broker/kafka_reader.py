"""Reads one lane: assigned by hand, committed records only, from the offsets that the tasks name."""

# ruff: noqa: ANN401, SLF001 - the client ships no types, and what it keeps to itself is needed here

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.chassis.broker import kafka_client
from services.chassis.broker.broker_port import Spot
from services.chassis.hop import Record
from services.chassis.running.tuning import Tuning


def committed_reader(bootstrap: str, tuning: Tuning, **options: object) -> Any:
    """A consumer without a group that never guesses an offset."""
    kafka_client.install()
    base: dict[str, object] = {
        "bootstrap_servers": bootstrap, "isolation_level": "read_committed", "enable_auto_commit": False,
        "auto_offset_reset": "none", "fetch_max_wait_ms": tuning.fetch_wait_ms,
        "fetch_max_bytes": tuning.fetch_bytes, "max_partition_fetch_bytes": tuning.partition_fetch_bytes,
        "retry_backoff_ms": 100,
    }  # fmt: skip
    return AIOKafkaConsumer(**(base | options))


async def close(client: Any) -> None:
    """Stop a consumer; one that is stopped before its background task began raises a cancellation that is nobody's."""
    try:
        await client.stop()
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise


class KafkaLaneReader:
    """
    One lane of a process.

    Lanes have a client each: the client asks a broker for nothing while any
    record it got from there is not taken, so urgent records would wait
    behind a routine backlog.
    """

    def __init__(self, bootstrap: str, tuning: Tuning) -> None:
        self._bootstrap = bootstrap
        self._tuning = tuning
        self._client: Any = None
        self._spots: frozenset[Spot] = frozenset()

    async def start(self) -> None:
        """Connect."""
        self._client = committed_reader(self._bootstrap, self._tuning)
        await self._client.start()

    def assign(self, positions: Mapping[Spot, int]) -> None:
        """Read exactly these partitions from these offsets on; the client forgets every position it had."""
        self._spots = frozenset(positions)
        if not positions:
            self._client.unsubscribe()
            return
        self._client.assign([TopicPartition(*spot) for spot in positions])
        for spot, offset in positions.items():
            self._client.seek(TopicPartition(*spot), offset)

    async def take(self, spot: Spot, limit: int) -> Sequence[Record]:
        """Up to *limit* records of *spot* that are here already, in order; never waits."""
        if spot not in self._spots:
            return []
        wanted = TopicPartition(*spot)
        if wanted not in self._client._fetcher._records:
            return []
        got = await self._client.getmany(wanted, timeout_ms=0, max_records=limit)
        found: Sequence[Record] = got.get(wanted, [])
        return found

    async def arrived(self) -> Sequence[Spot]:
        """Wait until records are here and name the partitions that have some."""
        fetcher = self._client._fetcher
        waiter = fetcher._create_fetch_waiter()
        await asyncio.wait([waiter, fetcher.error_future], return_when=asyncio.FIRST_COMPLETED)
        if fetcher.error_future.done():
            fetcher.error_future.result()
            raise ConnectionError("the reader ended by itself")
        return [Spot(*found) for found in fetcher._records]

    def position(self, spot: Spot) -> int | None:
        """Offset of the next record that `take` would give; None if *spot* is not assigned."""
        if spot not in self._spots:
            return None
        state = self._client._subscription.subscription.assignment.state_value(TopicPartition(*spot))
        return int(state.position) if state is not None and state.has_valid_position else None

    async def stop(self) -> None:
        """Close."""
        if self._client is not None:
            await close(self._client)


async def read_to(bootstrap: str, tuning: Tuning, spot: Spot, begin: int, end: int) -> AsyncIterator[Sequence[Record]]:
    """Committed records of *spot* from *begin* on, until the position reaches *end* (it may be a marker)."""
    if begin >= end:
        return
    client = committed_reader(bootstrap, tuning)
    await client.start()
    try:
        wanted = TopicPartition(*spot)
        client.assign([wanted])
        client.seek(wanted, begin)
        while await client.position(wanted) < end:
            got = await client.getmany(wanted, timeout_ms=1000, max_records=2000)
            yield got.get(wanted, [])
    finally:
        await close(client)
