"""
Numbers 89 and 90 of the hostile corpus: a disk without room, a collector that is down or slow.

What cannot be made durable is never promised, and telemetry is never waited for.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid5

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from contracts import telemetry
from services.chassis.broker.memory import MemoryBroker
from services.chassis.clock import FakeClock
from services.chassis.doors.door_producer import DoorProducer
from services.chassis.hop import NAMESPACE, Effect, Told
from services.chassis.running.memory_run import Fed, MemoryRun
from services.chassis.settings import Settings
from services.chassis.telemetry.export import Exporter, OtlpSink
from services.chassis.telemetry.localtraces import LocalSink
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.spans import SpanRecorder
from services.chassis.telemetry.tracing import DoorTracing
from services.cli.broker import LocalBroker
from services.intake.bearer import Bearer
from services.intake.door import DoorParts, create_door
from services.intake.posting import Appender, Desk
from services.intake.view import StatusView
from services.notifier.delivering.attempt import AttemptEnd, read_key, tell
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.full_disk import fill, no_room
from tests.support.intake import KEY, NOW, PARTNERS, Inboxes, submission
from tests.support.notifier_listener import listening
from tests.support.notifier_world import START, a_referral, an_agency
from tests.support.oracle import Reader

ROOM = 48 * 1024
"""Enough for a store to be opened, too little for what these tests put into it."""


class Taking:
    """An agency that takes everything; remembers what came."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def perform(self, effect: Effect) -> Told:
        """Take the document."""
        self.got.append(str(read_key(effect.key).id))
        return tell(effect.key, AttemptEnd(status=200))


def a_hop(agency: Taking) -> NotifierHop:
    """The notifier with one agency, by webhook and topic, that may be called often."""
    records = {"hotline-nl": an_agency(rate_per_minute=60_000)}
    return NotifierHop(Onboarded(records), partitions=1, proofs="http://127.0.0.1:8105", effects=agency)


def routed(numbers: Sequence[int]) -> list[Fed]:
    """Routed referrals."""
    return [
        Fed(
            "referrals-routed",
            a_referral(number).model_dump_json(by_alias=True).encode(),
            b"hotline-nl",
            [("ce_id", str(uuid5(NAMESPACE, f"event {number}")).encode())],
        )
        for number in numbers
    ]


def ids(numbers: Sequence[int]) -> list[str]:
    """Their ids, in order."""
    return sorted(str(a_referral(number).referral_id) for number in numbers)


def fed(broker: MemoryBroker) -> list[str]:
    """Whose documents stand in the agency's feed, in order of their ids."""
    return sorted((record.key or b"").decode() for record in broker.records("referrals-agency-hotline-nl"))


# --- 89: no room ----------------------------------------------------------------------------------------------------


async def test_t89_a_hop_without_room_for_its_state_ends_and_later_goes_on(tmp_path: Path) -> None:
    """89: five starts on a full disk end in words; with room again each referral is there once, and none was parked."""
    numbers, broker, agency = range(60), MemoryBroker(auto_partitions=1), Taking()
    broker.create("referrals-routed", 1)
    first = MemoryRun(a_hop(agency), now=lambda: START, broker=broker, home=tmp_path)
    await first.feed(*routed(numbers))
    for _ in range(5):
        with no_room(ROOM), pytest.raises((sqlite3.OperationalError, OSError)):
            async with MemoryRun(a_hop(agency), now=lambda: START, broker=broker, home=tmp_path) as run:
                await run.settle()
    async with MemoryRun(a_hop(agency), now=lambda: START, broker=broker, home=tmp_path) as again:
        await again.settle()

    assert fed(broker) == ids(numbers)
    assert set(agency.got) == set(ids(numbers))
    assert broker.records("referrals-routed-dlq") == []
    delivered = [row["referral_id"] for row in again.json("deliveries") if row["what"] == "delivered"]
    assert sorted(delivered) == ids(numbers)


async def test_t89_a_hop_without_room_for_its_traces_works_on(tmp_path: Path) -> None:
    """89: spans that find no room are dropped and counted; every referral goes out meanwhile."""
    metrics, agency, broker = Metrics(), Taking(), MemoryBroker(auto_partitions=1)
    exporter = Exporter(LocalSink(tmp_path, Resource()), on_drop=counting(metrics))
    recorder = SpanRecorder(exporter, metrics, hop="notifier")
    with no_room(ROOM):
        async with MemoryRun(a_hop(agency), now=lambda: START, broker=broker, recorder=recorder) as run:
            await run.feed(*routed(range(60)))
            await run.settle()
            assert recorder.flush()

    assert fed(broker) == ids(range(60)) == sorted(agency.got)
    assert metrics.value(telemetry.SPANS_DROPPED, reason="local_failed") == exporter.dropped > 0
    recorder.close()


async def test_t89_a_broker_without_room_gives_no_promise(
    kafka_broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """89: from the moment its disk is full the door says 503, never 202; what had its 202 is there afterwards."""
    _make(kafka_broker.bootstrap, "tips-inbox-ecpat-se")
    producer, others = DoorProducer(kafka_broker.bootstrap), asyncio.all_tasks()
    async with a_door(producer, tmp_path, monkeypatch) as door:
        before = [(await door.post("/v1/tips", content=submission(reference=f"A-{n}"))) for n in range(5)]
        fill(kafka_broker.pid or 0)
        during = [(await door.post("/v1/tips", content=submission(reference=f"B-{n}"))) for n in range(2)]
    await producer.stop()
    left = asyncio.all_tasks() - others
    kafka_broker.kill()
    kafka_broker.start()

    assert [answer.status_code for answer in before] == [202] * 5
    assert [(answer.status_code, int(answer.headers["retry-after"]) > 0) for answer in during] == [(503, True)] * 2
    assert not left, "what failed goes on trying in the background"
    reader = Reader(kafka_broker.bootstrap, ["tips-inbox-ecpat-se"])
    seen = await asyncio.to_thread(reader.until, lambda found: len(found) >= 5, seconds=30)
    reader.close()
    assert {each.json()["reference"] for each in seen} >= {f"A-{n}" for n in range(5)}


def _make(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result(30)


@asynccontextmanager
async def a_door(
    inbox: Appender, home: Path, monkeypatch: pytest.MonkeyPatch, otlp: str | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Intake's door in this process before *inbox*, asked as the hotline."""
    monkeypatch.setenv("VIDARE_TEST_TOKEN_ONE", "token-of-one")
    tracing, view = DoorTracing.of(Settings(home=home, otlp=otlp), "intake-door"), StatusView()
    app = create_door(DoorParts(Bearer(PARTNERS), Desk(inbox, view, FakeClock(NOW), tracing.metrics, KEY), tracing))
    headers = {"authorization": "Bearer token-of-one", "content-type": "application/json"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://door.example", headers=headers) as client:
        yield client
    await asyncio.to_thread(tracing.close)
    view.close()


# --- 90: the collector ----------------------------------------------------------------------------------------------


def counting(metrics: Metrics) -> Callable[[str, int], None]:
    """What a process does with a span that was dropped."""
    return lambda reason, count: metrics.count(telemetry.SPANS_DROPPED, count, reason=reason)


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, asyncio.Event, list[bytes]]]:
    """A collector that takes every request and answers none until it is told to; its address and what it got."""
    release = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter, _request: bytes) -> None:
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with listening(answer) as (port, requests):
        yield f"http://127.0.0.1:{port}", release, requests
        release.set()


def to_collector(endpoint: str, metrics: Metrics, limit: int) -> SpanRecorder:
    """The recorder of a hop whose spans go to *endpoint*, with room for *limit*."""
    exporter = Exporter(OtlpSink(endpoint, Resource()), limit=limit, on_drop=counting(metrics))
    return SpanRecorder(exporter, metrics, hop="notifier")


async def test_t90_a_collector_that_does_not_answer_holds_nothing_up() -> None:
    """90: all work is done before it has said a word; what found no room is dropped, and every one of them counted."""
    metrics, agency, broker, numbers = Metrics(), Taking(), MemoryBroker(auto_partitions=1), range(300)
    async with silent() as (endpoint, release, requests):
        recorder = to_collector(endpoint, metrics, limit=500)
        async with MemoryRun(a_hop(agency), now=lambda: START, broker=broker, recorder=recorder) as run:
            await run.feed(*routed(numbers))
            await run.settle()
            while not requests:  # noqa: ASYNC110 - the exporter writes in a thread of its own
                await asyncio.sleep(0.01)

            assert not release.is_set()
            assert fed(broker) == ids(numbers) == sorted(agency.got)
            assert metrics.value(telemetry.SPANS_DROPPED, reason="queue_full") > 0
        release.set()
        await asyncio.to_thread(recorder.close)


class Counting(Exporter):
    """An exporter that knows how many spans it was given."""

    offered = 0

    def offer(self, spans: Sequence[bytes]) -> None:
        """Count and take them."""
        self.offered += len(spans)
        super().offer(spans)


async def test_t90_without_a_collector_every_span_is_dropped_and_counted() -> None:
    """90: nobody listens there: the referrals go out, and every span that was made for them is counted as lost."""
    metrics, agency, broker, numbers = Metrics(), Taking(), MemoryBroker(auto_partitions=1), range(40)
    exporter = Counting(OtlpSink("http://127.0.0.1:9", Resource()), on_drop=counting(metrics))
    recorder = SpanRecorder(exporter, metrics, hop="notifier")
    async with MemoryRun(a_hop(agency), now=lambda: START, broker=broker, recorder=recorder) as run:
        await run.feed(*routed(numbers))
        await run.settle()
    await asyncio.to_thread(recorder.close)

    assert fed(broker) == ids(numbers) == sorted(agency.got)
    assert metrics.value(telemetry.SPANS_DROPPED, reason="otlp_failed") == exporter.offered > 3 * len(numbers)


async def test_t90_a_door_answers_while_its_collector_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """90: a sender has its 202 for every tip before the collector has taken a single span."""
    inboxes = Inboxes()
    async with (
        silent() as (endpoint, release, requests),
        a_door(inboxes, tmp_path, monkeypatch, otlp=endpoint) as door,
    ):
        answers = [await door.post("/v1/tips", content=submission(reference=f"A-{n}")) for n in range(50)]
        while not requests:  # noqa: ASYNC110 - the exporter writes in a thread of its own
            await asyncio.sleep(0.01)
        assert not release.is_set()
        release.set()

    assert [answer.status_code for answer in answers] == [202] * 50
    assert len(inboxes.written) == 50
