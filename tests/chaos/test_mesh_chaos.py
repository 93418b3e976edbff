"""
Chaos over all hops on a real broker: kill -9, SIGSTOP, a join, a leave, slow handlers, bad records, a broker restart.

The oracle is set equality: every accepted tip ended or is parked, none lost, none doubled for a read_committed
reader, and progress all the time but for the broker's own restart.
"""

import json
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.cli.broker import LocalBroker
from tests.support.mesh import ProcessMesh, Worker
from tests.support.oracle import Reader, Seen, doubled, publish, topics_like

TIPS = int(os.environ.get("VIDARE_CHAOS_TIPS", "2000"))
FAULTS = int(os.environ.get("VIDARE_CHAOS_FAULTS", "24"))
SEED = int(os.environ.get("VIDARE_CHAOS_SEED", "20261122"))
STOP_SECONDS = 12.0
"""Longer than the session time-out of 10 s, so that the group gives the task to another worker."""
STALL_SECONDS = 25.0
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
    seen: list[Seen] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    forgiven_until: float = 0.0
    _halt: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read status and agency topics until told to halt."""
        reader = Reader(self.kafka, ["tips-status-ecpat-se", *topics_like(self.kafka, "referrals-agency-")])
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

    def complete(self) -> bool:
        """True when every published tip was accepted and reached the police."""
        return len(self.accepted()) >= TIPS and len({t for t, d, _ in self.referred() if d == "police-se"}) >= TIPS


@pytest.fixture
def mesh(kafka_broker: LocalBroker, tmp_path: Path) -> Iterator[ProcessMesh]:
    """Two workers per service on a broker that may be restarted; some decisions slowed down."""
    mesh = ProcessMesh(kafka_broker.bootstrap, tmp_path, workers=2, slow=True, extra={"VIDARE_LOG_LEVEL": "warning"})
    mesh.start()
    yield mesh
    mesh.stop()


def publish_all(kafka: str, halt: threading.Event) -> None:
    """Publish all tips in small bunches over the run, with a poison header and an oversize record among them."""
    bunch = max(1, TIPS // 60)
    for start in range(0, TIPS, bunch):
        records: list[tuple[str, bytes | None, list[tuple[str, bytes]]]] = [
            ("tips-inbox-ecpat-se-urgent" if i % 20 == 0 else "tips-inbox-ecpat-se", tip(i), [])
            for i in range(start, min(TIPS, start + bunch))
        ]
        records.append(("tips-inbox-ecpat-se", b"x" * 600_000, [("traceparent", b"\xff\xfe")]))
        publish(kafka, records)
        if halt.wait(0.5):
            return


def hurt(mesh: ProcessMesh, dice: random.Random, number: int) -> None:
    """One fault: two thirds kill -9, one third SIGSTOP beyond the session time-out."""
    victim: Worker = dice.choice(mesh.places)
    if number % 3 == 2:
        with mesh.frozen(victim):
            time.sleep(STOP_SECONDS)
    else:
        mesh.kill(victim)
        time.sleep(dice.uniform(0.5, 3.0))


@pytest.mark.timeout(3600)
def test_nothing_is_lost_or_doubled_under_faults(mesh: ProcessMesh, kafka_broker: LocalBroker) -> None:
    """
    set(accepted) = set(ended or parked), 0 lost, 0 doubled, no stall outside the broker's restart.
    """
    kafka, dice = kafka_broker.bootstrap, random.Random(SEED)
    watch, halt = Watch(kafka), threading.Event()
    reader = threading.Thread(target=watch.run, daemon=True)
    writer = threading.Thread(target=publish_all, args=(kafka, halt), daemon=True)
    reader.start()
    writer.start()

    for number in range(FAULTS):
        hurt(mesh, dice, number)
        if number == FAULTS // 4:
            mesh.add("router", "hop", 9)
        if number == FAULTS // 2:
            watch.forgiven_until = time.monotonic() + 60
            kafka_broker.kill()
            kafka_broker.start()
        if number == 3 * FAULTS // 4:
            mesh.leave(next(w for w in mesh.places if w.number == 9))
    writer.join(300)
    end = time.monotonic() + 180
    while not watch.complete() and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(3)
    watch.halt()
    reader.join(30)

    referred = watch.referred()
    lost = watch.accepted() - {t for t, d, _ in referred if d == "police-se"}
    assert len(watch.accepted()) == TIPS
    assert lost == set()
    assert doubled(referred) == {}
    assert watch.stalls == []
    books = mesh.json("reconcile")
    assert books["unaccounted"] == []
    assert books["duplicates"] == 0
    assert books["accepted"] == TIPS == books["ended"] + books["parked"]
