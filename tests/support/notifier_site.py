"""
A notifier on a real broker that is started again whatever ends it, its agencies, and what was sent to them.

The oracle is other people's client (read_committed), the reference receiver's inbox
and the mailboxes of a real mail server: every referral has one place in the feed, one
effect at its agency, one entry that it came, one that it was delivered, and one for
each attempt.
"""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer

from contracts.vocabulary import Priority
from services.chassis.codec import partition_of
from tests.support.mail_office import Office, office
from tests.support.mesh import ProcessMesh, Worker
from tests.support.notifier_fleet import Fleet, at_work
from tests.support.notifier_world import a_referral
from tests.support.oracle import Reader

MODES = {"steady": "good", "stumbling": "failing once", "closing": "closing once"}
"""One takes everything, one may answer 500 at first, one may take it and close: timers and doubt for all."""
WEBHOOKS = ("steady", "stumbling", "closing", "stumbling")
"""The one of each partition."""
PARTITIONS = len(WEBHOOKS)
DESK, DAILY = "desk", "daily"
"""Of each partition: one is written to for each referral, one once a day."""
BEAT_S = 0.3
MOST_WAITING = 20
"""Referrals of one partition that may wait for a notifier before no more are sent there."""
ENOUGH = 6
"""Referrals that arrive before a notifier counts as working."""
WITHIN_S = 90.0


def name_of(kind: str, partition: int) -> str:
    """Id of the agency of this kind in *partition*."""
    return next(name for n in range(1000) if partition_of(name := f"{kind}-{n}", PARTITIONS) == partition)


@dataclass
class Site:
    """The machinery, and what was sent."""

    mesh: ProcessMesh
    fleet: Fleet
    office: Office
    kafka: str
    producer: Producer
    sent: dict[str, str] = field(default_factory=dict)
    """Referral id to agency."""
    entries: list[dict[str, Any]] = field(default_factory=list)
    """Every custody entry that was read."""
    digests: bool = False
    """Digests leave every few seconds, so there may be some."""
    _waves: int = 0

    @property
    def agencies(self) -> list[str]:
        """Whoever is sent to."""
        mails = (DESK, DAILY) if self.digests else (DESK,)
        return [name_of(kind, place) for place, hook in enumerate(WEBHOOKS) for kind in (hook, *mails)]

    @property
    def worker(self) -> Worker:
        """The place of the notifier."""
        return self.mesh.places[0]

    @property
    def arrived(self) -> set[str]:
        """Referrals that their agencies have."""
        return {*self.fleet.arrived, *self.office.arrived}

    def run(self, home: str, stand_in: str | None = None) -> None:
        """Have one notifier at work, from a home of its own; the one that is at work stays if it is the same."""
        if self.mesh.places and self.mesh.extra["VIDARE_HOME"].endswith(home):
            return
        for worker in list(self.mesh.places):
            self.mesh.leave(worker)
        self.mesh.extra["VIDARE_HOME"] = str(self.mesh.home / home)
        (self.mesh.home / home).mkdir()
        self.mesh.stand_ins = {"notifier": stand_in} if stand_in else {}
        self.mesh.add("notifier", "hop", 0)

    def refer(self, agency: str, priority: Priority = Priority.P3) -> None:
        """Write a routed referral as the router does."""
        tip = uuid4()
        event = a_referral(1, tip_id=tip, referral_id=uuid4(), destination=agency, priority=priority, group=tip.hex)
        topic = "referrals-routed-urgent" if priority.urgent else "referrals-routed"
        headers: list[tuple[str, str | bytes | None]] = [("ce_id", str(uuid4())), ("vidare-tip", str(tip))]
        place = partition_of(agency, PARTITIONS)
        self.producer.produce(topic, event.model_dump_json(by_alias=True), agency, partition=place, headers=headers)
        self.sent[str(event.referral_id)] = agency

    def beat(self) -> None:
        """One referral for each agency, many of them urgent, at the load's own pace; none where many wait."""
        arrived = self.arrived
        waiting = Counter(partition_of(to, PARTITIONS) for name, to in self.sent.items() if name not in arrived)
        self._waves += 1
        for number, agency in enumerate(self.agencies):
            if waiting[partition_of(agency, PARTITIONS)] < MOST_WAITING:
                self.refer(agency, self._priority(agency, number))
        self.producer.flush()
        time.sleep(BEAT_S)

    def _priority(self, agency: str, number: int) -> Priority:
        if agency.startswith(DAILY):
            return Priority.P4
        return Priority.P0 if (self._waves + number) % 2 == 0 else Priority.P3

    def work_until_started(self, starts: int) -> None:
        """Keep sending until the notifier has begun this often, and has delivered something since."""
        end = time.monotonic() + WITHIN_S
        while self.worker.starts < starts:
            assert time.monotonic() < end, f"the notifier began {self.worker.starts} times, not {starts}"
            self.beat()
        before = len(self.arrived)
        while len(self.arrived) < before + ENOUGH:
            assert time.monotonic() < end, "a notifier that was started again delivers nothing"
            self.beat()

    def signal(self, number: int, *, times: int = 1) -> int:
        """Send a signal to the running notifier and return the exit code."""
        process = self.worker.process
        assert process is not None
        for _ in range(times):
            os.kill(process.pid, number)
        return process.wait(60)

    def _told_of(self, referrals: set[str]) -> list[str]:
        """What the books say of these: for whoever reads the failure."""
        return [
            f"{self.sent[entry['tally']['referral']]} {entry['kind']} {entry['at']} {entry['tally'].get('reason')}"
            for entry in self.entries
            if entry["tally"].get("referral") in referrals
        ]

    def settled(self) -> dict[str, Counter[str]]:
        """Wait until every referral is delivered in the books; counts of the custody entries, by kind and referral."""
        self.entries.clear()
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


@contextmanager
def site(kafka: str, folder: Path) -> Iterator[Site]:
    """Agencies and topics; no notifier is at work yet."""
    webhooks = {name_of(kind, partition): MODES[kind] for partition, kind in enumerate(WEBHOOKS)}
    with at_work(webhooks) as fleet, office(folder) as mails:
        fleet.trouble(webhooks)
        records = [
            fleet.toml(("webhook", "topic")),
            mails.toml([name_of(DESK, partition) for partition in range(PARTITIONS)], digests=False),
            mails.toml([name_of(DAILY, partition) for partition in range(PARTITIONS)], digests=True),
        ]
        (folder / "agencies.toml").write_text("".join(records))
        extra = {
            "VIDARE_AGENCIES": str(folder / "agencies.toml"),
            "VIDARE_ALLOW_LOOPBACK": "on",
            "VIDARE_LINK_KEY": "0f" * 32,
        }
        mesh = ProcessMesh(kafka, folder / "home", partitions=PARTITIONS, extra=extra, hops=())
        mesh.start()
        try:
            yield Site(mesh, fleet, mails, kafka, Producer({"bootstrap.servers": kafka, "linger.ms": 1}))
        finally:
            mesh.stop()


def check(site: Site) -> None:
    """Each referral once in the feed and once at its agency; the books tell of every step, none twice."""
    found = site.settled()
    once = dict.fromkeys(site.sent, 1)
    assert once == dict(found["hop.queued"])
    assert once == dict(found["delivery.delivered"])
    assert found.keys() & {"tip.parked", "delivery.parked"} == set()
    _check_attempts(site)
    _check_webhooks(site)
    _check_mail(site)
    _check_feed(site)


def _check_attempts(site: Site) -> None:
    """Attempts are numbered without a gap, and no end of one is booked twice."""
    numbers: dict[str, list[int]] = {}
    for entry in _of(site, "delivery.attempted"):
        numbers.setdefault(entry["tally"]["referral"], []).append(entry["tally"]["attempt"])
    assert site.sent.keys() == numbers.keys()
    assert {name: list(range(1, len(each) + 1)) for name, each in numbers.items()} == numbers
    assert max(len(each) for each in numbers.values()) > 1, "no attempt failed, so no timer was proven"


def _of(site: Site, kind: str) -> Iterable[dict[str, Any]]:
    return (entry for entry in site.entries if entry["kind"] == kind)


def _check_webhooks(site: Site) -> None:
    """Who has a webhook has what was sent to it, each once."""
    for agency in site.fleet.servers:
        assert {name for name, to in site.sent.items() if to == agency} == site.fleet.booked(agency).keys()
    assert [] == site.fleet.inbox.alarms, "an id came again with another body"


def _check_mail(site: Site) -> None:
    """As a mailbox counts: one message for each referral, or the one digest that lists it; every copy says the same."""
    mailed = {name: to for name, to in site.sent.items() if to.startswith((DESK, DAILY))}
    assert mailed.keys() == site.office.named.keys()
    assert {} == {name: found for name, found in site.office.named.items() if len(found) != 1}, "told of twice"
    assert [] == site.office.changed, "a Message-ID came again and said something else"
    for name, to in mailed.items():
        (message,) = site.office.named[name]
        assert message.startswith("<digest-") if to.startswith(DAILY) else message == f"<{name}@vidare.example>"
        assert site.office.boxes[message] == f"{to}@agency.example"
    taken = Counter(
        entry["tally"]["referral"]
        for entry in _of(site, "delivery.attempted")
        if entry["tally"]["channel"] == "email" and entry["tally"]["reason"] == "smtp_250"
    )
    assert dict.fromkeys(mailed, 1) == dict(taken)


def _check_feed(site: Site) -> None:
    """What a read_committed reader of the feeds sees is what the custody log says was disclosed, byte for byte."""
    disclosed = {
        (each["event"], each["to"]): each["digest"]
        for entry in _of(site, "hop.queued")
        for each in entry["out"]
        if each.get("to")
    }
    reader = Reader(site.kafka, [f"referrals-agency-{agency}" for agency in {*site.sent.values()}])
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
