"""
Runs a hop on the in-memory twin of the broker: the runner of production, no network.

    results = await run_in_memory(hop, [Fed("tips-received", value=body, key=b"group", headers=[("ce_id", b"...")])])
    results.json("custody")
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from services.chassis.broker.broker_port import Out, Place, Spot
from services.chassis.broker.memory import MemoryBroker
from services.chassis.codec import epoch_ms
from services.chassis.hop import Hop, Record
from services.chassis.running.runner import Runner, utc_now
from services.chassis.running.runtime import Now
from services.chassis.running.tuning import Tuning
from services.chassis.telemetry.telemetry_port import Recorder

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Fed:
    """One record to put before a hop."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = 0


class MemoryRun:
    """A hop at work on a broker in memory; a context manager."""

    def __init__(  # noqa: PLR0913 - a run may set what a process is told from outside
        self, hop: Hop, *, now: Now = utc_now, broker: MemoryBroker | None = None, tuning: Tuning | None = None,
        recorder: Recorder | None = None, home: Path | None = None, partitions: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.hop = hop
        self.broker = broker or MemoryBroker(auto_partitions=1)
        self._now = now
        self._options: dict[str, Any] = {"now": now, "tuning": tuning, "recorder": recorder, "home": home}
        self._runner: Runner | None = None
        for topic, count in self._counts(hop, partitions or {}).items():
            if topic not in self.broker.topics:
                self.broker.create(topic, count)

    @staticmethod
    def _counts(hop: Hop, given: Mapping[str, int]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for task in hop.tasks():
            for topic, partition in [(t, p) for t, p, _ in task.inputs] + ([task.changelog] if task.changelog else []):
                counts[topic] = max(counts.get(topic, 0), partition + 1)
        return counts | dict(given)

    async def __aenter__(self) -> Self:
        """Start the hop."""
        self._runner = Runner(self.hop, self.broker, **self._options)
        await self._runner.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the hop."""
        await self.runner.stop()

    @property
    def runner(self) -> Runner:
        """The runner at work."""
        if self._runner is None:
            raise RuntimeError("use `async with MemoryRun(...)`")
        return self._runner

    async def feed(self, *records: Fed) -> list[Place]:
        """Put records before the hop; returns where they lie."""
        at = epoch_ms(self._now())
        return self.broker.append([Out(r.topic, r.partition, r.key, r.value, list(r.headers), at) for r in records])

    def tick(self) -> None:
        """Look at timers again, after the clock was moved."""
        for task in self.runner.tasks.values():
            task.wake()

    async def settle(self) -> None:
        """Wait until everything that was fed is committed and nothing is due; raises what ended the hop."""
        self.tick()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await asyncio.sleep(0.001)
                if self.runner.ended:
                    await self.runner.run()
                if self._settled():
                    return

    def _settled(self) -> bool:
        tasks = self.runner.tasks.values()
        return self.runner.ready and all(
            not task.busy and not task.overdue() and all(self._read(spot) for spot in task.worked) for task in tasks
        )

    def _read(self, spot: Spot) -> bool:
        log = self.broker.log(spot)
        at = self.runner.tasks_of(spot).worked[spot]
        return not any(row is not None for row in log.rows[at:])

    def records(self, topic: str) -> list[Record]:
        """Records of *topic*."""
        return self.broker.records(topic)

    def json(self, topic: str) -> list[dict[str, Any]]:
        """Bodies of the records of *topic*."""
        return [orjson.loads(record.value or b"null") for record in self.broker.records(topic)]

    def topics(self) -> list[str]:
        """Topics that have records."""
        return [topic for topic in self.broker.topics if self.broker.records(topic)]


async def run_in_memory(hop: Hop, records: Sequence[Fed], **options: Any) -> MemoryRun:  # noqa: ANN401 - as MemoryRun's
    """Run *hop* over *records* until nothing is left to do; the result answers `records`, `json` and `topics`."""
    async with MemoryRun(hop, **options) as run:
        await run.feed(*records)
        await run.settle()
    return run
