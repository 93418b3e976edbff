"""
The life of one task in this process: it starts, takes its turns, and ends when told to.

Any exception that comes out of its turns ends the process.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from services.chassis.broker.broker_port import Spot, TransactionFailed
from services.chassis.errors import Fenced, Misconfigured, Unavailable
from services.chassis.hop import TaskSpec
from services.chassis.running.effectlanes import EffectLanes
from services.chassis.running.inputs import Inputs
from services.chassis.running.runtime import Runtime
from services.chassis.running.startup import begin_offsets, check_row, open_store, restore
from services.chassis.running.turns import Turns
from services.chassis.store.state import Overlay
from services.chassis.store.timers import PREFIX
from services.chassis.telemetry.logs import logger

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Between two tries while a dependency is down."""
EVERYTHING = 1 << 30


class Task:
    """One task, from its assignment to its revocation."""

    def __init__(self, spec: TaskSpec, runtime: Runtime, counts: Mapping[str, int]) -> None:
        self.spec = spec
        self.ready = False
        self.idle = False
        self.paused: str | None = None
        """What is down, while the task waits for it."""
        self._rt = runtime
        self._counts = counts
        self._broken = False
        self._failures = 0
        self._inputs = Inputs(spec, runtime.lanes, runtime.gate)
        self._store = open_store(spec, runtime)
        self._turns = Turns(spec, runtime, self._inputs, self._store)
        effects = getattr(runtime.hop, "effects", None)
        self._effects = EffectLanes(effects, runtime.tuning.effect_lane, self._inputs.told, runtime.failed)
        self._job: asyncio.Task[None] | None = None

    # --- what others see of it --------------------------------------------------------------------------------------

    @property
    def worked(self) -> Mapping[Spot, int]:
        """Next offset of each input that is not committed."""
        return self._turns.worked

    @property
    def moved_at(self) -> float:
        """When it last committed, or was seen with nothing to do."""
        return self._turns.moved_at

    @moved_at.setter
    def moved_at(self, at: float) -> None:
        self._turns.moved_at = at

    @property
    def in_hand(self) -> bool:
        """True while inputs are worked; effects that run outside do not count."""
        return self._inputs.any() or not self.idle

    @property
    def busy(self) -> bool:
        """True while inputs are worked or effects run."""
        return self.in_hand or len(self._effects) > 0

    def urgent(self, spot: Spot) -> bool:
        """True if *spot* is of the urgent lane."""
        return self._inputs.urgent(spot)

    def overdue(self) -> bool:
        """True if a timer is due that has not fired."""
        due = self._turns.timers.next_due()
        return due is not None and due <= self._rt.now()

    def wake(self) -> None:
        """Look again (a clock was moved)."""
        self._inputs.wake.set()

    # --- its life ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start to live."""
        self._job = asyncio.create_task(self._live(), name=f"task {self.spec.id}")

    async def _live(self) -> None:
        try:
            await self._start()
            while not self._turns.ending:
                await self._step()
        except BaseException as error:
            if self._turns.ending and isinstance(error, asyncio.CancelledError):
                raise
            if not _blames_records(error):
                with suppress(OSError):  # whatever else is wrong, the runner must hear of the error itself
                    self._turns.crashes.done({})
            self._broken = True
            self._rt.failed(error)
        finally:
            self._inputs.release()
            self._rt.gate.leave_floor(self._turns)

    async def _start(self) -> None:
        broker, group, turns = self._rt.broker, self._rt.hop.name, self._turns
        await turns.producer.start()
        await restore(self.spec, self._store, broker)
        turns.first_changes = check_row(self.spec, self._store, self._counts)
        turns.worked = await begin_offsets(self.spec, broker, group)
        self._inputs.taken = dict(turns.worked)
        turns.timers.load(partial(self._store.scan, PREFIX, limit=EVERYTHING), self._rt.now())
        resume = getattr(self._rt.hop, "resume", None)
        if resume is not None:
            self._effects.start(resume(Overlay(self._store)))
        self.ready = True
        self.moved_at = time.monotonic()
        self._rt.lanes.own(self._inputs)
        self._rt.sweeper.consumed(turns.worked)
        logger().info("task ready", hop=group, task=self.spec.id)

    async def _step(self) -> None:
        """One transaction and what follows from it, or a wait for something to do."""
        done = await self._turns.turn()
        if done is None:
            await self._wait()
            return
        effects, down = done
        self._effects.start(effects)
        if down is not None:
            await self._pause(down)
            return
        self.paused, self._failures, self._inputs.held_back = None, 0, False

    async def _wait(self) -> None:
        """Until something is here, or the next timer is due."""
        self._inputs.release()
        self.idle = True
        due = self._turns.timers.next_due()
        await self._woken(None if due is None else max(0.0, (due - self._rt.now()).total_seconds()))
        self.idle = False
        self._inputs.wake.clear()

    async def _woken(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._inputs.wake.wait()

    async def _pause(self, error: Unavailable) -> None:
        """Hold nobody back while a dependency is down; what is in hand stays there."""
        self._inputs.held_back = True
        self._inputs.release()
        self._turns.crashes.done(self._turns.worked)
        pause = max(PAUSES_S[min(self._failures, len(PAUSES_S) - 1)], error.retry_after.total_seconds())
        self.paused, self._failures = error.what, self._failures + 1
        logger().warning("paused: something outside is down", task=self.spec.id, what=error.what, seconds=pause)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + pause
        while not self._turns.ending and (left := deadline - loop.time()) > 0:
            self._inputs.wake.clear()
            await self._woken(left)

    async def end(self, deadline_s: float) -> None:
        """
        Finish the running transaction and let everything go.

        Raises:
            TransactionFailed: It did not end in time.
        """
        self._turns.ending = self._inputs.held_back = True
        self._inputs.wake.set()
        self._rt.gate.nudge()
        job = self._job
        if job is not None:
            if not self.ready:
                job.cancel()
            await asyncio.wait([job], timeout=deadline_s)
            if not job.done():
                raise TransactionFailed(f"task {self.spec.id} did not end its transaction in {deadline_s} s")
        self._rt.lanes.drop(self._inputs)
        await self._effects.stop()
        producer = self._turns.producer
        await (producer.kill() if self._broken or not self.ready else producer.stop())
        self._store.close(clean=not self._broken)
        self._turns.crashes.close()


def _blames_records(error: BaseException) -> bool:
    """False where we know that the records in work did not end the process."""
    if isinstance(error, TransactionFailed):
        return error.by_records
    return not isinstance(error, Fenced | Misconfigured | OSError)
