"""The runner, with a hop that copies: on the twin in memory and on a real broker."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from contracts import headers as h
from contracts.events import CustodyEntry
from services.chassis.broker.broker_port import Out, Spot, TransactionFailed
from services.chassis.broker.kafka import KafkaBroker
from services.chassis.broker.memory import MemoryBroker
from services.chassis.errors import Misconfigured, Unavailable
from services.chassis.hop import Effect, Emit, Entry, Input, Outcome, Record, Timer, Told, View, event_id
from services.chassis.running.deadlimits import TooManyDeadLetters
from services.chassis.running.memory_run import Fed, MemoryRun
from services.chassis.running.runner import Runner
from services.chassis.running.tuning import Tuning
from tests.support.copying import CopyHop
from tests.support.oracle import Reader, publish

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def fed(value: bytes, *, topic: str = "in", partition: int = 0, **headers: bytes) -> Fed:
    """A record with an id."""
    event = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{topic}{value[:99]!r}")).encode()
    named = [(name.replace("_", "-"), given) for name, given in headers.items()]
    return Fed(topic, value, b"key", [(h.CE_ID, event), *named], partition)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        """The time."""
        return self.at


class ScriptHop(CopyHop):
    """A copying hop whose decision a test replaces."""

    def __init__(self, decide: Callable[[Input, View], Outcome], *, stateful: bool = True) -> None:
        super().__init__("", 1, stateful=stateful)
        self._script = decide

    def decide(self, given: Input, view: View) -> Outcome:
        """What the test says."""
        return self._script(given, view)


async def test_events_carry_envelope_trace_tip_and_cause() -> None:
    """An event names its id, its tip, the entry that caused it, the span that sent it; accepted-at is forwarded."""

    def decide(_given: Input, _view: View) -> Outcome:
        emit = Emit("out", "k", "copy/1", b"{}", expects_entry=True)
        return Outcome(events=[emit], entries=[Entry("hop.copied", None, "test", tally={"n": 1})], tip="the-tip")

    async with MemoryRun(ScriptHop(decide), now=Clock()) as run:
        given = fed(b"x", traceparent=PARENT, vidare_accepted_at=b"then", vidare_cause=b"before")
        await run.feed(given)
        await run.settle()
    [out], [entry] = run.records("out"), run.json("custody")
    headers = dict(out.headers)
    cause = uuid.UUID(dict(given.headers)[h.CE_ID].decode())

    assert headers[h.CE_ID].decode() == str(event_id(cause, "copy", 0))
    assert headers[h.VIDARE_TIP] == b"the-tip"
    assert headers[h.VIDARE_ACCEPTED_AT] == b"then"
    assert headers[h.VIDARE_CAUSE].decode() == entry["event"] == str(uuid.uuid5(cause, "copy/entry/0"))
    assert headers[h.TRACEPARENT].startswith(PARENT[:36])
    assert headers[h.TRACEPARENT] != PARENT
    assert [name for name, _ in out.headers].count(h.TRACEPARENT) == 1
    parsed = CustodyEntry.model_validate(entry)
    assert (parsed.prev, parsed.cause, parsed.trace) == ("before", str(cause), PARENT[3:35].decode())
    assert [(p.event, p.topic) for p in parsed.out] == [(headers[h.CE_ID].decode(), "out")]
    assert parsed.received is not None
    assert (parsed.received.topic, parsed.received.offset, parsed.service) == ("in", "0", "copy@test")


@pytest.mark.parametrize(
    ("inbox", "accepted", "continued"),
    [("tips-inbox-x", b"2026-11-22T12:00:00.000Z", True), ("receipts-inbox-y", None, False)],
)
async def test_a_strangers_headers_are_not_believed(inbox: str, accepted: bytes | None, continued: bool) -> None:
    """In an inbox neither tip nor cause nor accepted-at of the sender count; only a partner's trace is continued."""
    hop = ScriptHop(lambda _given, _view: Outcome(events=[Emit("out", "k", "copy/1", b"{}")], tip="t"))
    hop.untrusted = True
    hop.source = inbox
    sent = fed(b"x", topic=inbox, traceparent=PARENT, vidare_accepted_at=b"then", vidare_cause=b"c", vidare_tip=b"x")
    async with MemoryRun(hop, now=Clock()) as run:
        await run.feed(sent)
        await run.settle()
    headers = dict(run.records("out")[0].headers)

    assert (headers[h.VIDARE_TIP], headers.get(h.VIDARE_CAUSE)) == (b"t", None)
    assert headers.get(h.VIDARE_ACCEPTED_AT) == accepted
    assert headers[h.TRACEPARENT].startswith(PARENT[:36]) == continued


async def test_poison_is_a_dead_letter_with_its_entry_in_the_same_transaction() -> None:
    """Bytes, key and headers are kept whole, with the reason and where it lay; the books know that it is parked."""
    async with MemoryRun(CopyHop("", 1), now=Clock()) as run:
        await run.feed(fed(b"good"), fed(b"bad-1", vidare_tip=b"the-tip"), Fed("in", b"no id"), fed(b"after"))
        await run.settle()
    letters = run.records("in-dlq")

    assert [record.value for record in run.records("out")] == [b"good", b"after"]
    assert [letter.value for letter in letters] == [b"bad-1", b"no id"]
    assert letters[0].key == b"key"
    told = {name: value for name, value in letters[0].headers if name.startswith("vidare-")}
    assert told == {
        h.VIDARE_TIP: b"the-tip", h.DLQ_REASON: b"not_json", h.DLQ_TOPIC: b"in", h.DLQ_PARTITION: b"0",
        h.DLQ_OFFSET: b"1", h.DLQ_SERVICE: b"copy@test", h.DLQ_AT: b"2026-11-22T12:00:00.000Z",
    }  # fmt: skip
    parked = [entry for entry in run.json("custody") if entry["kind"] == "tip.parked"]
    assert [(e.get("tip"), e["tally"]) for e in parked] == [("the-tip", {"dlq": "in-dlq"}), (None, {"dlq": "in-dlq"})]
    assert parked[0]["cause"] == dict(letters[0].headers)[h.CE_ID].decode()


async def test_an_event_that_is_too_large_parks_its_input_alone() -> None:
    """The size is checked before anything is sent; neighbours in the batch pass."""
    async with MemoryRun(CopyHop("", 1), tuning=Tuning(limits={"out": 5_000})) as run:
        await run.feed(fed(b"1"), fed(b"large" + b"x" * 5_000), fed(b"2"))
        await run.settle()

    assert [record.value for record in run.records("out")] == [b"1", b"2"]
    assert dict(run.records("in-dlq")[0].headers)[h.DLQ_REASON] == b"too_large"


async def test_an_inbox_refuses_in_words_what_it_cannot_work() -> None:
    """No dead letters exist before intake: the hop's own words are used."""

    class Inbox(CopyHop):
        untrusted = True

        def refuse_crashed(self, _record: Record) -> Outcome:
            return Outcome(events=[Emit("status", "k", "tip-status/1", b"refused")])

    async with MemoryRun(Inbox("", 1)) as run:
        await run.feed(fed(b"bad"), fed(b"good"))
        await run.settle()

    assert run.topics() == ["in", "status", "out", "log"] or set(run.topics()) == {"status", "out", "log"}
    assert [record.value for record in run.records("status")] == [b"refused"]
    assert not run.records("in-dlq")


async def test_consumed_inbox_records_are_deleted_and_others_are_kept() -> None:
    """Bytes of an inbox are gone after the commit; topics behind intake keep theirs."""
    inbox = CopyHop("", 1)
    inbox.untrusted = True
    for hop, left in ((inbox, 0), (CopyHop("", 1), 3)):
        async with MemoryRun(hop) as run:
            await run.feed(fed(b"1"), fed(b"2"), fed(b"3"))
            await run.settle()
        assert len(run.records("in")) == left


async def test_too_many_dead_letters_stop_the_task_and_divert_nothing() -> None:
    """Fifty bad records in a row end the hop; none of that batch is dead-lettered."""
    run = MemoryRun(CopyHop("", 1))
    async with run:
        await run.feed(*(fed(b"bad-%d" % n) for n in range(60)))
        with pytest.raises(TooManyDeadLetters):
            await run.settle()

    assert not run.records("in-dlq")
    assert not run.records("out")


async def test_a_dependency_that_is_down_pauses_and_nothing_is_lost() -> None:
    """What was decided before is committed, the rest waits and is worked when the dependency is back."""
    tries: list[bytes | None] = []

    def decide(given: Input, _view: View) -> Outcome:
        assert given.record is not None
        tries.append(given.record.value)
        if given.record.value == b"2" and tries.count(b"2") < 2:
            raise Unavailable("the database", retry_after=timedelta(milliseconds=1))
        return Outcome(events=[Emit("out", "k", "copy/1", given.record.value or b"")])

    async with MemoryRun(ScriptHop(decide)) as run:
        await run.feed(fed(b"1"), fed(b"2"), fed(b"3"))
        await run.settle()

    assert [record.value for record in run.records("out")] == [b"1", b"2", b"3"]
    assert tries == [b"1", b"2", b"2", b"3"]


async def test_a_timer_fires_once_in_one_transaction_with_its_row() -> None:
    """Due timers are inputs with ids of their own; an overdue one fires when the task is restored."""

    def decide(given: Input, _view: View) -> Outcome:
        if given.timer is not None:
            return Outcome(events=[Emit("out", "k", "late/1", given.timer.body)])
        return Outcome(timers=[Timer("t", given.now + timedelta(hours=1), b"body")])

    clock, broker = Clock(), MemoryBroker(auto_partitions=1)
    async with MemoryRun(ScriptHop(decide), now=clock, broker=broker) as run:
        await run.feed(fed(b"x"))
        await run.settle()
        assert not run.records("out")
    clock.at += timedelta(hours=2)
    for _ in range(2):
        async with MemoryRun(ScriptHop(decide), now=clock, broker=broker) as run:
            await run.settle()

    assert [record.value for record in run.records("out")] == [b"body"]
    assert run.records("log")[-1].value is None


async def test_an_effect_runs_after_the_commit_and_its_end_is_an_input() -> None:
    """What an effect reports comes back once; after a restart the hop says itself what is still due."""

    class Attempts:
        def __init__(self) -> None:
            self.done: list[str] = []

        async def perform(self, effect: Effect) -> Told:
            self.done.append(effect.key)
            return Told(effect.key, b"delivered")

    class Sender(ScriptHop):
        def resume(self, view: View) -> list[Effect]:
            return [Effect(key.removeprefix("due/"), "push", value) for key, value in view.scan("due/")]

    def decide(given: Input, _view: View) -> Outcome:
        if given.told is not None:
            return Outcome(events=[Emit("out", "k", "told/1", given.told.body)], puts={f"due/{given.told.key}": None})
        return Outcome(puts={"due/a": b"x"}, effects=[Effect("a", "push", b"x")])

    hop, attempts = Sender(decide), Attempts()
    hop.effects = attempts
    async with MemoryRun(hop) as run:
        await run.feed(fed(b"x"))
        await run.settle()
        assert (attempts.done, [r.value for r in run.records("out")]) == (["a"], [b"delivered"])
    run.broker.append([Out("log", 0, b"due/b", b"y", [], 0)])
    async with MemoryRun(hop, broker=run.broker) as again:
        await again.settle()

    assert attempts.done == ["a", "b"]
    assert len(again.records("out")) == 2


async def test_urgent_records_overtake_a_routine_backlog() -> None:
    """An urgent record that comes while thousands wait is committed before most of them."""
    async with MemoryRun(CopyHop("", 1), tuning=Tuning(batch_records=200)) as run:
        await run.feed(*(fed(b"%d" % n) for n in range(5_000)))
        while not run.records("out"):  # noqa: ASYNC110 - one turn of the loop at a time
            await asyncio.sleep(0)
        await run.feed(fed(b"urgent", topic="in-urgent"))
        await run.settle()
    values = [record.value for record in run.records("out")]

    assert len(values) == 5_001
    assert values.index(b"urgent") < 1_500


async def test_another_number_of_partitions_is_refused() -> None:
    """A hop does not start on topics that are missing or have another partition count than the contract."""
    broker = MemoryBroker()
    for topic in ("in", "in-urgent", "log"):
        broker.create(topic, 3)
    with pytest.raises(Misconfigured, match="has 3 partitions, the contract says 2"):
        await Runner(CopyHop("", 2), broker).start()
    with pytest.raises(Misconfigured, match="does not exist"):
        await Runner(CopyHop("other-", 2), broker).start()


async def test_a_changelog_of_another_partition_count_is_refused() -> None:
    """Keys that were placed under another count would be looked for in the wrong task."""
    async with MemoryRun(CopyHop("", 1)) as run:
        await run.feed(fed(b"x"))
        await run.settle()
    run.broker.append([Out("log", 0, b"chassis/partitions", b"7", [], 0)])
    again = MemoryRun(CopyHop("", 1), broker=run.broker)
    async with again:
        with pytest.raises(Misconfigured, match="written with 7 partitions"):
            await again.settle()


async def test_a_topic_that_was_made_anew_is_not_guessed_at() -> None:
    """A committed offset beyond the end ends the hop; one before the beginning goes on at the beginning."""
    async with MemoryRun(CopyHop("", 1)) as run:
        await run.feed(*(fed(b"%d" % n) for n in range(5)))
        await run.settle()
    run.broker.append([Out("in", 0, b"k", b"lost", [], 0), Out("in", 0, b"k", b"kept", list(fed(b"kept").headers), 0)])
    await run.broker.delete_before({Spot("in", 0): 6})
    async with MemoryRun(CopyHop("", 1), broker=run.broker) as behind:
        await behind.settle()
    assert behind.records("out")[-1].value == b"kept"

    run.broker.create("in", 1)
    beyond = MemoryRun(CopyHop("", 1), broker=run.broker)
    async with beyond:
        with pytest.raises(Misconfigured, match="made anew"):
            await beyond.settle()


@pytest.mark.parametrize("fault", [OSError("connection lost"), TransactionFailed("nobody knows")])
async def test_a_transaction_that_fails_ends_the_hop_and_leaves_nothing(fault: Exception, tmp_path: Path) -> None:
    """Nothing of it is read, and the next start does it all, once."""
    broker = MemoryBroker(auto_partitions=1)

    def fail(_id: str, _outs: Sequence[Out]) -> None:
        raise fault

    broker.before_commit = fail
    run = MemoryRun(CopyHop("", 1), broker=broker, home=tmp_path)
    async with run:
        await run.feed(fed(b"1"), fed(b"2"))
        with pytest.raises(TransactionFailed):
            await run.settle()
    assert not run.records("out")
    broker.before_commit = lambda _id, _outs: None
    async with MemoryRun(CopyHop("", 1), broker=broker, home=tmp_path) as again:
        await again.settle()

    assert [record.value for record in again.records("out")] == [b"1", b"2"]
    assert [record.key for record in again.records("out")] == [b"0/1", b"0/2"]


async def test_a_record_that_the_broker_always_refuses_is_parked_alone(tmp_path: Path) -> None:
    """A batch that fails twice is worked one by one; the record that fails a third time is dead-lettered."""
    broker = MemoryBroker(auto_partitions=1)

    def refuse(_id: str, outs: Sequence[Out]) -> None:
        if any(out.topic == "out" and out.value == b"cursed" for out in outs):
            raise ValueError("refused for what it is")

    broker.before_commit = refuse
    broker.create("in", 1)
    broker.append([Out("in", 0, b"k", v, list(fed(v).headers), 0) for v in (b"1", b"2", b"cursed", b"3")])
    ends = 0
    for _ in range(4):
        run = MemoryRun(CopyHop("", 1), broker=broker, home=tmp_path)
        try:
            async with run:
                await run.settle()
        except TransactionFailed:
            ends += 1

    assert ends == 3
    assert [record.value for record in broker.records("out")] == [b"1", b"2", b"3"]
    assert [dict(r.headers)[h.DLQ_REASON] for r in broker.records("in-dlq")] == [b"crashed_three_times"]
    told = [CustodyEntry.model_validate_json(r.value or b"") for r in broker.records("custody")]
    cursed = dict(fed(b"cursed").headers)[h.CE_ID].decode()
    assert [str(entry.cause) for entry in told if entry.kind == "tip.parked"] == [cursed], "or the books miss the tip"


async def test_hops_do_not_keep_state_without_a_changelog() -> None:
    """State that would be lost with the process is refused loudly."""
    hop = ScriptHop(lambda _given, _view: Outcome(puts={"a": b"b"}), stateful=False)
    run = MemoryRun(hop)
    async with run:
        await run.feed(fed(b"x"))
        with pytest.raises(Misconfigured, match="names no changelog"):
            await run.settle()


# --- on a real broker -----------------------------------------------------------------------------------------------


@pytest.fixture
def prefix(kafka: str) -> str:
    """Topics of one test on the shared broker."""
    name = f"rn{uuid.uuid4().hex[:6]}-"
    admin = AdminClient({"bootstrap.servers": kafka})
    topics = [NewTopic(name + t, 1 if t.endswith("dlq") else 2, 1) for t in ("in", "in-urgent", "out", "log", "in-dlq")]
    topics += [] if "custody" in admin.list_topics(timeout=20).topics else [NewTopic("custody", 1, 1)]
    for future in admin.create_topics(topics).values():
        future.result(30)
    return name


@asynccontextmanager
async def at_work(kafka: str, hop: CopyHop, home: Path, member: str | None = None) -> AsyncIterator[Runner]:
    """A runner on the real broker."""
    tuning = Tuning(session_ms=6_000, heartbeat_ms=500)
    runner = Runner(hop, KafkaBroker(kafka, tuning), tuning=tuning, home=home, member=member)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


def put(kafka: str, prefix: str, values: Sequence[bytes], *, lane: str = "in") -> None:
    """Publish with another client."""
    publish(kafka, [(prefix + lane, value, list(fed(value).headers)) for value in values])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for *condition*, at most half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(0.05)


async def copies(kafka: str, prefix: str, count: int, *topics: str) -> list[Any]:
    """Committed copies, as another client reads them, once there are *count*; a late duplicate is waited for."""

    def read() -> list[Any]:
        reader = Reader(kafka, [prefix + topic for topic in topics or ("out",)])
        try:
            return reader.until(lambda seen: len(seen) >= count, seconds=30, quiet=1.0)
        finally:
            reader.close()

    return await asyncio.to_thread(read)


async def test_every_record_is_copied_exactly_once(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Both lanes, two tasks, state without a gap, poison parked, for a reader of another client."""
    values = [b"%d" % n for n in range(300)]
    await asyncio.to_thread(put, kafka, prefix, [*values[:200], b"bad-1"])
    await asyncio.to_thread(put, kafka, prefix, values[200:], lane="in-urgent")
    async with at_work(kafka, CopyHop(prefix, 2), tmp_path):
        seen = await copies(kafka, prefix, 301, "out", "in-dlq")

    assert sorted(r.value for r in seen if r.topic.endswith("out")) == sorted(values)
    assert [r.value for r in seen if r.topic.endswith("dlq")] == [b"bad-1"]
    for partition in (0, 1):
        numbers = sorted(
            int(r.key.split(b"/")[1]) for r in seen if r.topic.endswith("out") and r.partition == partition
        )
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_restart_goes_on_where_it_was_with_or_without_its_file(kafka: str, prefix: str, tmp_path: Path) -> None:
    """State is restored from the file, or from the changelog where the file is gone."""
    seen: list[Any] = []
    for turn, home in enumerate((tmp_path / "a", tmp_path / "a", tmp_path / "b")):
        await asyncio.to_thread(put, kafka, prefix, [b"%d-%d" % (turn, n) for n in range(20)])
        async with at_work(kafka, CopyHop(prefix, 2), home):
            seen = await copies(kafka, prefix, 20 * (turn + 1))

    assert len({r.value for r in seen}) == len(seen) == 60
    for partition in (0, 1):
        numbers = sorted(int(r.key.split(b"/")[1]) for r in seen if r.partition == partition)
        assert numbers == list(range(1, len(numbers) + 1))


async def test_tasks_move_to_a_member_that_joins_and_back(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A join and a leave under load lose and double nothing; the state moves along."""
    await asyncio.to_thread(put, kafka, prefix, [b"a%d" % n for n in range(100)])
    async with at_work(kafka, CopyHop(prefix, 2), tmp_path / "1", "one") as one:
        async with at_work(kafka, CopyHop(prefix, 2), tmp_path / "2", "two") as two:
            await until(lambda: len(one.tasks) == len(two.tasks) == 1 and one.ready and two.ready)
            await asyncio.to_thread(put, kafka, prefix, [b"b%d" % n for n in range(100)])
            await copies(kafka, prefix, 200)
        await asyncio.to_thread(put, kafka, prefix, [b"c%d" % n for n in range(100)])
        seen = await copies(kafka, prefix, 300)

    assert len({r.value for r in seen}) == len(seen) == 300
    for partition in (0, 1):
        numbers = sorted(int(r.key.split(b"/")[1]) for r in seen if r.partition == partition)
        assert numbers == list(range(1, len(numbers) + 1))


async def test_inboxes_are_emptied_on_the_broker(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Consumed records of an untrusted hop are deleted from the log."""
    hop = CopyHop(prefix, 2)
    hop.untrusted = True
    await asyncio.to_thread(put, kafka, prefix, [b"%d" % n for n in range(10)])
    async with at_work(kafka, hop, tmp_path) as runner:
        await copies(kafka, prefix, 10)
        spots = [Spot(prefix + "in", 0), Spot(prefix + "in", 1)]
        async with asyncio.timeout(20):
            while any(b != e for b, e in (await runner.broker.spans(spots)).values()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # the broker deletes in its own time
