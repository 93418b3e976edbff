"""
E68, E79 and 91 on real machinery: the notifier is killed at every named step, told to stop, and cut off from its log.

Referrals keep coming meanwhile. The oracle is other people's client
(read_committed) and the reference receiver's inbox: every referral has one place
in the feed, one effect at its agency, one entry that it came, one that it was
delivered, and one for each attempt.
"""

import hashlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from contracts.vocabulary import Priority
from services.cli.broker import LocalBroker
from tests.chaos.killed_notifier import STEPS
from tests.support.mesh import ProcessMesh, Worker
from tests.support.notifier_fleet import Fleet, at_work
from tests.support.notifier_world import a_referral
from tests.support.oracle import Reader

AGENCIES = ("steady", "stumbling", "closing")
MODES = {"stumbling": "failing once", "closing": "closing once"}
"""One takes everything, one may answer 500 at first, one may take it and close: timers and doubt for all."""
BEAT_S = 0.4
MOST_WAITING = 30
ALL_STEPS_S = 300.0
WITHIN_S = 90.0


@dataclass
class Site:
    """A notifier that is started again whatever ends it, its agencies, and what was sent."""

    mesh: ProcessMesh
    fleet: Fleet
    kafka: str
    producer: Producer
    sent: dict[str, str] = field(default_factory=dict)
    """Referral id to agency."""
    entries: list[dict[str, Any]] = field(default_factory=list)
    """Every custody entry that was read."""

    @property
    def worker(self) -> Worker:
        """The place of the notifier."""
        return self.mesh.places[0]

    def refer(self, agency: str, priority: Priority = Priority.P3) -> None:
        """Write a routed referral as the router does."""
        tip = uuid4()
        event = a_referral(1, tip_id=tip, referral_id=uuid4(), destination=agency, priority=priority, group=tip.hex)
        topic = "referrals-routed-urgent" if priority.urgent else "referrals-routed"
        headers: list[tuple[str, str | bytes | None]] = [("ce_id", str(uuid4())), ("vidare-tip", str(tip))]
        self.producer.produce(topic, event.model_dump_json(by_alias=True), agency, partition=0, headers=headers)
        self.sent[str(event.referral_id)] = agency

    def beat(self) -> None:
        """One referral for each agency, every fourth an urgent one, at the load's own pace; none while many wait."""
        for agency in AGENCIES if len(self.sent) - len(self.fleet.arrived) < MOST_WAITING else ():
            self.refer(agency, Priority.P0 if len(self.sent) % 4 == 0 else Priority.P3)
        self.producer.flush()
        time.sleep(BEAT_S)

    def signal(self, number: int) -> int:
        """Send a signal to the running notifier and return the exit code."""
        process = self.worker.process
        assert process is not None
        os.kill(process.pid, number)
        return process.wait(60)

    def work_until_started(self, starts: int) -> None:
        """Keep sending until the notifier has begun this often, and has delivered something since."""
        end = time.monotonic() + WITHIN_S
        while self.worker.starts < starts:
            assert time.monotonic() < end, f"the notifier began {self.worker.starts} times, not {starts}"
            self.beat()
        before = len(self.fleet.arrived)
        while len(self.fleet.arrived) < before + 2 * len(AGENCIES):
            assert time.monotonic() < end, "a notifier that was started again delivers nothing"
            self.beat()

    def _told_of(self, referrals: set[str]) -> list[str]:
        """What the books say of these: for whoever reads the failure."""
        return [
            f"{self.sent[entry['tally']['referral']]} {entry['kind']} {entry['at']} {entry['tally'].get('reason')}"
            for entry in self.entries
            if entry["tally"].get("referral") in referrals
        ]

    def settled(self) -> dict[str, Counter[str]]:
        """Wait until every referral is delivered in the books; counts of the custody entries, by kind and referral."""
        reader = Reader(self.kafka, ["custody"])
        found: dict[str, Counter[str]] = {}
        end = time.monotonic() + WITHIN_S
        while not self.sent.keys() <= found.get("delivery.delivered", Counter()).keys():
            lost = self.sent.keys() - found.get("delivery.delivered", Counter()).keys()
            assert time.monotonic() < end, (
                f"{len(lost)} of {len(self.sent)} are not delivered: {self._told_of(lost)[:20]}"
            )
            for seen in reader.poll(0.5):
                entry = seen.json()
                found.setdefault(entry["kind"], Counter())[entry["tally"].get("referral", "")] += 1
                self.entries.append(entry)
        reader.close()
        return found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    """Its own broker."""
    made = LocalBroker(tmp_path / "kafka")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def site(request: pytest.FixtureRequest, broker: LocalBroker, tmp_path: Path) -> Iterator[Site]:
    """The notifier (or, by parameter, the one that kills itself) and three agencies."""
    with at_work(AGENCIES) as fleet:
        fleet.trouble(MODES)
        (tmp_path / "agencies.toml").write_text(fleet.toml(("webhook", "topic")))
        extra = {"VIDARE_AGENCIES": str(tmp_path / "agencies.toml"), "VIDARE_ALLOW_LOOPBACK": "on"}
        mesh = ProcessMesh(
            broker.bootstrap,
            tmp_path / "home",
            partitions=1,
            extra=extra,
            hops=(("notifier", "hop"),),
            stand_ins=getattr(request, "param", {}),
        )
        mesh.start()
        try:
            producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 1})
            yield Site(mesh, fleet, broker.bootstrap, producer)
        finally:
            mesh.stop()


def check(site: Site) -> None:
    """Each referral once in the feed and once at its agency; the books tell of every step, none twice."""
    found = site.settled()
    for agency in AGENCIES:
        assert {name for name, to in site.sent.items() if to == agency} == site.fleet.booked(agency).keys()
    assert [] == site.fleet.inbox.alarms, "an id came again with another body"
    once = dict.fromkeys(site.sent, 1)
    assert once == dict(found["hop.queued"])
    assert once == dict(found["delivery.delivered"])
    assert found.keys() & {"tip.parked", "delivery.parked"} == set()
    _check_attempts(site)
    _check_feed(site)


def _check_attempts(site: Site) -> None:
    """Attempts are numbered without a gap, and no end of one is booked twice."""
    numbers: dict[str, list[int]] = {}
    for entry in site.entries:
        if entry["kind"] == "delivery.attempted":
            numbers.setdefault(entry["tally"]["referral"], []).append(entry["tally"]["attempt"])
    assert site.sent.keys() == numbers.keys()
    assert {name: list(range(1, len(each) + 1)) for name, each in numbers.items()} == numbers
    assert max(len(each) for each in numbers.values()) > 1, "no attempt failed, so no timer was proven"


def _check_feed(site: Site) -> None:
    """What a read_committed reader of the feeds sees is what the custody log says was disclosed, byte for byte."""
    disclosed = {
        (each["event"], each["to"]): each["digest"]
        for entry in site.entries
        if entry["kind"] == "hop.queued"
        for each in entry["out"]
        if each.get("to")
    }
    reader = Reader(site.kafka, [f"referrals-agency-{agency}" for agency in AGENCIES])
    seen = reader.until(lambda found: len(found) >= len(site.sent), seconds=30)
    reader.close()
    fed = {
        (one.headers["ce_id"].decode(), one.topic.removeprefix("referrals-agency-")): one.value or b"" for one in seen
    }
    assert len(seen) == len(fed) == len(site.sent)
    assert disclosed == {
        name: f"sha-256:{hashlib.sha256(raw if isinstance(raw, bytes) else raw.encode()).hexdigest()}"
        for name, raw in fed.items()
    }


@pytest.mark.timeout(600)
@pytest.mark.parametrize("site", [{"notifier": "tests.chaos.killed_notifier"}], indirect=True)
def test_e68_killed_at_every_step_the_notifier_loses_and_doubles_nothing(site: Site) -> None:
    """E68: kill -9 at eighteen steps from poll to timer, while referrals come; one effect, one feed record each."""
    steps, end = site.mesh.home / "steps", time.monotonic() + ALL_STEPS_S
    while len(reached := steps.read_text().splitlines() if steps.exists() else []) < len(STEPS):
        assert time.monotonic() < end, f"only these steps were reached: {reached}"
        site.beat()
    site.work_until_started(len(STEPS) + 1)

    check(site)
    assert list(STEPS) == steps.read_text().splitlines()
    assert site.worker.starts == len(STEPS) + 1


@pytest.mark.timeout(300)
def test_t91_told_to_stop_in_the_middle_of_work_it_ends_clean_and_goes_on(site: Site) -> None:
    """91: SIGTERM, SIGTERM twice, SIGKILL while referrals come: exits 0, 0 and -9, and nothing is lost or doubled."""
    site.work_until_started(1)
    assert 0 == site.signal(signal.SIGTERM)
    site.work_until_started(2)
    process = site.worker.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    assert 0 == site.signal(signal.SIGTERM)
    site.work_until_started(3)
    assert -signal.SIGKILL == site.signal(signal.SIGKILL)
    site.work_until_started(4)

    check(site)


def _close_custody(site: Site, *, closed: bool) -> None:
    """Let the broker refuse everything for the custody topic (no record is young enough), or take it again."""
    oldest = "0" if closed else str(2**63 - 1)
    entry = ConfigEntry("message.timestamp.before.max.ms", oldest, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, "custody", incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": site.kafka})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


@pytest.mark.timeout(300)
def test_e79_while_the_custody_log_takes_nothing_no_referral_leaves(site: Site, broker: LocalBroker) -> None:
    """E79: neither webhook nor feed, P0 neither; the notifier ends and begins again; then each goes out once."""
    site.work_until_started(1)
    check(site)
    site.entries.clear()
    _close_custody(site, closed=True)
    before, calls = set(site.sent), dict(site.fleet.calls)
    for agency in AGENCIES:
        site.refer(agency, Priority.P0)
        site.refer(agency)
    site.producer.flush()
    began, end = site.worker.starts, time.monotonic() + WITHIN_S
    while site.worker.starts == began:
        assert time.monotonic() < end, "the notifier went on without its custody log"
        time.sleep(0.1)
    assert calls == site.fleet.calls
    reader = Reader(site.kafka, [f"referrals-agency-{agency}" for agency in AGENCIES])
    assert before == {one.json()["referral_id"] for one in reader.until(bool, seconds=30)}
    reader.close()
    _close_custody(site, closed=False)
    # The broker may have been refused its own mark of an aborted transaction, and tries that again only when it starts.
    broker.kill()
    broker.start()

    check(site)
