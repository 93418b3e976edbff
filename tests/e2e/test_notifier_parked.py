"""
A backlog for one dead agency: what it costs the process, how fast it goes when the agency is back, and that all does.

6,000 referrals here, 100,000 under ``make long``. The process, broker and HTTP are
real. The agency's own rate is watched first, after a restart from the topics alone;
then it agrees to more, and every referral must come. How long the whole takes at the
agreed rate is seen on a simulated clock.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from contracts.vocabulary import Priority
from services.chassis.hop import NAMESPACE, Effect, Outcome, Record
from services.cli.broker import LocalBroker
from services.notifier.delivering.attempt import AttemptEnd
from services.notifier.delivering.breaker import OPENS_AFTER
from tests.support.mesh import ProcessMesh
from tests.support.notifier_fleet import Fleet, at_work
from tests.support.notifier_sim import SECOND, Machine, Play, referral_of
from tests.support.notifier_story import production
from tests.support.notifier_world import START, a_referral, an_agency
from tests.support.oracle import Reader, publish

FEW, MANY = 6_000, 100_000
LARGEST_MIB = 200.0
RATE, MORE = 600, 600_000
"""Referrals a minute that the agency agreed to, and what it agrees to in the end: as fast as it goes."""
WATCHED_S = 5.0
STUMBLES = 40
MINUTE = 60 * SECOND


@dataclass
class Jam:
    """A notifier, one agency that takes nothing yet, and one that may answer 500 at first."""

    mesh: ProcessMesh
    fleet: Fleet
    kafka: str
    records: Path
    """The onboarding records."""
    sent: dict[str, str] = field(default_factory=dict)
    """Referral id to agency."""
    told: list[dict[str, Any]] = field(default_factory=list)
    """What was recorded of deliveries."""

    def refer(self, agency: str, count: int, priority: Priority = Priority.P3) -> list[str]:
        """Route *count* referrals to *agency*; returns their ids."""
        pattern = a_referral(1, destination=agency, priority=priority).model_dump_json(by_alias=True)
        old = (str(a_referral(1).referral_id), str(a_referral(1).tip_id))
        names = [str(uuid4()) for _ in range(count)]
        topic = "referrals-routed-urgent" if priority.urgent else "referrals-routed"
        bodies = [pattern.replace(old[0], name).replace(old[1], str(uuid4())).encode() for name in names]
        publish(self.kafka, [(topic, body, [("ce_id", str(uuid4()).encode())]) for body in bodies], key=agency.encode())
        self.sent |= dict.fromkeys(names, agency)
        return names

    def fill(self, count: int) -> None:
        """Route *count* referrals to the dead agency, and wait until the notifier has taken them all."""
        self.refer("agency", count)
        reader = Consumer({"bootstrap.servers": self.kafka, "group.id": "notifier"})
        place = TopicPartition("referrals-routed", 0)
        wait_until(lambda: _taken(reader, place) >= count, "the notifier does not keep up", 60 + count / 100)
        reader.close()

    def follow(self, reader: Reader, whose: str, word: str, complaint: str) -> None:
        """Read what was recorded of deliveries until *word* is said of a referral, or of one of an agency."""
        end = time.monotonic() + 60
        while not any(
            whose in (one["referral_id"], one["destination"]) and word in (one["what"], one.get("reason"))
            for one in self.told
        ):
            assert time.monotonic() < end, complaint
            self.told += [one.json() for one in reader.poll(0.5)]

    def restart(self, *, lose_store: bool) -> float:
        """``kill -9``, and begin again from the store or from the topics alone; MiB that the old one had at most."""
        worker = self.mesh.places[0]
        most, starts = self.mib("VmHWM"), worker.starts
        worker.wanted = False
        self.mesh.kill(worker)
        assert worker.process is not None
        worker.process.wait(30)
        if lose_store:
            shutil.rmtree(self.mesh.home / "state")
        worker.wanted = True
        wait_until(lambda: worker.starts > starts, "the notifier was not started again")
        return most

    def agree(self, rate: int) -> None:
        """Write the records: the agency takes this many a minute from the next start on."""
        self.records.write_text(self.fleet.toml().replace("rate_per_minute = 6000", f"rate_per_minute = {rate}", 1))

    def mib(self, name: str) -> float:
        """A figure of ``/proc/<pid>/status`` of the notifier."""
        process = self.mesh.places[0].process
        assert process is not None
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))

    @property
    def came(self) -> int:
        """Referrals that the agency has."""
        return sum(self.sent[name] == "agency" for name in list(self.fleet.arrived))


def wait_until(condition: Callable[[], bool], complaint: str, seconds: float = 120.0) -> None:
    """Wait for *condition*."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(0.1)


def _taken(reader: Consumer, place: TopicPartition) -> int:
    """How far the notifier has committed; its group may not have a coordinator yet."""
    try:
        return int(reader.committed([place], timeout=20)[0].offset)
    except KafkaException:
        return 0


@pytest.fixture
def jam(kafka_broker: LocalBroker, tmp_path: Path) -> Iterator[Jam]:
    """The agency answers 500 until it recovers."""
    with at_work(["agency", "stumbling"]) as fleet:
        fleet.trouble({"agency": "failing", "stumbling": "failing once"})
        records = tmp_path / "agencies.toml"
        extra = {"VIDARE_AGENCIES": str(records), "VIDARE_ALLOW_LOOPBACK": "on"}
        mesh = ProcessMesh(
            kafka_broker.bootstrap, tmp_path / "home", partitions=1, extra=extra, hops=(("notifier", "hop"),)
        )
        made = Jam(mesh, fleet, kafka_broker.bootstrap, records)
        made.agree(RATE)
        mesh.start()
        try:
            yield made
        finally:
            mesh.stop()


def _costs_little_and_moves(jam: Jam, count: int) -> None:
    reader = Reader(jam.kafka, ["deliveries"])
    jam.fill(count)
    _probed_and_not_counted(jam, reader)
    _some_wait_for_a_timer(jam, reader)
    reader.close()

    mib = [jam.restart(lose_store=True)]
    jam.fleet.recover()
    jam.refer("agency", 1, Priority.P0)
    wait_until(lambda: jam.came > 1, "an agency that is back was not noticed", 120 + count / 500)
    began, before = time.monotonic(), jam.came
    time.sleep(WATCHED_S)  # what is measured is how many arrive in this time
    arrived, took = jam.came - before, time.monotonic() - began
    jam.agree(MORE)
    mib.append(jam.restart(lose_store=False))
    wait_until(lambda: jam.sent.keys() <= jam.fleet.arrived.keys(), "a referral never arrived", 120 + count / 20)
    mib.append(jam.mib("VmHWM"))
    print(f"{count}: {mib} MiB at most, restarted from topics, from the store; {arrived / took * 60:.0f} a minute")

    assert max(mib) < LARGEST_MIB
    assert 0 < arrived <= RATE / 60 * took + RATE / 10 + 1  # the tenth of a minute that may go out at once
    for agency in ("agency", "stumbling"):
        assert {name for name, to in jam.sent.items() if to == agency} == jam.fleet.booked(agency).keys()
    assert [] == jam.fleet.inbox.alarms


def _probed_and_not_counted(jam: Jam, reader: Reader) -> None:
    """A P0 is offered to the dead agency at once, and that does not count: only what opened the breaker did."""
    (probe,) = jam.refer("agency", 1, Priority.P0)
    jam.follow(reader, probe, "attempted", "a P0 was not offered")
    counted = [one for one in jam.told if one["what"] == "attempted" and one.get("next_at")]
    assert [("agency", "http_500")] * OPENS_AFTER == [(one["destination"], one["reason"]) for one in counted]


def _some_wait_for_a_timer(jam: Jam, reader: Reader) -> None:
    """Of another agency's referrals some were refused a moment ago: only a timer brings them back."""
    jam.refer("stumbling", STUMBLES)
    jam.follow(reader, "stumbling", "http_500", "nobody stumbled")


@pytest.mark.timeout(600)
def test_parked_referrals_cost_little_leave_no_faster_than_agreed_and_all_arrive(jam: Jam) -> None:
    """Under 200 MiB, also after restarts from topics and from the store; never more than agreed; none is left out."""
    _costs_little_and_moves(jam, FEW)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_parked_referrals_cost_no_more(jam: Jam) -> None:
    """Under 200 MiB: documents and rows lie in the store, the process holds what is under way; all of them arrive."""
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
