"""Deletes what was consumed from inboxes: bytes that nobody has looked at must not lie about longer than needed."""

import asyncio
from collections.abc import Mapping

from services.chassis.broker.broker_port import Broker, Spot
from services.chassis.telemetry.logs import logger


class Sweeper:
    """
    Gathers consumed offsets and deletes up to them, at most once per *every_s*; a failure is only logged.

    Only what comes from *inboxes* is deleted.
    """

    def __init__(self, broker: Broker, every_s: float, *, inboxes: bool) -> None:
        self._broker = broker
        self._inboxes = inboxes
        self._every_s = every_s
        self._waiting: dict[Spot, int] = {}
        self._job: asyncio.Task[None] | None = None

    def consumed(self, offsets: Mapping[Spot, int]) -> None:
        """Everything before *offsets* is committed."""
        if not self._inboxes or not offsets:
            return
        self._waiting.update(offsets)
        if self._job is None or self._job.done():
            self._job = asyncio.create_task(self._sweep(), name="sweeper")

    async def _sweep(self) -> None:
        while self._waiting:
            offsets, self._waiting = self._waiting, {}
            try:
                await self._broker.delete_before(offsets)
            except Exception as error:  # noqa: BLE001 - a later sweep deletes it too
                logger().warning("consumed inbox records were not deleted yet", error=type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def stop(self) -> None:
        """Delete what waits, then end."""
        if self._job is not None:
            self._job.cancel()
            await asyncio.gather(self._job, return_exceptions=True)
        if self._waiting:
            offsets, self._waiting = self._waiting, {}
            await asyncio.gather(self._broker.delete_before(offsets), return_exceptions=True)
