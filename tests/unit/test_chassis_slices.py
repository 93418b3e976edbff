"""A slice is decided stage by stage; whoever looks from outside cannot tell it from one record after the other."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from contracts import headers as h
from contracts.vocabulary import DeadReason
from services.chassis.errors import Poison, Unavailable
from services.chassis.hop import Emit, Input, Outcome, View
from services.chassis.running.deadlimits import TooManyDeadLetters
from services.chassis.running.memory_run import Fed, MemoryRun
from services.chassis.running.pace import MOST, Pace
from services.chassis.running.tuning import Tuning
from services.chassis.telemetry.telemetry_port import NoRecorder, Processed
from tests.support.copying import CopyHop

LONG = Tuning(slice_ns=1_000_000_000, dead_run=3, limits={"out": 4_000})
"""Slices long enough for everything that a test feeds, and a small topic."""


class ScriptHop(CopyHop):
    """A hop that decides what a test says; with a store."""

    def __init__(self, decide: Callable[[bytes, View], Outcome]) -> None:
        super().__init__("", 1, stateful=True)
        self._script = decide

    def decide(self, given: Input, view: View) -> Outcome:
        """What the test says of the record's body."""
        assert given.record is not None
        return self._script(given.record.value or b"", view)


def fed(value: bytes) -> Fed:
    """A record with an id of its own."""
    return Fed("in", value, b"key", [(h.CE_ID, str(uuid.uuid4()).encode())])


def out(body: bytes) -> Emit:
    """One event."""
    return Emit("out", "k", "copy/1", body)


async def worked(hop: ScriptHop, *values: bytes) -> MemoryRun:
    """Run *hop* over *values*, which begin in one slice after the first two."""
    async with MemoryRun(hop, tuning=LONG, now=lambda: datetime(2026, 11, 22, tzinfo=UTC)) as run:
        await run.feed(*(fed(value) for value in values))
        await run.settle()
    return run


async def test_a_decision_sees_what_the_ones_before_it_in_the_same_slice_changed() -> None:
    """State is changed before the next record is decided, though nothing is written down yet."""

    def decide(_value: bytes, view: View) -> Outcome:
        count = int(view.get("count") or b"0") + 1
        return Outcome(events=[out(b"%d" % count)], puts={"count": b"%d" % count})

    run = await worked(ScriptHop(decide), *[b"x"] * 20)
    assert [record.value for record in run.records("out")] == [b"%d" % n for n in range(1, 21)]


async def test_what_cannot_be_written_changes_nothing_for_those_behind_it() -> None:
    """An event too large is a dead letter as a whole: its change of state is not seen by the next record."""

    def decide(value: bytes, view: View) -> Outcome:
        seen = view.get("seen") or b""
        return Outcome(events=[out(seen + (b"x" * 9_000 if value == b"large" else b""))], puts={"seen": seen + value})

    run = await worked(ScriptHop(decide), b"a", b"b", b"large", b"c", b"d")
    assert [record.value for record in run.records("out")] == [b"", b"a", b"ab", b"abc"]
    assert [record.value for record in run.records("in-dlq")] == [b"large"]


async def test_events_and_dead_letters_keep_the_order_of_their_records() -> None:
    """With state or without, good or bad: each stands where its record stood."""

    def decide(value: bytes, _view: View) -> Outcome:
        puts: dict[str, bytes | None] = {"k": value} if value.startswith(b"s") else {}
        return Outcome(events=[out(b"y" * 9_000 if value.startswith(b"bad") else value)], puts=puts)

    values = [b"1", b"s2", b"3", b"bad4", b"s5", b"6", b"bad7", b"s8", b"9"]
    run = await worked(ScriptHop(decide), *values)
    assert [record.value for record in run.records("out")] == [b"1", b"s2", b"3", b"s5", b"6", b"s8", b"9"]
    assert [record.value for record in run.records("in-dlq")] == [b"bad4", b"bad7"]
    entries = [entry["in"]["offset"] for entry in run.json("custody") if entry["kind"] == "tip.parked"]
    assert entries == ["3", "6"]


async def test_an_outage_in_the_middle_of_a_slice_loses_and_doubles_nothing() -> None:
    """Those before it are committed, it and those behind it are decided when the outside is back."""
    down = [True]

    def decide(value: bytes, _view: View) -> Outcome:
        if value == b"5" and down:
            down.clear()
            raise Unavailable("geodata")
        return Outcome(events=[out(value)])

    run = await worked(ScriptHop(decide), *[b"%d" % n for n in range(9)])
    assert [record.value for record in run.records("out")] == [b"%d" % n for n in range(9)]


async def test_a_run_of_records_that_cannot_be_written_stops_the_task() -> None:
    """Too large ones count as dead letters in a row, although each was decided without complaint."""
    hop = ScriptHop(lambda _value, _view: Outcome(events=[out(b"z" * 9_000)]))

    with pytest.raises(TooManyDeadLetters):
        await worked(hop, *[b"x"] * 10)


async def test_poison_between_good_ones_does_not_count_as_a_run() -> None:
    """The run is counted in the order of the records, not stage by stage."""

    def decide(value: bytes, _view: View) -> Outcome:
        if value == b"bad":
            raise Poison(DeadReason.INVALID_EVENT)
        return Outcome(events=[out(value)])

    run = await worked(ScriptHop(decide), *[b"good", b"bad"] * 5)
    assert len(run.records("out")) == len(run.records("in-dlq")) == 5


def test_the_pace_grows_while_records_fit_and_falls_at_once() -> None:
    """One record, then twice as many up to the most; a slow slice counts at once."""
    pace = Pace(10**12)
    counts = []
    for _ in range(8):
        counts.append(pace.count)
        pace.begin()
        pace.end(pace.count)
    assert counts == [1, 2, 4, 8, 16, 32, MOST, MOST]
    pace._slice_ns = 1
    pace.begin()
    pace.end(pace.count)
    assert pace.count == 1


@pytest.mark.parametrize(("untrusted", "kept"), [(True, {"vidare-via"}), (False, set())])
async def test_of_an_inbox_record_the_way_in_is_kept_until_it_is_counted(*, untrusted: bool, kept: set[str]) -> None:
    """Bodies and all other headers are let go of: what waits for its span must be small."""
    hop, recorder = ScriptHop(lambda *_: Outcome()), Keeping()
    hop.untrusted = untrusted
    async with MemoryRun(hop, tuning=LONG, recorder=recorder) as run:
        marked = [(h.CE_ID, str(uuid.uuid4()).encode()), (h.VIDARE_VIA, b"http"), ("x-large", b"x" * 1000)]
        await run.feed(Fed("in", b"a body", b"key", marked))
        await run.settle()

    (done,) = recorder.kept
    assert done.record is not None
    assert {name for name, _ in done.record.headers} == kept
    assert done.record.value is None


class Keeping(NoRecorder):
    """Keeps what was committed."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Processed] = []

    def committed(self, processed: Sequence[Processed]) -> None:
        """Keep it."""
        self.kept += processed
