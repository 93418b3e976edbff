"""The books of a running mesh, kept all the time: read on, balance every minute, raise the alarm."""

import asyncio
from uuid import UUID

import orjson

from contracts import telemetry
from services.chassis.broker.broker_port import Broker
from services.chassis.telemetry.logs import logger
from services.chassis.telemetry.metrics import Metrics
from services.custody.books import Balance
from services.custody.index import EntryIndex, stretches
from services.custody.reconcile import ENTRIES, Ledger
from services.custody.tipview import TipView, state_of, timeline_of

READ_EVERY_S = 1.0
BALANCE_EVERY_S = 60.0
GAP = 2_000
"""Entries between two of one tip that are rather read over than sought past (one fetch)."""


class Follower:
    """Follows the log of one mesh."""

    def __init__(self, broker: Broker, metrics: Metrics) -> None:
        self.ready = False
        """True once the log was read to its end."""
        self.last: Balance | None = None
        self._broker = broker
        self._metrics = metrics
        self._index = EntryIndex()
        self._ledger = Ledger(broker, self._index)

    async def run(self) -> None:
        """
        Follow until cancelled.

        Raises:
            Misconfigured: There is no topic ``custody``.
            Exception: The broker is gone; begin again with a new follower.
        """
        loop = asyncio.get_running_loop()
        next_balance = 0.0
        while True:
            self._metrics.count(telemetry.CUSTODY_ENTRIES, await self._ledger.catch_up())
            self.ready = True
            if loop.time() >= next_balance:
                self._report(await self._ledger.balance())
                next_balance = loop.time() + BALANCE_EVERY_S
            await asyncio.sleep(READ_EVERY_S)

    async def view(self, tip: UUID) -> TipView | None:
        """Read the entries of *tip*; None where there is none."""
        offsets = self._index.offsets(tip)
        wanted, entries = set(offsets), []
        for begin, end in stretches(offsets, gap=GAP):
            async for records in self._broker.read_to(ENTRIES, begin, end):
                entries += [orjson.loads(r.value) for r in records if r.offset in wanted and r.value is not None]
        timeline = timeline_of(entries, str(tip))
        return TipView(str(tip), state_of(timeline, str(tip)), timeline) if timeline else None

    def _report(self, found: Balance) -> None:
        self.last = found
        for state in ("accepted", "refused", "ended", "parked", "in_flight", "repeated"):
            self._metrics.level(telemetry.BOOKS, getattr(found, state), state=state)
        self._metrics.level(telemetry.UNACCOUNTED, len(found.unaccounted))
        self._metrics.level(telemetry.DUPLICATES, found.duplicates)
        if self._ledger.books.unreadable:
            logger().warning("records in the log are no entries", count=self._ledger.books.unreadable)
        if not found.balanced:
            lost, doubled = len(found.unaccounted), found.duplicates
            logger().error(
                "the books do not balance", count=lost, what=f"{lost} tips lost, {doubled} referrals doubled"
            )
