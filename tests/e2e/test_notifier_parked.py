"""
A backlog for one dead agency: what it costs the process, and how fast it goes out when the agency is back.

20,000 referrals here, 100,000 under ``make long``. The process, broker and HTTP are
real; the agency's rate is one that an agency would agree to, so here it is seen
that the backlog moves at that rate, and on the simulated clock that all of it does.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from contracts.vocabulary import Priority
from services.chassis.hop import NAMESPACE, Effect, Outcome, Record
from services.cli.broker import LocalBroker
from services.notifier.attempt import AttemptEnd
from tests.support.mesh import ProcessMesh
from tests.support.notifier_fleet import Fleet, at_work
from tests.support.notifier_sim import SECOND, Machine, Play, referral_of
from tests.support.notifier_story import production
from tests.support.notifier_world import START, a_referral, an_agency
from tests.support.oracle import publish

FEW, MANY = 6_000, 100_000
LARGEST_MIB = 200.0
RATE = 3_000
"""Referrals a minute that the agency agreed to."""
WATCHED_S = 8.0
MINUTE = 60 * SECOND


@dataclass
class Jam:
    """A notifier and one agency that takes nothing yet."""

    mesh: ProcessMesh
    fleet: Fleet
    kafka: str

    def fill(self, count: int) -> None:
        """Route *count* referrals to the agency, and wait until the notifier has taken them all."""
        pattern = a_referral(1, destination="agency", priority=Priority.P3).model_dump_json(by_alias=True)
        old = (str(a_referral(1).referral_id), str(a_referral(1).tip_id))
        records = [("referrals-routed", _changed(pattern, old), _headers()) for _ in range(count)]
        publish(self.kafka, records, key=b"agency")
        reader = Consumer({"bootstrap.servers": self.kafka, "group.id": "notifier"})
        place, end = TopicPartition("referrals-routed", 0), time.monotonic() + 60 + count / 100
        while _taken(reader, place) < count:
            assert time.monotonic() < end, "the notifier does not keep up"
            time.sleep(0.2)
        reader.close()

    def mib(self, name: str) -> float:
        """A figure of ``/proc/<pid>/status`` of the notifier."""
        process = self.mesh.places[0].process
        assert process is not None
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def _taken(reader: Consumer, place: TopicPartition) -> int:
    """How far the notifier has committed; its group may not have a coordinator yet."""
    try:
        return int(reader.committed([place], timeout=20)[0].offset)
    except KafkaException:
        return 0


def _changed(pattern: str, old: tuple[str, str]) -> bytes:
    return pattern.replace(old[0], str(uuid4())).replace(old[1], str(uuid4())).encode()


def _urgent() -> bytes:
    event = a_referral(1, destination="agency", referral_id=uuid4(), tip_id=uuid4(), priority=Priority.P0)
    return event.model_dump_json(by_alias=True).encode()


def _headers() -> list[tuple[str, bytes]]:
    return [("ce_id", str(uuid4()).encode())]


@pytest.fixture
def jam(kafka_broker: LocalBroker, tmp_path: Path) -> Iterator[Jam]:
    """The agency answers 500 until it recovers."""
    with at_work(["agency"]) as fleet:
        fleet.trouble({"agency": "failing"})
        records = fleet.toml().replace("rate_per_minute = 6000", f"rate_per_minute = {RATE}")
        (tmp_path / "agencies.toml").write_text(records)
        extra = {"VIDARE_AGENCIES": str(tmp_path / "agencies.toml"), "VIDARE_ALLOW_LOOPBACK": "on"}
        mesh = ProcessMesh(
            kafka_broker.bootstrap, tmp_path / "home", partitions=1, extra=extra, hops=(("notifier", "hop"),)
        )
        mesh.start()
        try:
            yield Jam(mesh, fleet, kafka_broker.bootstrap)
        finally:
            mesh.stop()


def _costs_little_and_moves(jam: Jam, count: int) -> None:
    jam.fill(count)
    full = jam.mib("VmHWM")
    place = jam.mesh.places[0]
    jam.mesh.kill(place)
    end = time.monotonic() + 120
    while place.starts < 2:
        assert time.monotonic() < end, "the notifier was not started again"
        time.sleep(0.1)
    jam.fleet.recover()
    publish(jam.kafka, [("referrals-routed-urgent", _urgent(), _headers())], key=b"agency")
    while len(jam.fleet.arrived) < RATE / 5:  # what may go out at once is out, the probe first
        assert time.monotonic() < end + count / 500, "an agency that is back was not noticed"
        time.sleep(0.05)
    began, before = time.monotonic(), len(jam.fleet.arrived)
    time.sleep(WATCHED_S)  # what is measured is how many arrive in this time
    arrived, took = len(jam.fleet.arrived) - before, time.monotonic() - began
    restored = jam.mib("VmHWM")
    print(f"{count}: {full:.0f} MiB at most, {restored:.0f} MiB after a restart; {arrived / took * 60:.0f} a minute")

    assert max(full, restored) < LARGEST_MIB
    assert arrived <= RATE / 60 * took + RATE / 10 + 1  # the tenth of a minute that may go out at once
    assert arrived > 0, "it stands still; how fast it goes is told on a simulated clock, below"


@pytest.mark.timeout(600)
def test_parked_referrals_cost_little_and_never_leave_faster_than_agreed(jam: Jam) -> None:
    """Under 200 MiB, also after a restart from the store; never more than agreed."""
    _costs_little_and_moves(jam, FEW)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_parked_referrals_cost_no_more(jam: Jam) -> None:
    """Under 200 MiB: documents and rows lie in the store, the process holds what is under way."""
    _costs_little_and_moves(jam, MANY)


class Counting:
    """Looks on and counts."""

    def __init__(self) -> None:
        self.starts: list[int] = []

    def given(self, machine: Machine, record: Record) -> None:
        """A record; nothing to do."""

    def ended(self, machine: Machine, effect: Effect, end: AttemptEnd, asked: float | None) -> None:
        """An attempt; nothing to do."""

    def resumed(self, machine: Machine, effects: list[Effect]) -> None:
        """A new process; nothing to do."""

    def committed(self, machine: Machine, outcome: Outcome) -> None:
        """Note when attempts began."""
        self.starts += [machine.true] * len(outcome.effects)


def _drains(count: int, rate: int) -> None:
    back, got, watch = 2 * 60 * MINUTE, set[UUID](), Counting()

    def endpoint(effect: Effect, true: int, _now: object) -> Play:
        if true < back:
            return Play(AttemptEnd(fault="connect"), 0.01)
        got.add(referral_of(effect))
        return Play(AttemptEnd(status=202), 0.05)

    machine = Machine(production, endpoint, watch)
    machine.start({"hotline-nl": an_agency(rate_per_minute=rate, concurrency=16)})
    pattern = a_referral(1, priority=Priority.P3, acknowledge_by=START).model_dump_json(by_alias=True)
    old = (str(a_referral(1).referral_id), str(a_referral(1).tip_id))
    for number in range(count):
        body = pattern.replace(old[0], str(uuid5(NAMESPACE, f"{number}"))).replace(old[1], str(uuid4()))
        machine.feed("referrals-routed", body.encode())
    machine.run(back)
    assert not got
    tries = len(watch.starts)
    assert tries < 100, "an open breaker lets probes through, no more"
    machine.run(back + int(count / rate * 1.1 * MINUTE) + 6 * MINUTE)

    assert count == len(got)
    first, last = watch.starts[tries], watch.starts[-1]
    assert count / rate * 0.9 <= (last - first) / MINUTE <= count / rate * 1.1 + 5
    busiest = max(_in_a_minute(watch.starts[tries:]))
    assert busiest <= rate * 1.1 + 1


def _in_a_minute(moments: list[int]) -> Iterator[int]:
    begin = 0
    for number, moment in enumerate(moments):
        while moments[begin] <= moment - MINUTE:
            begin += 1
        yield number - begin + 1


@pytest.mark.timeout(300)
def test_a_backlog_goes_out_whole_at_the_agreed_rate() -> None:
    """5,000 referrals at 600 a minute on a simulated clock: every one, in count / rate minutes, no minute above it."""
    _drains(5_000, 600)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_go_out_whole_at_the_agreed_rate() -> None:
    """100,000 referrals at 6,000 a minute on a simulated clock."""
    _drains(MANY, 6_000)
