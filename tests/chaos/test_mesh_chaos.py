"""
Chaos over all hops on a real broker: kill -9, SIGSTOP, a join, a leave, slow handlers, bad records, a broker restart.

The oracle is set equality: every accepted tip ended or is parked, none lost, none doubled for a read_committed
reader, and progress all the time but for the broker's own restart.
"""

import json
import math
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.cli.broker import LocalBroker
from tests.chaos.slow import busy_file
from tests.support.mesh import ProcessMesh, Worker
from tests.support.oracle import Reader, Seen, doubled, publish, settled_members, topics_like

TIPS = int(os.environ.get("VIDARE_CHAOS_TIPS", "2000"))
FAULTS = int(os.environ.get("VIDARE_CHAOS_FAULTS", "24"))
SEED = int(os.environ.get("VIDARE_CHAOS_SEED", "20261122"))
STOP_SECONDS = 12.0
"""Longer than the session time-out of 10 s, so that the group gives the task to another worker."""
FAULT_SECONDS = 5.0
"""What a fault takes on average."""
PAUSE_SECONDS = 0.5
STALL_SECONDS = 25.0
PATIENCE_SECONDS = 180.0
RUN = uuid.uuid4().hex[:8]


def tip(index: int) -> bytes:
    """A tip on a target of its own that the home police must get; one in twenty is urgent."""
    body: dict[str, Any] = {
        "reference": f"C-{RUN}-{index}",
        "kind": "csam",
        "urls": [f"https://host{index}.{RUN}.example/page"],
        "assessment": {"status": "baseline"},
        "people": [{"role": "victim", "nationalities": ["SE"]}],
        "narrative": "neutral invented text",
    }
    if index % 20 == 0:
        body["signals"] = ["live_streaming"]
    return json.dumps(body).encode()


@dataclass
class Watch:
    """A concurrent read_committed reader that also notes how long nothing moved."""

    kafka: str
    tips: int
    seen: list[Seen] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    forgiven_until: float = 0.0
    fault: int = 0
    """Which fault is being done; tips come in as long as there are more."""
    _halt: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read status and agency topics until told to halt."""
        letters = [name for name in topics_like(self.kafka, "") if name.endswith("-dlq")]
        reader = Reader(self.kafka, ["tips-status-ecpat-se", *topics_like(self.kafka, "referrals-agency-"), *letters])
        last = time.monotonic()
        while not self._halt.is_set():
            fresh = list(reader.poll(0.3))
            now = time.monotonic()
            if fresh or now < self.forgiven_until:
                last = now
            elif now - last > STALL_SECONDS and not self.complete():
                self.stalls.append(now - last)
                last = now
            self.seen.extend(fresh)
        reader.close()

    def await_work(self) -> None:
        """Wait until something arrives, for some time: a fault in an idle mesh proves nothing."""
        before = len(self.seen)
        _await(lambda: len(self.seen) > before)

    def halt(self) -> None:
        """End the reader."""
        self._halt.set()

    def accepted(self) -> set[str]:
        """Tip ids that intake said it accepted."""
        found = (r.json() for r in list(self.seen) if r.topic.startswith("tips-status-"))
        return {s["tip_id"] for s in found if s["status"] == "accepted"}

    def referred(self) -> list[tuple[str, str, int]]:
        """(tip, destination, version) of every new referral in an agency's topic."""
        found = (r.json() for r in list(self.seen) if r.topic.startswith("referrals-agency-"))
        return [(r["tip_id"], r["destination"], r["version"]) for r in found if r["action"] == "new"]

    def parked(self) -> set[str]:
        """Tips in dead letters: in work at three ends in a row, by chance; an operator sends them on."""
        letters = (r.headers for r in list(self.seen) if r.topic.endswith("-dlq"))
        return {found["vidare-tip"].decode() for found in letters if "vidare-tip" in found}

    def complete(self) -> bool:
        """True when every published tip was accepted, and reached the police or is parked."""
        return len(self.accepted()) >= self.tips and not self.lost()

    def lost(self) -> set[str]:
        """Accepted tips that the police never got, and that are not parked either."""
        reached = {tip for tip, destination, _ in self.referred() if destination == "police-se"}
        return self.accepted() - reached - self.parked()


@dataclass(frozen=True)
class Ordeal:
    """How much a mesh has to bear."""

    tips: int
    faults: int
    service: str = ""
    """Whose processes are hurt; empty: everybody's."""

    @property
    def bunch(self) -> int:
        """Tips to publish every half second."""
        return max(1, round(self.tips / (self.faults * FAULT_SECONDS / PAUSE_SECONDS)))


FULL = Ordeal(TIPS, FAULTS)
ONLY_NOTIFIERS = Ordeal(2000, 24, "notifier")


@pytest.fixture
def mesh(kafka_broker: LocalBroker, tmp_path: Path) -> Iterator[ProcessMesh]:
    """Two workers per service on a broker that may be restarted; some decisions slowed down."""
    mesh = ProcessMesh(kafka_broker.bootstrap, tmp_path, workers=2, slow=True, extra={"VIDARE_LOG_LEVEL": "warning"})
    yield mesh
    mesh.stop()


def _await(is_so: Callable[[], bool]) -> None:
    """Wait for the moment to hurt, for some time."""
    end = time.monotonic() + STALL_SECONDS
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)


def publish_all(watch: Watch, ordeal: Ordeal, halt: threading.Event) -> None:
    """Publish all tips in small bunches over all faults, with a poison header and an oversize record among them."""
    for start in range(0, ordeal.tips, ordeal.bunch):
        while start * ordeal.faults > ordeal.tips * (watch.fault + 1):
            if halt.wait(PAUSE_SECONDS):
                return
        records: list[tuple[str, bytes | None, list[tuple[str, bytes]]]] = [
            ("tips-inbox-ecpat-se-urgent" if i % 20 == 0 else "tips-inbox-ecpat-se", tip(i), [])
            for i in range(start, min(ordeal.tips, start + ordeal.bunch))
        ]
        records.append(("tips-inbox-ecpat-se", b"x" * 600_000, [("traceparent", b"\xff\xfe")]))
        publish(watch.kafka, records)
        if halt.wait(PAUSE_SECONDS):
            return


def hurt(mesh: ProcessMesh, dice: random.Random, number: int, service: str) -> None:
    """
    One fault: two thirds kill -9, one third SIGSTOP in the middle of a decision, until others have its tasks.

    That is longer than the session time-out; a zombie that wakes before would find its tasks as it left them.
    """
    victim: Worker = dice.choice([place for place in mesh.places if service in {"", place.service}])
    if number % 3 == 2:
        busy = busy_file(mesh.home, victim.service, str(victim.number))
        busy.unlink(missing_ok=True)  # of a decision that a kill cut short
        _await(busy.exists)
        before = settled_members(mesh.kafka, victim.service)
        with mesh.frozen(victim):
            time.sleep(STOP_SECONDS)
            _await(lambda: bool(now := settled_members(mesh.kafka, victim.service)) and not (before and before <= now))
    else:
        mesh.kill(victim)
        time.sleep(dice.uniform(0.5, 3.0))


def endure(
    mesh: ProcessMesh, broker: LocalBroker, ordeal: Ordeal, *, enough: Callable[[Watch], bool] = lambda _: False
) -> Watch:
    """
    Run *mesh* through *ordeal* and tell what a reader saw.

    Kills and freezes, a join and a leave without a kill, one restart of the broker; then time for everything to
    arrive. Ends at once where *enough* was seen.
    """
    kafka, dice = broker.bootstrap, random.Random(SEED)
    watch, halt = Watch(kafka, ordeal.tips), threading.Event()
    mesh.start()
    reader = threading.Thread(target=watch.run, daemon=True)
    writer = threading.Thread(target=publish_all, args=(watch, ordeal, halt), daemon=True)
    reader.start()
    writer.start()

    for number in range(ordeal.faults):
        if enough(watch):
            break
        watch.fault = number
        watch.await_work()
        hurt(mesh, dice, number, ordeal.service)
        if number == ordeal.faults // 4:
            mesh.add("router", "hop", 9)
        if number == ordeal.faults // 2:
            watch.forgiven_until = math.inf
            broker.kill()
            broker.start()
            watch.forgiven_until = time.monotonic() + STALL_SECONDS
        if number == 3 * ordeal.faults // 4:
            mesh.leave(next(w for w in mesh.places if w.number == 9))
    watch.fault = ordeal.faults
    end = time.monotonic() + PATIENCE_SECONDS
    while not (watch.complete() or enough(watch)) and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(3)
    halt.set()
    writer.join(30)
    watch.halt()
    reader.join(30)
    return watch


@pytest.mark.timeout(7200)
def test_nothing_is_lost_or_doubled_under_faults(mesh: ProcessMesh, kafka_broker: LocalBroker) -> None:
    """
    set(accepted) = set(ended or parked), 0 lost, 0 doubled, no stall outside the broker's restart.
    """
    watch = endure(mesh, kafka_broker, FULL)

    assert len(watch.accepted()) == TIPS
    assert watch.lost() == set()
    assert doubled(watch.referred()) == {}
    assert watch.stalls == []
    assert len(watch.parked()) <= FAULTS / 50, "chance parks few"
    books = mesh.json("reconcile")
    assert books["unaccounted"] == []
    assert books["duplicates"] == 0
    assert books["accepted"] == TIPS == books["ended"] + books["parked"]


@pytest.mark.timeout(600)
def test_a_mesh_with_the_documented_loop_does_not_pass(mesh: ProcessMesh, kafka_broker: LocalBroker) -> None:
    """
    The same ordeal finds the loss or the doubling where the notifiers run the client's documented loop.
    """
    mesh.stand_ins["notifier"] = "tests.chaos.documented"

    watch = endure(mesh, kafka_broker, ONLY_NOTIFIERS, enough=lambda seen: bool(doubled(seen.referred())))

    assert watch.lost() or doubled(watch.referred())
    assert watch.referred(), "the loop worked until it was hurt"
