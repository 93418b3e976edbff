"""One suite for both brokers: the twin in memory may promise nothing that the real one does not keep."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.chassis.broker.broker_port import Broker, Out, Place, Span, Spot, TransactionFailed
from services.chassis.broker.kafka import KafkaBroker
from services.chassis.broker.memory import MemoryBroker
from services.chassis.codec import partition_of
from services.chassis.errors import Fenced
from services.chassis.hop import Record, TaskSpec
from services.chassis.running.tuning import Tuning

TUNING = Tuning(session_ms=6_000, heartbeat_ms=500)
Make = Callable[[str, int], Awaitable[str]]


@pytest.fixture(params=["memory", "kafka"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Broker, Make]]:
    """A broker, and a way to make topics on it."""
    prefix = f"bs{uuid.uuid4().hex[:6]}-"
    if request.param == "memory":
        memory = MemoryBroker()

        async def make_memory(name: str, partitions: int) -> str:
            memory.create(prefix + name, partitions)
            return prefix + name

        yield memory, make_memory
        return
    bootstrap = request.getfixturevalue("kafka")
    admin = AdminClient({"bootstrap.servers": bootstrap})

    async def make(name: str, partitions: int) -> str:
        made = admin.create_topics([NewTopic(prefix + name, partitions, 1)])
        await asyncio.gather(*(asyncio.to_thread(future.result, 30) for future in made.values()))
        return prefix + name

    broker = KafkaBroker(bootstrap, TUNING)
    await broker.start()
    yield broker, make
    await broker.stop()


def out(topic: str, value: bytes, *, key: bytes = b"k", partition: int | None = 0) -> Out:
    """A record to write."""
    return Out(topic, partition, key, value, [("h", b"1")], 1_700_000_000_000)


async def read(broker: Broker, spot: Spot, count: int) -> list[Record]:
    """Read *count* records of *spot* from the beginning."""
    reader = broker.reader("test")
    await reader.start()
    reader.assign({spot: 0})
    found: list[Record] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            await reader.arrived()
            found += await reader.take(spot, 100)
    await reader.stop()
    return found


async def test_a_commit_writes_records_and_offsets_together(ground: tuple[Broker, Make]) -> None:
    """What was committed is read in order, with key, headers and time; the offset stands with it."""
    broker, make = ground
    topic = await make("a", 1)
    producer = broker.producer(topic)
    await producer.start()
    places = await producer.commit([out(topic, b"1"), out(topic, b"2")], {Spot(topic, 0): 7}, topic)
    records = await read(broker, Spot(topic, 0), 2)
    await producer.stop()

    assert places == [Place(0, 0), Place(0, 1)]
    assert [(r.value, r.key, tuple(r.headers), r.timestamp_ms) for r in records] == [
        (b"1", b"k", (("h", b"1"),), 1_700_000_000_000), (b"2", b"k", (("h", b"1"),), 1_700_000_000_000),
    ]  # fmt: skip
    assert await broker.committed(topic, [Spot(topic, 0)]) == {Spot(topic, 0): 7}


async def test_a_group_without_an_offset_is_told_apart(ground: tuple[Broker, Make]) -> None:
    """A partition that nobody committed is left out of the answer."""
    broker, make = ground
    topic = await make("a", 1)

    assert await broker.committed(f"g-{topic}", [Spot(topic, 0)]) == {}


async def test_the_later_producer_fences_the_earlier(ground: tuple[Broker, Make]) -> None:
    """After a second start of the same id the first cannot write any more; nothing of its try is read."""
    broker, make = ground
    topic = await make("a", 1)
    old, new = broker.producer(topic), broker.producer(topic)
    await old.start()
    await old.commit([out(topic, b"first")], {}, topic)
    await new.start()
    with pytest.raises((Fenced, TransactionFailed)):
        await old.commit([out(topic, b"zombie")], {Spot(topic, 0): 9}, topic)
    await new.commit([out(topic, b"second")], {}, topic)
    records = await read(broker, Spot(topic, 0), 2)
    await old.kill()
    await new.stop()

    assert [record.value for record in records] == [b"first", b"second"]
    assert await broker.committed(topic, [Spot(topic, 0)]) == {}


async def test_a_partition_is_chosen_by_the_key(ground: tuple[Broker, Make]) -> None:
    """Without a partition the CRC of the key decides, over the real number of partitions."""
    broker, make = ground
    topic = await make("a", 5)
    producer = broker.producer(topic)
    await producer.start()
    keys = [f"key-{n}" for n in range(20)]
    places = await producer.commit([out(topic, b"x", key=k.encode(), partition=None) for k in keys], {}, topic)
    await producer.stop()

    assert [place.partition for place in places] == [partition_of(key, 5) for key in keys]


async def test_a_changelog_is_read_to_its_end_though_it_ends_in_a_marker(ground: tuple[Broker, Make]) -> None:
    """Reading to the end returns, gives everything once, and works from the middle too."""
    broker, make = ground
    topic = await make("log", 1)
    spot = Spot(topic, 0)
    producer = broker.producer(topic)
    await producer.start()
    for number in range(3):
        await producer.commit([out(topic, b"%d" % n) for n in range(number, number + 2)], {}, topic)
    await producer.stop()
    span = (await broker.spans([spot]))[spot]
    async with asyncio.timeout(10):
        everything = [r async for records in broker.read_to(spot, 0, span.end) for r in records]
        rest = [r async for records in broker.read_to(spot, everything[3].offset, span.end) for r in records]
        nothing = [r async for records in broker.read_to(spot, span.end, span.end) for r in records]

    assert [r.value for r in everything] == [b"0", b"1", b"1", b"2", b"2", b"3"]
    assert (rest, nothing) == (everything[3:], [])
    assert span == Span(0, everything[-1].offset + 2)


async def test_consumed_records_are_deleted(ground: tuple[Broker, Make]) -> None:
    """After a deletion the partition begins there."""
    broker, make = ground
    topic = await make("inbox", 1)
    spot = Spot(topic, 0)
    producer = broker.producer(topic)
    await producer.start()
    await producer.commit([out(topic, b"%d" % n) for n in range(5)], {}, topic)
    await producer.stop()
    await broker.delete_before({spot: 3})

    assert (await broker.spans([spot]))[spot].begin == 3


async def test_missing_topics_are_left_out(ground: tuple[Broker, Make]) -> None:
    """Partition counts are those of the broker; a topic that does not exist has none."""
    broker, make = ground
    topic = await make("a", 3)

    assert await broker.partitions([topic, topic + "-missing"]) == {topic: 3}


async def test_a_reader_goes_on_where_it_is_told_after_being_assigned_anew(ground: tuple[Broker, Make]) -> None:
    """Assigning again drops what was buffered and reads from the given offsets."""
    broker, make = ground
    topic = await make("a", 2)
    producer = broker.producer(topic)
    await producer.start()
    await producer.commit([out(topic, b"%d" % n, partition=n % 2) for n in range(10)], {}, topic)
    await producer.stop()
    reader = broker.reader("test")
    await reader.start()
    reader.assign({Spot(topic, 0): 0})
    found: list[bytes | None] = []
    async with asyncio.timeout(20):
        while len(found) < 2:
            await reader.arrived()
            found += [r.value for r in await reader.take(Spot(topic, 0), 2)]
        reader.assign({Spot(topic, 0): 2, Spot(topic, 1): 3})
        while len(found) < 7:
            await reader.arrived()
            for spot in (Spot(topic, 0), Spot(topic, 1)):
                found += [r.value for r in await reader.take(spot, 100)]
    reader.assign({})
    await reader.stop()

    assert found[:2] == [b"0", b"2"]
    assert sorted(v for v in found[2:] if v) == [b"4", b"6", b"7", b"8", b"9"]


class Listener:
    """A member that only remembers what it was told."""

    def __init__(self) -> None:
        self.tasks: frozenset[str] = frozenset()
        self.errors: list[BaseException] = []

    async def revoked(self) -> None:
        """Everything is taken away."""
        self.tasks = frozenset()

    async def assigned(self, tasks: frozenset[str]) -> None:
        """These tasks are ours."""
        self.tasks = tasks

    def failed(self, error: BaseException) -> None:
        """The membership broke."""
        self.errors.append(error)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for *condition*, at most half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the other side is a process of its own
            await asyncio.sleep(0.02)


async def test_a_group_shares_its_tasks_out_and_keeps_them_together(ground: tuple[Broker, Make]) -> None:
    """One member has all; two have half each, whole tasks; when one leaves the other has all again."""
    broker, make = ground
    routine, urgent = await make("in", 4), await make("in-urgent", 4)
    tasks = [TaskSpec(str(n), ((routine, n, False), (urgent, n, True))) for n in range(4)]
    one, two = Listener(), Listener()
    first = broker.membership(routine, tasks, one, "one")
    second = broker.membership(routine, tasks, two, "two")
    await first.start()
    await until(lambda: len(one.tasks) == 4)
    before = one.tasks
    await second.start()
    await until(lambda: len(one.tasks) == 2 and len(two.tasks) == 2)
    assert one.tasks | two.tasks == before
    await second.stop()
    await until(lambda: len(one.tasks) == 4)
    await first.stop()

    assert one.errors == two.errors == []
