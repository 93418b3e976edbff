"""
Judges progress: a task with work before it that commits nothing for too long is stuck, whatever the group believes.

The lag is measured to the last stable offset as the broker tells it, so that a
reader that silently stopped is found too. A second eye, a thread, watches the
loop itself.
"""

import asyncio
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from services.chassis.broker.broker_port import Spot
from services.chassis.telemetry.lag import Wait
from services.chassis.telemetry.logs import logger

if TYPE_CHECKING:
    from services.chassis.running.runner import Runner
    from services.chassis.running.task import Task


class Stuck(Exception):
    """A task has work and makes no progress; the process must end."""


class Watchdog:
    """Looks every few seconds; `live` is what the liveness probe says."""

    def __init__(self, runner: "Runner") -> None:
        self._runner = runner
        self._job: asyncio.Task[None] | None = None
        self.live = True
        self.lag: dict[Spot, int] = {}
        """Records not worked yet, by partition, as of the last look."""
        self.waits: dict[Spot, Wait] = {}
        """How long the oldest of them has waited, as far as looking tells."""
        self._beat = time.monotonic()

    @property
    def patience_s(self) -> float:
        """Twice the transaction time-out."""
        return 2 * self._runner.tuning.transaction_ms / 1000

    def start(self) -> None:
        """Start looking."""
        self._job = asyncio.create_task(self._look_on(), name="watchdog")

    def guard_loop(self) -> None:
        """End the process if its loop stands still for longer than `patience_s`; for processes, not for tests."""
        self._beat = time.monotonic()
        threading.Thread(target=self._guard, name="loop guard", daemon=True).start()

    def _guard(self) -> None:
        while True:
            time.sleep(self._runner.tuning.watch_s)
            if time.monotonic() - self._beat > self.patience_s + self._runner.tuning.watch_s:
                sys.stderr.write('{"level":"error","event":"the loop stands still; ending the process","exit":75}\n')
                sys.stderr.flush()
                os._exit(75)

    async def _look_on(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(self._runner.tuning.watch_s)
            try:
                await self._look()
            except Stuck as error:
                self.live = False
                self._runner.failed(error)
            except Exception as error:  # noqa: BLE001 - not knowing is not being stuck
                logger().warning("the broker did not say how much is left", error=type(error).__name__)

    async def _look(self) -> None:
        self._forget()
        for name, task in list(self._runner.tasks.items()):
            if not task.ready:
                task.moved_at = time.monotonic()
                continue
            lag = await self._lag_of(task)
            still = time.monotonic() - task.moved_at
            if task.paused is not None or (not lag and not task.in_hand):
                task.moved_at = time.monotonic()
            elif still > self.patience_s and not self._held_back():
                raise Stuck(f"task {name} has made no progress for {still:.0f} s with {lag} records before it")

    async def _lag_of(self, task: "Task") -> int:
        spans = await self._runner.broker.spans(list(task.worked))
        lag = 0
        for spot, worked in task.worked.items():
            seen = self._runner.lanes.position(spot, urgent=task.urgent(spot)) or worked
            # Behind the last record there may be markers: what the reader has passed with nothing in hand is worked.
            left = self.lag[spot] = max(0, spans[spot].end - (worked if task.in_hand else max(worked, seen)))
            self.waits.setdefault(spot, Wait()).look(time.time(), worked, spans[spot].end, lag=left)
            lag += left
        return lag

    def _forget(self) -> None:
        """Partitions that others work now are theirs to tell of."""
        ours = {spot for task in self._runner.tasks.values() for spot in task.worked}
        for spot in self.lag.keys() - ours:
            del self.lag[spot]
            self.waits.pop(spot, None)

    def _held_back(self) -> bool:
        """True while urgent work of other tasks goes on: routine tasks then stand still on purpose."""
        newest = max(task.moved_at for task in self._runner.tasks.values())
        return self._runner.gate.closed and time.monotonic() - newest < self.patience_s

    def stop(self) -> None:
        """Stop looking."""
        if self._job is not None:
            self._job.cancel()
