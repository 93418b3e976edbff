"""
Numbers 78 and 80 of the hostile corpus, and E69, through real listeners: hop, runner and webhook channel together.

The clock of the hop is moved by hand from one stored time to the next, so that the
schedule of days runs in a second while every call is a real one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.vocabulary import Priority
from services.chassis.running.memory_run import Fed, MemoryRun
from services.notifier.channels.guard import public_or_loopback
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.notifier_listener import Answer, listening, says
from tests.support.notifier_world import SECRETS, START, a_referral, an_agency

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
HOUR = timedelta(hours=1)


@dataclass
class Met:
    """One referral on its way to a listener, on a clock that the test moves."""

    run: MemoryRun
    requests: list[bytes]
    clock: list[datetime] = field(default_factory=list)

    async def later(self, span: timedelta) -> None:
        """Move the clock."""
        self.clock[0] += span
        await self.run.settle()

    def words(self) -> list[str]:
        """What was recorded, in order."""
        return [row["what"] for row in self.run.json("deliveries")]

    def last(self, what: str) -> dict[str, Any]:
        """The last record of that word."""
        return [row for row in self.run.json("deliveries") if row["what"] == what][-1]


@asynccontextmanager
async def met(answer: Answer) -> AsyncIterator[Met]:
    """One referral, sent to a listener that answers so."""
    async with listening(answer) as (port, requests):
        url = f"http://127.0.0.1:{port}/agencies/hotline-nl"
        agency = an_agency(webhook={"url": url, "secret": "env:TEST", "timeout_s": 2})
        onboarded, clock = Onboarded({agency.id: agency}), [START]
        effects = WebhookEffects(
            onboarded, lambda _ref: "plain words of a secret", may=public_or_loopback, now=lambda: clock[0]
        )
        hop = NotifierHop(onboarded, partitions=1, proofs="http://127.0.0.1:8105", effects=effects)
        body = a_referral(priority=Priority.P3).model_dump_json(by_alias=True).encode()
        async with MemoryRun(hop, now=lambda: clock[0]) as run:
            await run.feed(Fed("referrals-routed", body, b"hotline-nl", [("ce_id", str(uuid4()).encode())]))
            await run.settle()
            yield Met(run, requests, clock)
        await effects.close()


def status(code: int, *headers: bytes, body: bytes = b"") -> bytes:
    """An answer."""
    lines = [b"HTTP/1.1 %d Odd" % code, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


GIFT = b"\x1f\x8b\x08\x00" + b"\x00" * 60_000
DELIVERED = {
    "200 with error text": status(200, body=b'{"error": "database down"}'),
    "204": NO_CONTENT,
    "202": status(202),
    "299": status(299),
    "gzip": status(200, b"Content-Encoding: gzip", body=GIFT),
    "cookies": status(200, *[b"Set-Cookie: a%d=%s" % (n, b"x" * 200) for n in range(20)]),
}
PARKED = {f"{code}": status(code, b"Location: http://192.0.2.1/") for code in (301, 401, 403, 404, 410, 413, 418)}
RETRIED = {
    "408": status(408),
    "425": status(425),
    "429": status(429),
    "500": status(500),
    "503": status(503),
    "504": status(504),
    "1xx only": b"HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/0.9": b"<html>welcome</html>",
    "garbage": bytes(range(256)),
    "header of 1 MB": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "cookie flood": status(200, *[b"Set-Cookie: a%d=%s" % (n, b"x" * 4_000) for n in range(400)]),
    "nothing": b"",
}


@pytest.mark.parametrize("raw", DELIVERED.values(), ids=DELIVERED.keys())
async def test_t78_a_2xx_is_delivered_whatever_its_body(raw: bytes) -> None:
    """78: the status is the answer; what stands in the body acknowledges nothing unless it is a receipt."""
    async with met(says(raw)) as one:
        assert ["dispatched", "attempted", "delivered"] == one.words()
        await one.later(2 * HOUR)
        assert 1 == len(one.requests)


@pytest.mark.parametrize("raw", PARKED.values(), ids=PARKED.keys())
async def test_t78_a_refusal_parks_at_once_and_is_offered_again_in_a_day(raw: bytes) -> None:
    """78: no retry helps against 3xx and 4xx; the referral is kept whole with a next time, and goes out when it can."""
    async with met(says(raw)) as one:
        assert ["dispatched", "attempted", "parked"] == one.words()
        assert START + 24 * HOUR == datetime.fromisoformat(one.last("parked")["next_at"])
        await one.later(23 * HOUR)
        assert 1 == len(one.requests)
        await one.later(2 * HOUR)
        assert 2 == len(one.requests)


@pytest.mark.parametrize("raw", RETRIED.values(), ids=RETRIED.keys())
async def test_t78_and_e69_everything_else_is_tried_again_with_the_same_bytes(raw: bytes) -> None:
    """E69, 78: a busy or broken endpoint, or one that speaks no HTTP: the same id and bytes, on the schedule."""
    async with met(says(raw)) as one:
        assert ["dispatched", "attempted"] == one.words()
        for span in (timedelta(seconds=6), HOUR / 10):
            await one.later(span)
        assert 3 == len(one.requests)
        assert 1 == len({request.partition(b"\r\n\r\n")[2] for request in one.requests})
        assert 1 == len({_header(request, b"webhook-id") for request in one.requests})


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (b"-1", 5), (b"1e9", 5), (b"Wed", 5), (b"junk \xff", 5), (b"9" * 30, 5),
        (b"60", 60), (b"999999999", 300), (b"Sun, 22 Nov 2026 09:17:00 GMT", 120),
    ],
)  # fmt: skip
async def test_t78_retry_after_is_kept_within_bounds_and_junk_asks_for_nothing(value: bytes, wait: int) -> None:
    """78: what can be read is waited for, never beyond the next step; anything else counts for nothing."""
    async with met(says(status(429, b"Retry-After: " + value))) as one:
        waits = datetime.fromisoformat(one.last("attempted")["next_at"]) - START
        assert wait * 0.9 <= waits.total_seconds() <= wait * 1.1


async def test_t78_no_more_than_a_receipt_is_read_and_none_of_it_is_kept() -> None:
    """78: a body without end stops at the bound; no word of it stands in any topic."""
    word = b"remarkable"

    async def answer(writer: asyncio.StreamWriter, _request: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"2000\r\n" + (word * 820)[:8192] + b"\r\n")
            await writer.drain()

    async with met(answer) as one:
        assert "delivered" in one.words()
        written = b"".join(r.value or b"" for topic in one.run.topics() for r in one.run.records(topic))
        assert word not in written


class Ambiguous:
    """An agency that takes a referral, and closes the connection before it answers, *times* times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.effects: Counter[str] = Counter()
        self.bodies: set[bytes] = set()

    async def __call__(self, writer: asyncio.StreamWriter, request: bytes) -> None:
        """Book the effect by its id, once; then close, or answer."""
        name = _header(request, b"webhook-id").decode()
        self.bodies.add(request.partition(b"\r\n\r\n")[2])
        self.effects[name] = 1
        if self.times:
            self.times -= 1
            return
        writer.write(NO_CONTENT)
        await writer.drain()


async def test_t80_an_agency_that_closes_before_it_answers_has_one_effect() -> None:
    """80: nobody knows what arrived: the same id and bytes come again, nine times in three days; the effect is one."""
    agency = Ambiguous(9)
    async with met(agency) as one:
        for hours in (0.1, 0.2, 1, 3, 6, 12, 16, 23, 28):
            await one.later(hours * HOUR)

        assert 10 == len(one.requests)
        assert {str(a_referral().referral_id): 1} == dict(agency.effects)
        assert (1, 1) == (len(agency.bodies), one.words().count("delivered"))
        assert SECRETS["person"].encode() not in b"".join(one.requests)


def _header(request: bytes, name: bytes) -> bytes:
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return next(line.partition(b": ")[2] for line in lines if line.lower().startswith(name))
