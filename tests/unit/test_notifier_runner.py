"""The notifier's hops under the runner of production, on the in-memory twin of the broker."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest

from services.chassis.hop import Effect, Told
from services.chassis.running.memory_run import Fed, MemoryRun, run_in_memory
from services.notifier.answering.intake import ReceiptsHop
from services.notifier.delivering.attempt import AttemptEnd, read_body, tell
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.notifier_world import SECRETS, START, a_referral, an_agency


class Endpoint:
    """The outside: remembers what came and answers as told."""

    def __init__(self, *ends: AttemptEnd) -> None:
        self.ends = list(ends)
        self.got: list[bytes] = []

    async def perform(self, effect: Effect) -> Told:
        """Take the document."""
        self.got.append(read_body(effect.body)[1])
        return tell(effect.key, self.ends.pop(0) if self.ends else AttemptEnd(status=200))


def a_hop(endpoint: Endpoint) -> NotifierHop:
    """The hop with one partition and one agency."""
    agency = an_agency()
    return NotifierHop(Onboarded({agency.id: agency}), partitions=1, proofs="http://127.0.0.1:8105", effects=endpoint)


def routed(number: int = 1) -> Fed:
    """A routed referral as the router writes it."""
    body = a_referral(number).model_dump_json(by_alias=True).encode()
    return Fed("referrals-routed", body, b"hotline-nl", [("ce_id", str(uuid4()).encode())])


async def test_a_referral_reaches_feed_webhook_books_and_sender() -> None:
    """One transaction for the feed, the push after it, and every step in the custody log with the bytes' digest."""
    endpoint = Endpoint()
    run = await run_in_memory(a_hop(endpoint), [routed()], now=lambda: START)
    feed = run.records("referrals-agency-hotline-nl")

    assert [record.value for record in feed] == endpoint.got
    custody = run.json("custody")
    assert ["hop.queued", "delivery.attempted", "delivery.delivered"] == [entry["kind"] for entry in custody]
    assert "hotline-nl" == custody[0]["out"][0]["to"]
    assert custody[0]["out"][0]["digest"] == custody[1]["basis"]["document"]
    assert ["delivered"] == [row["status"] for row in run.json("tips-status-ecpat-se")]


async def test_a_poison_record_is_parked_and_the_next_one_goes_on() -> None:
    """E71: the dead letter keeps bytes and reason; the partition is not blocked."""
    endpoint = Endpoint()
    bad = Fed("referrals-routed", b'{"schema": "referral-routed/9"}', b"hotline-nl", [("ce_id", str(uuid4()).encode())])
    run = await run_in_memory(a_hop(endpoint), [bad, routed()], now=lambda: START)

    assert [b"unknown_version"] == [
        record.header("vidare-dlq-reason") for record in run.records("referrals-routed-dlq")
    ]
    assert 1 == len(endpoint.got)


async def test_a_failed_attempt_is_made_again_when_its_time_has_come() -> None:
    """Timers are the store's rows: the clock moves, the attempt goes out with the same bytes."""
    endpoint, moment = Endpoint(AttemptEnd(status=503)), [START]

    def now() -> datetime:
        return moment[0]

    async with MemoryRun(a_hop(endpoint), now=now) as run:
        await run.feed(routed())
        await run.settle()
        assert 1 == len(endpoint.got)
        moment[0] += timedelta(seconds=6)
        await run.settle()

    assert endpoint.got[0] == endpoint.got[1]
    assert 1 == [row["what"] for row in run.json("deliveries")].count("delivered")


async def test_what_was_under_way_when_the_process_died_is_sent_again(tmp_path: Path) -> None:
    """A new process restores the row from the changelog and makes the attempt again, with the same id and bytes."""

    class Dies(Endpoint):
        async def perform(self, effect: Effect) -> Told:
            await super().perform(effect)
            raise RuntimeError("the process dies here")

    first, second = Dies(), Endpoint()
    async with MemoryRun(a_hop(first), now=lambda: START, home=tmp_path / "one") as run:
        await run.feed(routed())
        with pytest.raises(RuntimeError):
            await run.settle()
    async with MemoryRun(a_hop(second), now=lambda: START, home=tmp_path / "two", broker=run.broker) as again:
        await again.settle()

    assert first.got == second.got != []
    assert 1 == len(again.records("referrals-agency-hotline-nl"))
    assert 1 == [row["what"] for row in again.json("deliveries")].count("delivered")


async def test_receipts_go_from_the_inbox_to_the_router_and_the_sender() -> None:
    """Raw bytes in the agency's inbox, checked by one hop, acted on by the other."""
    referral = a_referral().referral_id
    raw = orjson.dumps(
        {"schema": "receipt/1", "referral_id": str(referral), "status": "acknowledged", "reference": "NL-7"}
    )
    intake = await run_in_memory(
        ReceiptsHop(["hotline-nl"]),
        [
            Fed("receipts-inbox-hotline-nl", raw),
            Fed("receipts-inbox-hotline-nl", b"junk " + SECRETS["person"].encode()),
        ],
        now=lambda: START,
    )
    assert ["receipt.checked", "receipt.refused"] == [entry["kind"] for entry in intake.json("custody")]
    assert SECRETS["person"].encode() not in b"".join(record.value or b"" for record in intake.records("custody"))
    checked = intake.records("receipts-checked")[0]
    async with MemoryRun(a_hop(Endpoint()), now=lambda: START) as run:
        await run.feed(routed())
        await run.settle()
        await run.feed(Fed("receipts-checked", checked.value, checked.key, checked.headers))
        await run.settle()

    assert ["acknowledged"] == [row["what"] for row in run.json("outcomes")]
    assert ["delivered", "acknowledged"] == [row["status"] for row in run.json("tips-status-ecpat-se")]
    assert "agency:hotline-nl" == run.json("custody")[-1]["actor"]
    assert UUID(run.json("outcomes")[0]["referral_id"]) == referral
