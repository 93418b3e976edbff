"""The gate, the crash log, the limits of dead letters, sizes, health."""

import asyncio
from pathlib import Path

import pytest

from contracts.topics import all_topics
from services.chassis.broker.broker_port import Spot
from services.chassis.running.crashes import FEW, CrashLog
from services.chassis.running.deadlimits import DeadLimits, TooManyDeadLetters
from services.chassis.running.gate import Gate
from services.chassis.running.health import Health, HealthServer
from services.chassis.running.tuning import RECORD_OVERHEAD, Tuning, limit_of

SPOT = Spot("in", 0)


async def test_e17_routine_work_waits_while_urgent_work_is_open() -> None:
    """Routine passes only when the last urgent piece has ended."""
    gate = Gate()
    gate.close()
    gate.close()
    routine = asyncio.create_task(gate.routine("a", lambda: False))
    for _ in range(5):
        await asyncio.sleep(0)
    gate.open()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not routine.done()

    gate.open()
    await asyncio.wait_for(routine, 1)
    assert not gate.closed


async def test_whoever_holds_the_gate_does_not_wait_for_itself() -> None:
    """A task that gets urgent work while it waits is let through at once."""
    gate, mine = Gate(), [False]
    gate.close()
    waiting = asyncio.create_task(gate.routine("a", lambda: mine[0]))
    await asyncio.sleep(0)
    mine[0] = True
    gate.close()

    await asyncio.wait_for(waiting, 1)


async def test_the_floor_is_for_one_and_those_who_wait_longest_come_first() -> None:
    """Routine tasks decide one after the other, in the order in which they asked."""
    gate = Gate()
    await gate.routine("a", lambda: False)
    await gate.routine("a", lambda: False)
    came: list[str] = []

    async def ask(who: str) -> None:
        await gate.routine(who, lambda: False)
        came.append(who)
        gate.leave_floor(who)

    asked = [asyncio.create_task(ask(who)) for who in ("b", "c", "d")]
    for _ in range(5):
        await asyncio.sleep(0)
    assert came == []
    gate.leave_floor("a")
    await asyncio.wait_for(asyncio.gather(*asked), 1)

    assert came == ["b", "c", "d"]


def crash_at(path: Path, *worked: int) -> CrashLog:
    """A process that died while *worked* was in one batch; the log the next one finds."""
    log = CrashLog(path, limit=3)
    for offset in worked:
        log.enter(SPOT, worked[0], offset, worked[-1])
    return CrashLog(path, limit=3)


def test_a_record_is_condemned_after_three_ends(tmp_path: Path) -> None:
    """Once: a few at a time. Twice: one by one. Three times: the record is dead-lettered alone, no other."""
    path = tmp_path / "c.json"
    once = crash_at(path, 5, 6, 7)
    assert (once.most(SPOT, 5), once.most(SPOT, 7), once.most(SPOT, 8)) == (FEW, FEW, None)
    twice = crash_at(path, 6, 7, 8)
    assert (twice.most(SPOT, 6), twice.most(SPOT, 8), twice.most(SPOT, 9)) == (1, 1, None)
    thrice = crash_at(path, 7)
    assert [thrice.condemned(SPOT, offset) for offset in (6, 7, 8)] == [False, True, False]

    thrice.spare(SPOT)
    assert not thrice.condemned(SPOT, 7)


def test_ends_at_other_places_condemn_nobody(tmp_path: Path) -> None:
    """A worker that is killed from outside again and again is at other records each time."""
    path = tmp_path / "c.json"
    for first in range(0, 5_000, 250):
        log = crash_at(path, first, first + 1)

        assert not log.condemned(SPOT, first)
        assert log.most(SPOT, first) == FEW


def test_ends_among_neighbours_condemn_nobody(tmp_path: Path) -> None:
    """A few records at a time come to a slow worker: what it had never seen at one end is not suspected at the next."""
    path = tmp_path / "c.json"
    for first in range(0, 12, 4):
        log = crash_at(path, first, first + 1, first + 3)

        assert (log.most(SPOT, first), log.most(SPOT, first + 4)) == (FEW, None)


def test_what_was_committed_after_an_end_is_innocent(tmp_path: Path) -> None:
    """Suspicion falls on what is still to be committed, and only on that."""
    path = tmp_path / "c.json"
    log = crash_at(path, 5, 6, 7, 8)
    log.enter(SPOT, 5, 5, 5)
    log.done({SPOT: 7})
    again = crash_at(path, 4, 6)  # worked anew from before: the changelog was lost

    assert again.most(SPOT, 6) == FEW


def test_what_was_taken_together_is_noted_once(tmp_path: Path) -> None:
    """Offsets have gaps; a record far behind the first is in the note, and those before it need no new one."""
    path = tmp_path / "c.json"
    log = CrashLog(path, limit=3)
    log.enter(SPOT, 0, 0, 5_100)
    noted = path.read_bytes()
    log.enter(SPOT, 0, 5_000, 5_100)

    assert path.read_bytes() == noted
    assert CrashLog(path, limit=3).most(SPOT, 5_100) == FEW


def test_progress_clears_a_suspicion(tmp_path: Path) -> None:
    """A batch that was committed, or an end that had another cause, counts for nothing."""
    path = tmp_path / "c.json"
    log = crash_at(path, 5)
    log.enter(SPOT, 5, 5, 5)
    log.done({SPOT: 6})
    again = crash_at(path, 6)
    again.enter(SPOT, 6, 6, 6)
    again.done({})

    assert CrashLog(path, limit=3).most(SPOT, 6) == FEW


def test_a_broken_crash_file_suspects_nobody(tmp_path: Path) -> None:
    """What cannot be read is no evidence."""
    path = tmp_path / "c.json"
    path.write_bytes(b"\x00nonsense")

    assert not CrashLog(path, limit=3).condemned(SPOT, 0)


def test_a_run_of_dead_letters_stops_the_task_and_a_restart_is_no_way_around(tmp_path: Path) -> None:
    """Fifty in a row are a bad deploy; after a restart the next bad one stops it again, a good one ends the run."""
    path = tmp_path / "d.json"
    limits = DeadLimits(path, share=0.5, window=200, run=50)
    for _ in range(49):
        limits.bad()
    with pytest.raises(TooManyDeadLetters):
        limits.bad()
    with pytest.raises(TooManyDeadLetters):
        DeadLimits(path, share=0.5, window=200, run=50).bad()

    fixed = DeadLimits(path, share=0.5, window=200, run=50)
    fixed.good()
    fixed.bad()


def test_more_than_half_dead_of_the_last_two_hundred_stops_the_task() -> None:
    """A share counts only over a full window; exactly half is allowed."""
    limits = DeadLimits(None, share=0.5, window=200, run=50)
    for _ in range(100):
        limits.good()
        limits.bad()
    limits.good()
    limits.bad()
    with pytest.raises(TooManyDeadLetters):
        limits.bad()


def test_every_topic_of_the_contract_has_its_limit() -> None:
    """The largest record is what the contract says, for topics that exist once and for those of parties."""
    for topic in all_topics(["ecpat-se"], ["hotline-nl"]):
        assert limit_of(topic.name, Tuning()) == topic.max_message_bytes - RECORD_OVERHEAD


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (("GET", "/live"), 200),
        (("GET", "/ready"), 503),
        (("GET", "/metrics?x"), 200),
        (("GET", "/"), 404),
        (("POST", "/live"), 405),
    ],
)
def test_a_process_answers_its_probes(request_: tuple[str, str], status: int) -> None:
    """Live but not ready yet; metrics; nothing else."""
    server = HealthServer(lambda: Health(live=True, ready=False, body={"tasks": {}}), lambda: b"metrics")

    answer = server.answer(*request_)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (request_ != ("GET", "/live")) or answer.endswith(b'\r\n\r\n{"live":true}')
