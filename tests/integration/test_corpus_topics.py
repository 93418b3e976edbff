"""
Numbers 71, 75 and 76 of the hostile corpus: strangers in our topics, and topics that are no longer what they were.

Records carry no signatures: who may write is the broker's access list, and what was
written past it, or lost, is found by the books.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from structlog.testing import capture_logs

from contracts import topics
from services.chassis.broker.broker_port import Out, Spot
from services.chassis.broker.kafka import KafkaBroker
from services.chassis.broker.memory import MemoryBroker
from services.chassis.errors import Misconfigured
from services.chassis.hop import NAMESPACE
from services.chassis.running.memory_run import Fed, MemoryRun
from services.chassis.running.runner import Runner
from services.chassis.running.tuning import Tuning
from services.cli.commands.topics import acls
from services.custody.reconcile import Ledger
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.chain import Chain, chain
from tests.support.copying import CopyHop
from tests.support.intake import submission
from tests.support.notifier_world import START, a_referral, an_agency
from tests.support.oracle import Reader, Seen, publish
from tests.support.tips import a_tip

OURS = {"intake", "geolocate", "router", "notifier"}
PEOPLE = {"vidare agencies", "console", "vidare rules activate", "operators"}
TUNING = Tuning(session_ms=6_000, heartbeat_ms=500)


def routed(number: int) -> Fed:
    """A valid referral, as the router writes it."""
    body = a_referral(number).model_dump_json(by_alias=True).encode()
    return Fed("referrals-routed", body, b"hotline-nl", [("ce_id", str(event_of(number)).encode())])


def event_of(number: int) -> uuid.UUID:
    """Id of the event that brings referral *number*."""
    return uuid.uuid5(NAMESPACE, f"event {number}")


# --- 71: somebody else's records ------------------------------------------------------------------------------------


def test_t71_nobody_outside_may_write_a_topic_behind_intake() -> None:
    """71: the access list lets senders and agencies write their own inboxes and nothing else."""
    every = topics.all_topics(["p", "q"], ["a", "b"], 2)
    may = {(row.principal.removeprefix("User:"), row.topic) for row in acls(every) if row.operation == "WRITE"}
    outside = {(who, topic) for who, topic in may if who.startswith(("partner-", "agency-"))}
    inner = {who for who, topic in may if not topic.startswith((topics.INBOX, topics.RECEIPTS_INBOX))}

    assert outside == {
        ("partner-p", "tips-inbox-p"), ("partner-p", "tips-inbox-p-urgent"), ("agency-a", "receipts-inbox-a"),
        ("partner-q", "tips-inbox-q"), ("partner-q", "tips-inbox-q-urgent"), ("agency-b", "receipts-inbox-b"),
    }  # fmt: skip
    assert inner <= OURS | {name.replace(" ", "-") for name in PEOPLE}


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Chain]:
    """Every hop, with one honest tip that has come to its end."""
    async with chain(tmp_path) as made:
        await made.send([submission()])
        yield made


async def test_t71_a_located_tip_that_intake_never_accepted_is_found_by_the_books(mesh: Chain) -> None:
    """71: valid in every byte, written by a stranger: named as unaccounted; the honest one beside it is not."""
    before = await Ledger(mesh.broker).balance(patience_s=0)
    rogue = a_tip("NL", reference="never accepted")
    value = rogue.model_dump_json(by_alias=True).encode()
    await mesh.feed(Fed(topics.LOCATED, value, b"0" * 32, [("ce_id", str(uuid.uuid4()).encode())]))
    after = await Ledger(mesh.broker).balance(patience_s=0)

    assert (before.accepted, before.balanced) == (1, True)
    assert after.unaccounted == (str(rogue.received.tip_id),)


async def test_t71_a_referral_that_the_router_never_wrote_is_found_by_the_books(mesh: Chain) -> None:
    """71: the last hop cannot know better and delivers it; the books name it, and it can be withdrawn."""
    await mesh.feed(routed(1))
    after = await Ledger(mesh.broker).balance(patience_s=0)

    assert after.unaccounted == (str(a_referral(1).tip_id),)


async def test_t71_without_an_id_of_our_form_it_is_a_dead_letter(mesh: Chain) -> None:
    """71: who does not even know our envelope gets nowhere: original bytes, reason, and no tip in the books."""
    value = a_tip("NL", reference="no envelope").model_dump_json(by_alias=True).encode()
    await mesh.feed(Fed(topics.LOCATED, value, b"k"), Fed(topics.LOCATED, value, b"k", [("ce_id", b"rogue")]))
    after = await Ledger(mesh.broker).balance(patience_s=0)

    letters = mesh.records(topics.LOCATED + topics.DLQ)
    assert [(value, b"invalid_event")] * 2 == [(each.value, each.header("vidare-dlq-reason")) for each in letters]
    assert (after.accepted, after.unaccounted) == (1, ())


# --- 75 and 76: topics that are not what they were ------------------------------------------------------------------


def a_hop() -> NotifierHop:
    """The notifier with one agency that reads its topic, so that nothing but the broker takes part."""
    agency = an_agency(channels=["topic"])
    return NotifierHop(Onboarded({agency.id: agency}), partitions=1, proofs="http://127.0.0.1:8105")


def fed(run: MemoryRun) -> list[str]:
    """Referrals in the agency's feed, in order."""
    return [row["referral_id"] for row in run.json("referrals-agency-hotline-nl")]


async def test_t76_an_offset_beyond_the_end_is_not_guessed_at() -> None:
    """76: the topic was made anew under a committed offset: the hop ends with words, and works and commits nothing."""
    async with MemoryRun(a_hop(), now=lambda: START) as run:
        await run.feed(routed(1), routed(2), routed(3))
        await run.settle()
    spot = Spot("referrals-routed", 0)
    committed = await run.broker.committed("notifier", [spot])
    run.broker.create("referrals-routed", 1)
    again = MemoryRun(a_hop(), now=lambda: START, broker=run.broker)
    async with again:
        await again.feed(routed(4))
        with pytest.raises(Misconfigured, match=r"ends at 1, but offset 3 is committed.*compare with the custody log"):
            await again.settle()

    assert committed == await run.broker.committed("notifier", [spot]) == {spot: 3}
    assert fed(run) == [str(a_referral(number).referral_id) for number in (1, 2, 3)]


async def test_t75_and_t76_what_retention_took_unread_is_alarmed_and_named() -> None:
    """75, 76: an error with place and count; the rest is worked once each; the books name the lost tips."""
    broker = MemoryBroker(auto_partitions=1)
    async with MemoryRun(a_hop(), now=lambda: START, broker=broker) as run:
        await run.feed(routed(1))
        await run.settle()
    broker.append([entry for number in range(1, 5) for entry in _accepted_and_routed(number)])
    await run.feed(*(routed(number) for number in (2, 3, 4)))
    await broker.delete_before({Spot("referrals-routed", 0): 3})
    with capture_logs() as lines:
        async with MemoryRun(a_hop(), now=lambda: START, broker=broker) as again:
            await again.settle()
    [alarm] = [line for line in lines if line["log_level"] == "error"]
    found = await Ledger(broker).balance(patience_s=0)

    assert (alarm["topic"], alarm["partition"], alarm["offset"], alarm["count"]) == ("referrals-routed", 0, 1, 2)
    assert fed(again) == [str(a_referral(number).referral_id) for number in (1, 4)]
    assert (found.accepted, found.parked) == (4, 2)
    assert set(found.unaccounted) == {str(a_referral(number).tip_id) for number in (2, 3)}


def _accepted_and_routed(number: int) -> list[Out]:
    """The entries of intake and router for one tip."""
    event = a_referral(number)
    accepted = {"kind": "tip.accepted", "tip": str(event.tip_id)}
    entry = {
        "kind": "hop.routed", "tip": str(event.tip_id),
        "out": [{"event": str(event_of(number)), "topic": "referrals-routed"}],
        "tally": {"version": 1, "referrals": [str(event.referral_id)]},
    }  # fmt: skip
    return [Out("custody", 0, b"k", orjson.dumps(one), [], 0) for one in (accepted, entry)]


# --- 75 on a real broker --------------------------------------------------------------------------------------------


@pytest.fixture
def prefix(kafka: str) -> str:
    """Topics of one test on the shared broker."""
    name = f"ct{uuid.uuid4().hex[:6]}-"
    admin = AdminClient({"bootstrap.servers": kafka})
    made = [NewTopic(name + t, 1 if t.endswith("dlq") else 2, 1) for t in ("in", "in-urgent", "out", "log", "in-dlq")]
    made += [] if "custody" in admin.list_topics(timeout=20).topics else [NewTopic("custody", 1, 1)]
    for future in admin.create_topics(made).values():
        future.result(30)
    return name


@asynccontextmanager
async def at_work(kafka: str, prefix: str, home: Path) -> AsyncIterator[Runner]:
    """A copying hop on the real broker."""
    runner = Runner(CopyHop(prefix, 2), KafkaBroker(kafka, TUNING), tuning=TUNING, home=home)
    try:
        await runner.start()
        yield runner
    finally:
        await runner.stop()


async def put(kafka: str, prefix: str, word: str, count: int) -> None:
    """Publish *count* records with another client, into one partition after the other."""
    values = [f"{word}{number}".encode() for number in range(count)]
    keys = [("ce_id", str(uuid.uuid5(NAMESPACE, prefix + value.decode())).encode()) for value in values]
    records = [(f"{prefix}in", value, [key]) for value, key in zip(values, keys, strict=True)]
    await asyncio.to_thread(publish, kafka, records)


async def copies(kafka: str, prefix: str, count: int) -> list[str]:
    """Copies as another client reads them, once there are *count*; a late one more is waited for."""

    def read() -> list[Seen]:
        reader = Reader(kafka, [f"{prefix}out"])
        try:
            return reader.until(lambda seen: len(seen) >= count, seconds=30, quiet=1.0)
        finally:
            reader.close()

    return sorted(str(each.value, "utf-8") for each in await asyncio.to_thread(read))  # type: ignore[arg-type]


async def test_t75_more_partitions_than_the_contract_says_are_refused(kafka: str, prefix: str, tmp_path: Path) -> None:
    """75: keys would move between tasks: no hop starts on them, and it says which number to go on with."""
    await put(kafka, prefix, "a", 10)
    async with at_work(kafka, prefix, tmp_path):
        assert len(await copies(kafka, prefix, 10)) == 10
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_partitions([NewPartitions(f"{prefix}in", 3)]).values():
        future.result(30)
    with pytest.raises(Misconfigured, match="has 3 partitions, the contract says 2; set VIDARE_PARTITIONS"):
        async with at_work(kafka, prefix, tmp_path):
            pass


async def test_t75_a_topic_made_anew_under_a_running_hop_ends_it(kafka: str, prefix: str, tmp_path: Path) -> None:
    """75: it does not go on in a log that is not the one it knew; started again it works the new one, each once."""
    await put(kafka, prefix, "a", 10)
    admin = AdminClient({"bootstrap.servers": kafka})
    async with at_work(kafka, prefix, tmp_path) as runner:
        assert len(await copies(kafka, prefix, 10)) == 10
        for future in admin.delete_topics([f"{prefix}in"]).values():
            future.result(30)
        await asyncio.to_thread(_made_again, admin, f"{prefix}in")
        with pytest.raises(Exception, match="OffsetOutOfRange"):
            async with asyncio.timeout(30):
                await _ends(runner)
    await put(kafka, prefix, "b", 10)
    async with at_work(kafka, prefix, tmp_path):
        seen = await copies(kafka, prefix, 20)

    assert seen == sorted(f"{word}{number}" for word in "ab" for number in range(10))


async def _ends(runner: Runner) -> None:
    try:
        await runner.run()
    except Exception as error:
        raise RuntimeError(type(error).__name__) from error


def _made_again(admin: AdminClient, name: str) -> None:
    """The name is free a moment after the deletion was answered."""
    while True:
        [future] = admin.create_topics([NewTopic(name, 2, 1)]).values()
        error = future.exception(30)
        if error is None:
            return
        if "TOPIC_ALREADY_EXISTS" not in str(error):
            raise error
