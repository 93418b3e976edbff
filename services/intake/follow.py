"""Keeps the view of statuses up with its topics."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from contracts.topics import STATUS
from services.chassis.broker.broker_port import Broker, LaneReader, Spot
from services.chassis.telemetry.logs import logger
from services.intake.view import StatusView

AT_ONCE = 500
"""Records taken in before the loop may serve a caller: a few milliseconds."""

RETRY_S = 2.0


class Follower:
    """Follows the status topics of *partners*; after a fault it begins again where it was."""

    def __init__(self, connect: Callable[[], Broker], partners: Iterable[str], view: StatusView) -> None:
        self.wrong: str | None = "the statuses were not read yet"
        """What is wrong with the view; None while it is read and kept up."""
        self._connect = connect
        self._spots = [Spot(STATUS + partner, 0) for partner in partners]
        self._view = view
        self._next: dict[Spot, int] = {}

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            broker = self._connect()
            try:
                await broker.start()
                await self._follow(broker)
            except Exception as error:  # noqa: BLE001 - whatever the client raises: the view only reads, it tries again
                self._stumbled(type(error).__name__)
            finally:
                with suppress(Exception):
                    await broker.stop()
            await asyncio.sleep(RETRY_S)

    async def _follow(self, broker: Broker) -> None:
        there = await broker.partitions([spot.topic for spot in self._spots])
        spots = [spot for spot in self._spots if spot.topic in there]
        ends = await self._catch_up(broker, spots)
        self.wrong = None if len(spots) == len(self._spots) else "a status topic is missing; run `vidare topics apply`"
        reader = broker.reader("statuses")
        await reader.start()
        try:
            reader.assign(ends)
            while True:
                for spot in await reader.arrived():
                    await self._drain(reader, spot)
        finally:
            await reader.stop()

    async def _catch_up(self, broker: Broker, spots: list[Spot]) -> dict[Spot, int]:
        spans = await broker.spans(spots)
        for spot, span in spans.items():
            begin = max(span.begin, min(self._next.get(spot, 0), span.end))
            async for records in broker.read_to(spot, begin, span.end):
                for first in range(0, len(records), AT_ONCE):
                    self._view.apply(records[first : first + AT_ONCE])
                    await asyncio.sleep(0)
            self._next[spot] = span.end
        return {spot: self._next[spot] for spot in spots}

    async def _drain(self, reader: LaneReader, spot: Spot) -> None:
        while records := await reader.take(spot, AT_ONCE):
            self._view.apply(records)
            self._next[spot] = records[-1].offset + 1
            await asyncio.sleep(0)

    def _stumbled(self, why: str) -> None:
        if self.wrong != why:
            logger().warning("the view of statuses stopped; trying again", reason=why)
        self.wrong = why
