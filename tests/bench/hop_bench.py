"""
One hop (geolocate), everything on, beside other systems doing the same work on the same records, in one run.

    python -m tests.bench.hop_bench --delete-topics --records 40000 --rounds 3 ours ours-spans-off bare streams bento

Records per second are counted between the first and the last append of the output topic; CPU is the process's own
after the first records came out (start-up left out for all alike). Compare ratios within a run, not across runs.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.bench.surroundings import machine, receiver
from tests.bench.tips import received_bytes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("VIDARE_CACHE", Path.home() / ".cache" / "vidare")) / "bench"
PARTITIONS = 4
SLOW_RECORDS = 8_000
"""For a system that does a thousand a second."""
MMDB = ROOT / "services" / "geolocate" / "data" / "ipfire.mmdb"


@dataclass(frozen=True)
class Figures:
    """What one run of one system cost."""

    per_second: float
    cpu_us: float
    rss_mib: float


def cpu_seconds(pid: int) -> float:
    """CPU time of *pid* and its children so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return total + sum(cpu_seconds(int(child)) for child in children)


def rss_mib(pid: int) -> float:
    """Resident memory of *pid* in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def fill(kafka: str, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    """Publish *records* evenly over the partitions, each with a trace context and a CloudEvents id."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20, "batch.size": 500_000})
    for index, (key, value) in enumerate(records):
        headers: list[tuple[str, str | bytes | None]] = [
            ("ce_id", str(uuid.uuid4()).encode()),
            ("ce_source", b"/vidare/intake"),
            ("ce_type", b"tip-received/1"),
            ("ce_specversion", b"1.0"),
            ("traceparent", f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01".encode()),
            ("vidare-accepted-at", b"2026-11-22T12:00:00.000Z"),
        ]
        while True:
            try:
                producer.produce(topic, value, key=key, partition=index % PARTITIONS, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()


def make_topics(kafka: str, names: list[str]) -> None:
    """Create *names* with four partitions and broker time stamps."""
    admin = AdminClient({"bootstrap.servers": kafka})
    config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "2097152"}
    for future in admin.create_topics([NewTopic(name, PARTITIONS, 1, config=config) for name in names]).values():
        future.result()


def measure(kafka: str, command: list[str], env: dict[str, str], target: str, count: int) -> Figures:
    """Start *command*, wait until *count* committed records lie in *target*, and say what it cost."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"count-{uuid.uuid4()}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([target])
    log = tempfile.NamedTemporaryFile("wb", prefix="bench-", suffix=".log", delete=False)  # noqa: SIM115
    process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True, cwd=ROOT)
    seen, first, last, end = 0, None, 0, time.monotonic() + 240
    warm, warm_cpu = 0, 0.0
    try:
        while seen < count and time.monotonic() < end and process.poll() is None:
            for record in consumer.consume(2000, 0.5):
                if record.error():
                    continue
                stamp = record.timestamp()[1]
                first = stamp if first is None else min(first, stamp)
                last, seen = max(last, stamp), seen + 1
            if warm == 0 and seen:
                warm, warm_cpu = seen, cpu_seconds(process.pid)
        used, resident = cpu_seconds(process.pid) - warm_cpu, rss_mib(process.pid) if process.poll() is None else 0.0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        consumer.close()
    if seen < count or first is None:
        raise RuntimeError(f"{command}: only {seen} of {count} came out; see {log.name}")
    return Figures(count / max(0.001, (last - first) / 1000), used / max(1, count - warm) * 1e6, resident)


class Bench:
    """The systems and how each is run; every run reads the same records."""

    def __init__(self, kafka: str, count: int, sink: str) -> None:
        self.kafka, self.count, self.sink = kafka, count, sink
        self.records = received_bytes(count)

    def peer(self, command: Callable[[str, str], list[str]], most: int | None = None) -> Figures:
        """Run a peer on topics of its own; a slow one with the first *most* records."""
        records = self.records[:most]
        run = uuid.uuid4().hex[:8]
        source, target = f"bench-in-{run}", f"bench-out-{run}"
        make_topics(self.kafka, [source, target])
        fill(self.kafka, source, records)
        env = os.environ | {
            "IN": source,
            "OUT": target,
            "KAFKA": self.kafka,
            "MMDB": str(MMDB),
            "PARTITIONS": str(PARTITIONS),
            "FASTSTREAM_CLI_COLORFUL_LOGS": "0",
        }
        return measure(self.kafka, command(source, target), env, target, len(records))

    def ours(self, *, spans: bool) -> Figures:
        """Run the geolocate hop itself, as `vidare up` starts it, on a mesh of its own topics."""
        home = tempfile.mkdtemp(prefix="vidare-bench-")
        env = os.environ | {
            "VIDARE_KAFKA": self.kafka,
            "VIDARE_HOME": home,
            "VIDARE_PARTITIONS": str(PARTITIONS),
            "VIDARE_OTLP": self.sink,
            "VIDARE_SPANS": "on" if spans else "off",
        }
        drop_mesh(self.kafka)  # records of an earlier run would be taken for this one's
        make_mesh(env)
        fill(self.kafka, "tips-received", self.records)
        try:
            return measure(
                self.kafka, [sys.executable, "-m", "services.geolocate", "hop"], env, "tips-located", self.count
            )
        finally:
            drop_mesh(self.kafka)

    def run(self, name: str) -> Figures:
        """Run the system *name* once."""
        python = sys.executable
        systems: dict[str, Callable[[], Figures]] = {
            "ours": lambda: self.ours(spans=True),
            "ours-spans-off": lambda: self.ours(spans=False),
            "bare": lambda: self.peer(lambda _s, _t: [python, str(HERE / "peers" / "bare.py")]),
            "faststream": lambda: self.peer(
                lambda _s, _t: [
                    str(CACHE / "faststream" / "bin" / "python"),
                    str(HERE / "peers" / "faststream_hop.py"),
                ],
                most=SLOW_RECORDS,
            ),
            "bento": lambda: self.peer(
                lambda _s, _t: [str(CACHE / "bento"), "-c", str(HERE / "peers" / "bento" / "hop.yaml")]
            ),
            "streams": lambda: self.peer(
                lambda source, target: [
                    "java",
                    "-Xmx1g",
                    "-cp",
                    f"{CACHE}/streams/classes:{CACHE}/streams/libs/*",
                    "peer.GeoHop",
                    source,
                    target,
                    str(MMDB),
                ]
            ),
        }
        return systems[name]()


def make_mesh(env: dict[str, str]) -> None:
    """Create the topics of the contract."""
    subprocess.run(
        [sys.executable, "-m", "services.cli", "topics", "apply"],
        env=env,
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def drop_mesh(kafka: str) -> None:
    """Delete the topics of the mesh, so that a run starts from nothing."""
    admin = AdminClient({"bootstrap.servers": kafka})
    names = [name for name in admin.list_topics().topics if not name.startswith(("__", "bench-"))]
    for future in admin.delete_topics(names).values() if names else ():
        future.result()
    for group in ("geolocate",):
        admin.delete_consumer_groups([group])[group].exception()
    while set(names) & set(admin.list_topics().topics):
        time.sleep(0.2)


def main() -> None:
    """Measure, and print medians and ratios to the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kafka", default=os.environ.get("VIDARE_KAFKA"))
    parser.add_argument("--sink", help="OTLP receiver; without it one is started")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--delete-topics", action="store_true", help="the broker is mine: every topic of the mesh on it may be deleted"
    )
    parser.add_argument("systems", nargs="+")
    given = parser.parse_args()
    if not given.delete_topics:
        parser.error("each run begins with fresh topics: give a broker of your own and say --delete-topics")
    where = machine()
    with nullcontext(given.sink) if given.sink else receiver() as sink:
        found = measured(Bench(given.kafka, given.records, sink), given.systems, given.rounds)
    print(report(found, as_json=given.json))
    print(f"\nMeasured on {where}; medians of {given.rounds}, {given.records:,} records.", file=sys.stderr)


def measured(bench: Bench, systems: list[str], rounds: int) -> dict[str, list[Figures]]:
    """Measure the named systems in turn, round by round."""
    found: dict[str, list[Figures]] = {name: [] for name in systems}
    for number in range(rounds):
        for name in systems:
            figures = bench.run(name)
            found[name].append(figures)
            print(
                f"round {number + 1} {name}: {figures.per_second:,.0f} records/s, {figures.cpu_us:.0f} us CPU, "
                f"{figures.rss_mib:.0f} MiB",
                file=sys.stderr,
                flush=True,
            )
    return found


def report(found: dict[str, list[Figures]], *, as_json: bool) -> str:
    """Medians per system and the ratio to ``bare``, as a table or JSON."""
    median = {
        name: Figures(
            statistics.median(f.per_second for f in runs),
            statistics.median(f.cpu_us for f in runs),
            statistics.median(f.rss_mib for f in runs),
        )
        for name, runs in found.items()
    }
    floor = median["bare"].per_second if "bare" in median else float("nan")
    if as_json:
        return json.dumps(
            {n: {**vars(f), "of_bare": round(f.per_second / floor, 3)} for n, f in median.items()}, indent=1
        )
    lines = ["| system | records/s | CPU us per record | MiB | of bare |", "|---|---|---|---|---|"]
    lines += [
        f"| {n} | {f.per_second:,.0f} | {f.cpu_us:.0f} | {f.rss_mib:.0f} | {f.per_second / floor:.2f} |"
        for n, f in median.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
