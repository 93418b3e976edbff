"""
Keeps the rulebook in use up with its topic, in a thread of its own.

Proving a book takes longer than a slice of the hop's work may: the hop's loop
must not wait for it.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from contracts.topics import RULEBOOKS
from services.chassis.broker.broker_port import Broker, LaneReader, Spot
from services.chassis.errors import Unavailable
from services.chassis.hop import Record
from services.chassis.telemetry.logs import logger
from services.router.rules.books import Books

AT_ONCE = 500
RETRY_S = 2.0
START_WITHIN_S = 30.0
SPOT = Spot(RULEBOOKS, 0)
"""One partition: the order of activations is the order in which they hold."""


class BookFollower:
    """Follows the topic of rulebooks; after a fault it begins again where it was."""

    def __init__(self, connect: Callable[[], Broker], books: Books) -> None:
        self._connect = connect
        self._books = books
        self._books.followed = True
        self._next = 0

    async def first(self) -> None:
        """
        Read what is published now: a hop that starts decides by the active book from its first record on.

        Raises:
            Unavailable: The broker does not answer in time.
        """
        broker = self._connect()
        try:
            async with asyncio.timeout(START_WITHIN_S):
                await broker.start()
                await self._catch_up(broker)
        except Exception as error:
            raise Unavailable("the broker, for its rulebooks") from error
        finally:
            with suppress(Exception):
                await broker.stop()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            broker = self._connect()
            try:
                await broker.start()
                await self._follow(broker)
            except Exception as error:  # noqa: BLE001 - whatever the client raises: it only reads, and tries again
                logger().warning("the view of rulebooks stopped; trying again", reason=type(error).__name__)
            finally:
                with suppress(Exception):
                    await broker.stop()
            await asyncio.sleep(RETRY_S)

    async def _follow(self, broker: Broker) -> None:
        if not await self._catch_up(broker):
            return
        reader = broker.reader("rulebooks")
        await reader.start()
        try:
            reader.assign({SPOT: self._next})
            while True:
                await reader.arrived()
                await self._drain(reader)
        finally:
            await reader.stop()

    async def _catch_up(self, broker: Broker) -> bool:
        """Read up to the end; False where there is no such topic (`vidare topics apply` makes it)."""
        if RULEBOOKS not in await broker.partitions([RULEBOOKS]):
            return False
        span = (await broker.spans([SPOT]))[SPOT]
        waiting: list[Record] = []
        async for records in broker.read_to(SPOT, max(span.begin, self._next), span.end):
            waiting += records
        self._take(waiting)
        self._books.read = True
        self._next = max(self._next, span.end)
        return True

    async def _drain(self, reader: LaneReader) -> None:
        while records := await reader.take(SPOT, AT_ONCE):
            self._take(records)

    def _take(self, records: Sequence[Record]) -> None:
        self._books.apply(records)
        if records:
            self._next = records[-1].offset + 1


class FollowerThread:
    """A follower at work beside the hop; a context manager."""

    def __init__(self, follower: BookFollower) -> None:
        self._follower = follower
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="rulebooks", daemon=True)
        self._job: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Start."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Stop; the process ends anyway if the broker keeps it waiting."""
        self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(5.0)

    def _work(self) -> None:
        self._job = self._loop.create_task(self._follower.run())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._job)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
