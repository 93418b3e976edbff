"""
Levels of a hop process, set every few seconds: tasks, lag, and what the hop itself tells of its stores.

A level that this process has no say in any more (another one works the task)
goes away. Nothing here fails the hop.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts import labels, telemetry
from contracts.telemetry import Metric
from contracts.vocabulary import DeadReason
from services.chassis.broker.broker_port import Spot
from services.chassis.store.state import Overlay
from services.chassis.telemetry.logs import logger
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.telemetry_port import Level

if TYPE_CHECKING:
    from services.chassis.running.runner import Runner
    from services.chassis.running.task import Task

EVERY_S = 5.0
SHARE = 0.02
"""Of the time, at most this is spent on reading stores: after a slow round the next one comes later."""
SLICE = 100
"""Levels that are read in one go: well under a millisecond."""

Found = dict[Metric, dict[tuple[str, ...], float]]


class Gauges:
    """Sets the levels of one runner's process."""

    def __init__(self, runner: "Runner", metrics: Metrics) -> None:
        self._runner = runner
        self._metrics = metrics
        self._hop = runner.hop
        self._counted = 0
        self._next_stores = 0.0
        self._complained = False
        self._told: set[Metric] = set()
        _known_from_the_start(runner, metrics)

    async def run(self) -> None:
        """Set them until cancelled."""
        while True:
            try:
                self.look()
                await self.look_back()
                if time.monotonic() >= self._next_stores:
                    await self.read_stores()
            except Exception as error:  # noqa: BLE001 - a task may end while its store is read; levels may never fail a hop
                self._complain(error)
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Set what is known without reading anything."""
        metrics, runner, hop = self._metrics, self._runner, self._hop.name
        states = dict.fromkeys(labels.TASK_STATES, 0)
        for task in runner.tasks.values():
            states[state_of(task)] += 1
        for state, count in states.items():
            metrics.level(telemetry.TASKS, count, hop=hop, state=state)
        metrics.count(telemetry.REBALANCES, runner.rebalances - self._counted, hop=hop)
        self._counted = runner.rebalances
        metrics.levels(telemetry.LAG, _by_topic(hop, telemetry.LAG, runner.watchdog.lag))

    async def look_back(self) -> None:
        """Set how long records have waited; those that were there before this process have to be asked themselves."""
        now, waited = time.time(), dict[Spot, float]()
        for spot, wait in list(self._runner.watchdog.waits.items()):
            if wait.lag and wait.since() is None:
                wait.read(now, await self._timestamp(spot, wait.worked))
            waited[spot] = max(0.0, now - (wait.since() or now)) if wait.lag else 0.0
        values = _by_topic(self._hop.name, telemetry.LAG_SECONDS, waited)
        self._metrics.levels(telemetry.LAG_SECONDS, values)

    async def _timestamp(self, spot: Spot, worked: int) -> float:
        """When the record at *worked* or the next one was written, as it says itself; now where there is none."""
        span = (await self._runner.broker.spans([spot]))[spot]
        # The task worked on meanwhile, and consumed records of an inbox are deleted: begin at what is there.
        reading = self._runner.broker.read_to(spot, max(worked, span.begin), span.end)
        try:
            async for records in reading:
                if records:
                    return records[0].timestamp_ms / 1000
        finally:
            await reading.aclose()  # type: ignore[attr-defined]
        return time.time()

    async def read_stores(self) -> None:
        """Set what the hop tells of its stores."""
        levels = getattr(self._hop, "levels", None)
        if levels is None:
            return
        began, found = time.monotonic(), Found()
        for name, task in list(self._runner.tasks.items()):
            if not task.ready:
                continue
            for number, level in enumerate(levels(Overlay(task._store), name, datetime.now(UTC))):  # noqa: SLF001 - reading only
                _add(found, level)
                if number % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
        self._set(found)
        self._next_stores = time.monotonic() + (time.monotonic() - began) / SHARE

    def _set(self, found: Found) -> None:
        for metric in self._told | found.keys():
            values = found.get(metric, {})
            if metric.type == "counter":
                for given in values:
                    self._metrics.count(metric, 0, **dict(zip(metric.labels, given, strict=True)))
            else:
                self._metrics.levels(metric, values)
        self._told |= found.keys()

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            logger().warning("levels could not be read", error=type(error).__name__)
        self._complained = True


def state_of(task: "Task") -> str:
    """Name what *task* does: it starts, is ready, or waits for something outside."""
    if not task.ready:
        return "starting"
    return "waiting" if task.paused else "ready"


def _by_topic(hop: str, metric: Metric, values: Mapping[Spot, float]) -> dict[tuple[str, ...], float]:
    found = Found()
    for spot, value in values.items():
        _add(found, Level(metric, (hop, telemetry.topic_template(spot.topic)), value))
    return found.get(metric, {})


def _add(found: Found, level: Level) -> None:
    values = found.setdefault(level.metric, {})
    before = values.get(level.labels)
    if before is None:
        values[level.labels] = level.value
    elif level.metric.unit in ("s", "state"):
        values[level.labels] = max(before, level.value)
    else:
        values[level.labels] = before + level.value


def _known_from_the_start(runner: "Runner", metrics: Metrics) -> None:
    hop = runner.hop
    if hop.untrusted:
        return
    for topic in {telemetry.topic_template(topic) for task in hop.tasks() for topic, _, _ in task.inputs}:
        for reason in DeadReason:
            metrics.count(telemetry.DEAD_LETTERS, 0, hop=hop.name, topic=topic, reason=reason.value)
