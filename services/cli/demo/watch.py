"""Waits until every submission of the demo is accounted for, and reads what became of it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from contracts.topics import DECISIONS, DELIVERIES, LOCATED, STATUS, URGENT
from services.chassis.broker.broker_port import Broker
from services.cli.demo.rows import Stories
from services.cli.kafka_io import all_records
from services.custody.books import Balance
from services.custody.reconcile import Ledger

ANSWERS = ("tip.accepted", "tip.repeated", "tip.refused")
"""Exactly one of these stands in the books for each submission."""
LOOK_EVERY_S = 0.5
QUIET_S = 3.0
"""Nothing new for so long: deliveries and receipts have settled."""
WITHIN_S = 120.0


class Watched(Ledger):
    """The books of the demo, and the entries themselves."""

    def __init__(self, broker: Broker) -> None:
        """Begin with nothing read."""
        super().__init__(broker)
        self.entries: list[dict[str, Any]] = []

    def take(self, offset: int, value: bytes) -> None:
        """Fold one entry, and keep it."""
        self.entries.append(orjson.loads(value))
        super().take(offset, value)

    @property
    def answered(self) -> int:
        """How many submissions intake has answered."""
        return sum(entry["kind"] in ANSWERS for entry in self.entries)


async def until_accounted(books: Watched, submissions: int, told: Callable[[int], None]) -> Balance:
    """
    Wait until intake answered every one of *submissions*, nothing is in flight, and nothing new comes.

    Returns what the books say after `WITHIN_S` at the latest, balanced or not.
    """
    end, said, last, seen = time.monotonic() + WITHIN_S, 0, time.monotonic(), 0
    while time.monotonic() < end:
        await books.catch_up()
        now = time.monotonic()
        if len(books.entries) != seen:
            seen, last = len(books.entries), now
        told(books.answered - said)
        said = books.answered
        if said >= submissions and now - last >= QUIET_S:
            found = await books.balance()
            if found.in_flight == 0:
                return found
        await asyncio.sleep(LOOK_EVERY_S)
    return await books.balance()


async def stories_of(broker: Broker, books: Watched) -> Stories:
    """Read located tips, decisions and deliveries, and fold them."""
    made = Stories()
    for topic, take in (
        (LOCATED + URGENT, made.located),
        (LOCATED, made.located),
        (DECISIONS, made.decided),
        (DELIVERIES, made.delivered),
    ):
        async for record in all_records(broker, topic):
            take(orjson.loads(record.value or b"{}"))
    for entry in books.entries:
        made.entered(entry)
    return made


async def statuses_of(broker: Broker, partners: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Read what every partner was told."""
    return [
        (partner, orjson.loads(record.value or b"{}"))
        for partner in partners
        async for record in all_records(broker, STATUS + partner)
    ]
