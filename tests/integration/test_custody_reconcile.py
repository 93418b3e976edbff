"""Reconciling through a broker, the real one and its twin: lag, markers of transactions, what one tip looks like."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid5

import httpx
import orjson
import pytest

from contracts import topics
from services.chassis.broker.broker_port import Broker, Out, Spot
from services.chassis.broker.kafka import KafkaBroker
from services.chassis.broker.kafka_admin import Admin
from services.chassis.broker.memory import MemoryBroker
from services.chassis.errors import Misconfigured
from services.chassis.hop import NAMESPACE
from services.cli.broker import LocalBroker
from services.custody.door import door
from services.custody.reconcile import Ledger, lagging
from services.custody.tipview import view_tip
from tests.support.custody_story import ENDS, Entry, Story

PATIENCE_S = 1.5
NEEDED = [topic for topic in topics.mesh_topics(2) if not topic.name.startswith("changelog-")]


@pytest.fixture
def memory() -> MemoryBroker:
    """The twin, with the mesh's topics."""
    broker = MemoryBroker()
    for topic in NEEDED:
        broker.create(topic.name, topic.partitions)
    return broker


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker for this module: its topic names are those of a mesh, which the session's broker may serve too."""
    broker = LocalBroker(tmp_path_factory.mktemp("custody"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["memory", "kafka"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """A started broker with the mesh's topics, all of them empty."""
    if request.param == "memory":
        yield request.getfixturevalue("memory")
        return
    local: LocalBroker = request.getfixturevalue("local")
    async with Admin(local.bootstrap) as admin:
        await admin.create(NEEDED)
    kafka = KafkaBroker(local.bootstrap)
    await kafka.start()
    spans = await kafka.spans([Spot(topic.name, n) for topic in NEEDED for n in range(topic.partitions)])
    await kafka.delete_before({spot: span.end for spot, span in spans.items() if span.end > span.begin})
    yield kafka
    await kafka.stop()


def out(topic: str, body: object, partition: int = 0) -> Out:
    """A record to write."""
    return Out(topic, partition, b"key", orjson.dumps(body), [], 0)


async def written(broker: Broker, outs: Sequence[Out], offsets: dict[Spot, int] | None = None, group: str = "g") -> int:
    """Write *outs* in one transaction, as a task would; return the offset after the last."""
    producer = broker.producer("test.0")
    await producer.start()
    places = await producer.commit(outs, offsets or {}, group)
    await producer.stop()
    # A commit is answered before its markers are written: readers see it a moment later.
    last = {Spot(one.topic, place.partition): place.offset for one, place in zip(outs, places, strict=True)}
    while any(span.end <= last[spot] for spot, span in (await broker.spans(list(last))).items()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return places[-1].offset + 1 if places else 0


async def test_the_books_of_a_mesh_are_balanced(broker: Broker) -> None:
    """Every story that was told is in the balance, whatever markers lie between the entries."""
    told = [Story(number, end) for number, end in enumerate(ENDS)]
    for story in told:
        await written(broker, [out(topics.CUSTODY, entry) for entry in story.entries])

    found = await Ledger(broker).balance(patience_s=PATIENCE_S)

    assert (found.accepted, found.ended, found.parked, found.unaccounted) == (9, 5, 4, ())


async def test_what_its_group_has_not_read_is_in_flight(broker: Broker) -> None:
    """A record behind the committed offset excuses the missing entry; when it was read, nothing does."""
    story = Story(0, "waiting")
    accepted, rest = story.entries[0], story.entries[1:]
    received = Spot(topics.RECEIVED, 1)
    end = await written(broker, [out(topics.CUSTODY, accepted), out(topics.RECEIVED, {}, 1)])
    ledger = Ledger(broker)

    before = await ledger.balance(patience_s=PATIENCE_S)
    await written(broker, [], {received: end}, "geolocate")
    lost = await ledger.balance(patience_s=PATIENCE_S)
    await written(broker, [out(topics.CUSTODY, entry) for entry in rest])
    found = await ledger.balance(patience_s=PATIENCE_S)

    assert (before.in_flight, before.unaccounted) == (1, ())
    assert (lost.in_flight, lost.unaccounted) == (0, (str(story.tip),))
    assert (found.parked, found.unaccounted, found.duplicates) == (1, (), 0)


async def test_markers_of_transactions_are_no_lag(broker: Broker) -> None:
    """The end of a partition lies behind the last record; a group that read all records has no lag."""
    count = (await broker.partitions([topics.RECEIVED]))[topics.RECEIVED]
    others = await broker.spans([Spot(topics.RECEIVED, number) for number in range(1, count)])
    end = await written(broker, [out(topics.RECEIVED, {}, 0)])
    read = {spot: span.end for spot, span in others.items()} | {Spot(topics.RECEIVED, 0): end}
    await written(broker, [], read, "geolocate")

    # Offsets of a transaction, like its records, are visible a moment after its commit was answered.
    async with asyncio.timeout(10):
        while await lagging(broker, [topics.RECEIVED, topics.LOCATED]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_reading_on_folds_nothing_twice(broker: Broker) -> None:
    """Entries that are committed while the log is read count once."""
    ledger = Ledger(broker)
    for number in range(5):
        await written(broker, [out(topics.CUSTODY, entry) for entry in Story(number, "acknowledged").entries])
        await ledger.catch_up()
        await ledger.catch_up()

    found = await ledger.balance(patience_s=PATIENCE_S)
    assert (found.accepted, found.ended, found.duplicates) == (5, 5, 0)
    assert ledger.books.entries == sum(len(Story(number, "acknowledged").entries) for number in range(5))


async def test_everything_about_one_tip(broker: Broker) -> None:
    """Entries in the order of the log, decisions by version, deliveries by time; nothing of other tips."""
    story, other = Story(1, "acknowledged"), Story(2, "px")
    tip = str(story.tip)
    decisions = [out(topics.DECISIONS, {"tip_id": tip, "version": v}, v % 2) for v in (2, 1)]
    mention = out(topics.DECISIONS, {"tip_id": str(other.tip), "version": 1, "sighting_of": [tip]})
    delivery = out(topics.DELIVERIES, {"tip_id": tip, "what": "delivered", "at": "2026-11-22T09:15:00Z"})
    await written(
        broker, [out(topics.CUSTODY, e) for e in [*story.entries, *other.entries]] + [*decisions, mention, delivery]
    )

    found = await view_tip(broker, tip)

    assert found is not None
    assert [entry["kind"] for entry in found.timeline] == [entry["kind"] for entry in story.entries]
    assert [decision["version"] for decision in found.decisions] == [1, 2]
    assert len(found.deliveries) == 1
    assert (found.state, found.traces) == ("ended", ("ab" * 16,))
    assert await view_tip(broker, str(uuid5(NAMESPACE, "nobody's"))) is None


async def test_a_broker_without_topics_says_what_to_do() -> None:
    """Reconciling before the topics exist names the command that creates them."""
    with pytest.raises(Misconfigured, match="vidare topics apply"):
        await Ledger(MemoryBroker()).balance()


@asynccontextmanager
async def calling(broker: MemoryBroker, *, caller: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """The door over *broker*, running, and somebody who calls it."""
    app = door(lambda: broker)
    transport = httpx.ASGITransport(app, client=(caller, 40_000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        yield client


async def until(client: httpx.AsyncClient, path: str, holds: str) -> None:
    """Wait until the answer to *path* contains *holds*."""
    async with asyncio.timeout(10):
        while holds not in (await client.get(path)).text:  # noqa: ASYNC110 - the door tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture
async def client(memory: MemoryBroker) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the door over a mesh of some stories, when the books were balanced."""
    entries: list[Entry] = [entry for number, end in enumerate(ENDS) for entry in Story(number, end).entries]
    memory.append([out(topics.CUSTODY, entry) for entry in entries])
    async with calling(memory) as client:
        await until(client, "/ready", '"accepted"')
        yield client


async def test_the_door_tells_a_tips_timeline(client: httpx.AsyncClient) -> None:
    """State, traces and entries of one tip; unknown ids are answered as problems."""
    story = Story(3, "px")

    answer = (await client.get(f"/v1/tips/{story.tip}")).json()
    unknown = await client.get(f"/v1/tips/{uuid5(NAMESPACE, 'nobody')}")

    assert (answer["tip_id"], answer["state"]) == (str(story.tip), "ended")
    assert answer["timeline"] == story.entries
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_reference")
    assert unknown.headers["content-type"] == "application/problem+json"


async def test_the_door_is_for_this_machine(client: httpx.AsyncClient, memory: MemoryBroker) -> None:
    """Neither a caller from elsewhere nor a page that reached a name which points here is let in."""
    path = f"/v1/tips/{Story(3, 'px').tip}"

    async with calling(memory, caller="192.0.2.7") as stranger:
        assert (await stranger.get(path)).status_code == 403
    assert (await client.get(path, headers={"Host": "evil.example"})).status_code == 400


async def test_the_door_keeps_the_books_all_the_time(client: httpx.AsyncClient) -> None:
    """Ready and metrics say how the books stand."""
    ready = await client.get("/ready", headers={"Host": "custody:8105"})
    metrics = (await client.get("/metrics", headers={"Host": "custody:8105"})).text

    assert (ready.status_code, ready.json()["books"]["accepted"], ready.json()["warnings"]) == (200, len(ENDS), [])
    assert 'vidare_reconcile_tips{state="parked"} 4.0' in metrics
    assert "vidare_reconcile_unaccounted 0.0" in metrics
    assert (await client.get("/live")).json() == {"live": True}


async def test_a_door_without_a_mesh_is_not_ready() -> None:
    """No topics: 503 with the reason, and a tip is not denied but put off."""
    async with calling(MemoryBroker()) as client:
        await until(client, "/ready", "topics apply")
        answer = await client.get(f"/v1/tips/{uuid5(NAMESPACE, 'x')}")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
