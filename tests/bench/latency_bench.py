"""
Accepted-to-delivered latency of single tips through all hops, at rest and behind a routine backlog.

    python -m tests.bench.latency_bench --rate 50 --seconds 20
    python -m tests.bench.latency_bench --backlog 100000 --rate 1 --seconds 30

A tip's clock starts when a foreign client hands it to its producer and ends when a foreign read_committed reader
holds the referral of the home police.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from pathlib import Path

from confluent_kafka import Producer

from tests.support.mesh import ProcessMesh
from tests.support.oracle import Reader, publish


def tip(reference: str, *, urgent: bool) -> bytes:
    """A tip on a target of its own for the home police."""
    body: dict[str, object] = {
        "reference": reference,
        "kind": "csam",
        "urls": [f"https://{reference}.example/page"],
        "assessment": {"status": "baseline"},
        "people": [{"role": "victim", "nationalities": ["SE"]}],
        "narrative": "neutral invented text",
    }
    if urgent:
        body["signals"] = ["live_streaming"]
    return json.dumps(body).encode()


def paced(kafka: str, run: str, rate: float, count: int, *, urgent: bool) -> dict[str, float]:
    """Publish *count* tips at *rate* a second; returns when each was handed over."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0})
    started: dict[str, float] = {}
    topic = "tips-inbox-ecpat-se-urgent" if urgent else "tips-inbox-ecpat-se"
    begin = time.monotonic()
    for index in range(count):
        while (wait := begin + index / rate - time.monotonic()) > 0:
            producer.poll(min(wait, 0.01))
        reference = f"{run}-{index}"
        started[reference] = time.monotonic()
        producer.produce(topic, tip(reference, urgent=urgent))
        producer.poll(0)
    producer.flush(30)
    return started


class Arrivals(threading.Thread):
    """Notes when each tip's referral reached the police topic."""

    def __init__(self, kafka: str, run: str) -> None:
        super().__init__(daemon=True)
        self.reader = Reader(kafka, ["referrals-agency-police-se"])
        self.status = Reader(kafka, ["tips-status-ecpat-se"])
        self.run_id, self.halt = run, threading.Event()
        self.at: dict[str, float] = {}
        self.names: dict[str, str] = {}

    def run(self) -> None:
        """Read until told to halt."""
        while not self.halt.is_set():
            for record in self.reader.poll(0.02):
                self.at.setdefault(record.json()["tip_id"], time.monotonic())

    def resolve(self, seconds: float, wanted: int) -> dict[str, float]:
        """When each reference arrived, once the statuses told which tip it is."""
        end = time.monotonic() + seconds
        found: dict[str, float] = {}
        while len(found) < wanted and time.monotonic() < end:
            for record in self.status.poll(0.2):
                word = record.json()
                if word["status"] == "accepted" and str(word["reference"]).startswith(self.run_id + "-"):
                    self.names[word["tip_id"]] = word["reference"]
            found = {name: self.at[tip_id] for tip_id, name in self.names.items() if tip_id in self.at}
        return found


def main() -> None:
    """Run one measurement and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", default=os.environ.get("VIDARE_KAFKA"))
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--backlog", type=int, default=0)
    given = parser.parse_args()
    run = "l" + uuid.uuid4().hex[:8]
    mesh = ProcessMesh(given.kafka, Path(tempfile.mkdtemp(prefix="vidare-latency-")))
    mesh.start()
    try:
        warm = paced(given.kafka, run + "w", 20, 40, urgent=False)
        arrivals = Arrivals(given.kafka, run)
        arrivals.start()
        warmth = Arrivals(given.kafka, run + "w")
        warmth.start()
        warmth.resolve(60, len(warm))
        warmth.halt.set()
        if given.backlog:
            body: list[tuple[str, bytes | None, list[tuple[str, bytes]]]] = [
                ("tips-inbox-ncmec", tip(f"{run}b-{i}", urgent=False), []) for i in range(given.backlog)
            ]
            publish(given.kafka, body)
        count = int(given.rate * given.seconds)
        started = paced(given.kafka, run, given.rate, count, urgent=bool(given.backlog))
        found = arrivals.resolve(60, count)
        arrivals.halt.set()
        took = sorted((found[name] - began) * 1000 for name, began in started.items() if name in found)
        answer = {
            "rate": given.rate,
            "backlog": given.backlog,
            "tips": count,
            "arrived": len(took),
            "p50_ms": round(statistics.median(took), 1) if took else None,
            "p99_ms": round(took[int(len(took) * 0.99)], 1) if took else None,
            "max_ms": round(took[-1], 1) if took else None,
            "rss_mib": {w.name: resident(w.process.pid) for w in mesh.places if w.process},
        }
        print(json.dumps(answer, indent=1))
    finally:
        mesh.stop()


def resident(pid: int) -> float:
    """Resident memory of *pid* in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


if __name__ == "__main__":
    main()
