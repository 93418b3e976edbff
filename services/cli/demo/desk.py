"""
A small agency desk: takes referrals from agencies' own topics and answers them with receipts.

What an agency that reads Kafka itself would do; the others answer their webhooks.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import orjson

from contracts.topics import AGENCY, RECEIPTS_INBOX
from services.chassis.broker.broker_port import Broker, Out, Spot
from services.chassis.hop import Record
from services.cli.kafka_io import all_records, now_ms, write

LOOK_EVERY_S = 0.5


def receipts_for(referral: dict[str, Any], number: int, at: datetime) -> list[dict[str, Any]]:
    """
    Answer the *number*-th referral of an agency: acknowledge it, sometimes with a question or an outcome after it.

    Notices (sightings, withdrawals) ask for no receipt.
    """
    if referral["action"] not in ("new", "update"):
        return []
    base = {"schema": "receipt/1", "referral_id": referral["referral_id"], "at": at.isoformat()}
    answers: list[dict[str, Any]] = [
        base | {"status": "acknowledged", "reference": f"{referral['destination'].upper()}-{number:04}"}
    ]
    if number % 4 == 2:
        answers.append(base | {"status": "question", "text": "Which page is meant?"})
    if number % 4 == 3:
        answers.append(base | {"status": "closed", "outcome": "content_removed"})
    return answers


class Desk:
    """Answers for *agencies* until cancelled."""

    def __init__(self, broker: Broker, agencies: Sequence[str]) -> None:
        """Begin at the first referral that is there."""
        self._broker = broker
        self._agencies = agencies
        self._next: dict[Spot, int] = {}
        self._taken: dict[str, int] = {}

    async def run(self) -> None:
        """Look at every topic, answer what is new, again and again."""
        while True:
            for agency in self._agencies:
                await self._answer(agency)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _answer(self, agency: str) -> None:
        outs = []
        async for record in all_records(self._broker, AGENCY + agency, begin=self._next):
            self._next[Spot(record.topic, record.partition)] = record.offset + 1
            outs += self._receipts(agency, record)
        if outs:
            await write(self._broker, outs, writer=f"desk-{agency}")

    def _receipts(self, agency: str, record: Record) -> list[Out]:
        referral = orjson.loads(record.value or b"{}")
        number = self._taken[agency] = self._taken.get(agency, 0) + 1
        made = receipts_for(referral, number, datetime.now(UTC))
        key = str(referral["referral_id"]).encode()
        topic = RECEIPTS_INBOX + agency
        return [
            Out(topic, 0, key, orjson.dumps(answer), _headers(referral, n), now_ms()) for n, answer in enumerate(made)
        ]


def _headers(referral: dict[str, Any], n: int) -> list[tuple[str, bytes]]:
    """An id of its own for each receipt: an agency that sends it again sends the same one."""
    return [("ce_id", str(uuid5(UUID(referral["referral_id"]), f"receipt/{n}")).encode())]
