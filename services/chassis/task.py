"""
One task: starts, works its inputs transaction by transaction, and ends when told to.

Urgent records first; routine ones in slices, each behind the process's gate.
Any exception out of `live` ends the process.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from services.chassis.broker_port import Out, Spot, TransactionFailed
from services.chassis.codec import epoch_ms
from services.chassis.crashes import CrashLog
from services.chassis.deadlimits import DeadLimits
from services.chassis.deciding import Decider
from services.chassis.draft import Draft
from services.chassis.effectlanes import EffectLanes
from services.chassis.errors import Fenced, Misconfigured, Unavailable
from services.chassis.hop import Record, TaskSpec, Told
from services.chassis.logs import logger
from services.chassis.runtime import Runtime
from services.chassis.startup import begin_offsets, check_row, open_store, restore
from services.chassis.state import Overlay
from services.chassis.sweeping import Sweeper
from services.chassis.timers import PREFIX, Timers

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Between two tries while a dependency is down."""
EVERYTHING = 1 << 30


class Task:
    """The work of one task in this process."""

    def __init__(self, spec: TaskSpec, runtime: Runtime, counts: Mapping[str, int], sweeper: Sweeper) -> None:
        tuning = runtime.tuning
        self.spec = spec
        self.ready = False
        self.idle = False
        self.paused: str | None = None
        """What is down, while the task waits for it."""
        self.moved_at = time.monotonic()
        self.taken: dict[Spot, int] = {}
        """Next offset of each input that is not in hand."""
        self.worked: dict[Spot, int] = {}
        """Next offset of each input that is not committed."""
        self._rt = runtime
        self._counts = counts
        self._sweeper = sweeper
        self._urgent = {Spot(t, p): urgent for t, p, urgent in spec.inputs}
        self._hand: dict[bool, deque[Record]] = {True: deque(), False: deque()}
        self._tolds: deque[Told] = deque()
        self._timers = Timers()
        self._wake = asyncio.Event()
        self._here: dict[bool, bool] = {True: False, False: False}
        self._holds_gate = False
        self._stopping = False
        self._broken = False
        self._small_last = False
        self._failures = 0
        self._first_changes: dict[str, bytes | None] = {}
        self._crashes = CrashLog(
            runtime.file("crashes", f"{spec.id}.json"), limit=tuning.crashes, span=tuning.batch_records
        )
        self._limits = DeadLimits(
            runtime.file("crashes", f"{spec.id}.dead.json"),
            share=tuning.dead_share, window=tuning.dead_window, run=tuning.dead_run,
        )  # fmt: skip
        self._decider = Decider(spec, runtime, self._crashes, self._limits)
        self._effects = EffectLanes(
            getattr(runtime.hop, "effects", None), tuning.effect_lane, self._told, runtime.failed
        )
        self._store = open_store(spec, runtime)
        self._producer = runtime.broker.producer(f"{runtime.hop.name}.{spec.id}")
        self._job: asyncio.Task[None] | None = None

    # --- its life -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start to live."""
        self._job = asyncio.create_task(self._live(), name=f"task {self.spec.id}")

    async def _live(self) -> None:
        try:
            await self._start()
            while not self._stopping:
                if not await self._turn():
                    await self._wait()
        except BaseException as error:
            if self._stopping and isinstance(error, asyncio.CancelledError):
                raise
            if not _blames_records(error):
                self._crashes.done({})
            self._broken = True
            self._rt.failed(error)
        finally:
            self._release()
            self._rt.gate.leave_floor(self)

    async def _start(self) -> None:
        broker, group = self._rt.broker, self._rt.hop.name
        await self._producer.start()
        await restore(self.spec, self._store, broker)
        self._first_changes = check_row(self.spec, self._store, self._counts)
        self.worked = await begin_offsets(self.spec, broker, group)
        self.taken = dict(self.worked)
        self._timers.load(self._store.scan(PREFIX, limit=EVERYTHING))
        self._resume()
        self.ready = True
        self.moved_at = time.monotonic()
        self._rt.lanes.own(self)
        if self._rt.hop.untrusted:
            self._sweeper.consumed(self.worked)
        logger().info("task ready", hop=group, task=self.spec.id)

    def _resume(self) -> None:
        resume = getattr(self._rt.hop, "resume", None)
        if resume is not None:
            self._effects.start(resume(Overlay(self._store)))

    async def end(self, deadline_s: float) -> None:
        """
        Finish the running transaction and let everything go.

        Raises:
            TransactionFailed: It did not end in time.
        """
        self._stopping = True
        self._wake.set()
        self._rt.gate.nudge()
        job = self._job
        if job is not None:
            if not self.ready:
                job.cancel()
            await asyncio.wait([job], timeout=deadline_s)
            if not job.done():
                raise TransactionFailed(f"task {self.spec.id} did not end its transaction in {deadline_s} s")
        self._rt.lanes.drop(self)
        await self._effects.stop()
        await (self._producer.kill() if self._broken or not self.ready else self._producer.stop())
        self.close(clean=not self._broken)

    def close(self, *, clean: bool) -> None:
        """Close the files."""
        self._store.close(clean=clean)
        self._crashes.close()

    # --- what its readers and effects tell it -----------------------------------------------------------------------

    def positions(self, *, urgent: bool) -> Mapping[Spot, int]:
        """Partitions of one lane, and the next offset of each that is not in hand."""
        return {spot: self.taken[spot] for spot, lane in self._urgent.items() if lane == urgent}

    def urgent(self, spot: Spot) -> bool:
        """True if *spot* is of the urgent lane."""
        return self._urgent[spot]

    def notice(self, spot: Spot, *, urgent: bool) -> None:
        """Records of *spot* are here; urgent ones close the gate until they are committed."""
        self._here[urgent] = True
        if urgent and not self._holds_gate and self.paused is None and not self._stopping:
            self._holds_gate = True
            self._rt.gate.close()
        self._wake.set()

    def _told(self, told: Told) -> None:
        self._tolds.append(told)
        self._wake.set()

    def _release(self) -> None:
        if self._holds_gate:
            self._holds_gate = False
            self._rt.gate.open()

    @property
    def busy(self) -> bool:
        """True while records, effects or ends of effects are in hand."""
        return bool(self._hand[True] or self._hand[False] or self._tolds or len(self._effects)) or not self.idle

    def overdue(self) -> bool:
        """True if a timer is due that has not fired."""
        due = self._timers.next_due()
        return due is not None and due <= self._rt.now()

    def wake(self) -> None:
        """Look again (a clock was moved)."""
        self._wake.set()

    async def _wait(self) -> None:
        """Until something is here, or the next timer is due."""
        self._release()
        self.idle = True
        due = self._timers.next_due()
        pause = None if due is None else max(0.0, (due - self._rt.now()).total_seconds())
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()
        self.idle = False
        self._wake.clear()

    # --- its work ---------------------------------------------------------------------------------------------------

    async def _turn(self) -> bool:
        """One transaction; False if there was nothing to do."""
        draft = Draft(Overlay(self._store))
        try:
            await self._small(draft)
            await self._decide_urgent(draft)
            if not self._holds_gate and not self._only_small(draft):
                await self._decide_routine(draft)
        except Unavailable as error:
            self._rt.gate.leave_floor(self)
            await self._commit(draft)
            await self._pause(error)
            return True
        self._rt.gate.leave_floor(self)
        if not draft.inputs:
            return False
        await self._commit(draft)
        self.paused, self._failures = None, 0
        return True

    def _only_small(self, draft: Draft) -> bool:
        """Ends of effects and timers do not wait for routine records, nor hold them up twice in a row."""
        self._small_last = draft.inputs > 0 and not self._small_last
        return self._small_last

    async def _small(self, draft: Draft) -> None:
        limit = self._rt.tuning.urgent_records
        while self._tolds and draft.inputs < limit:
            self._decider.told(draft, self._tolds[0])
            self._tolds.popleft()
        for timer in self._timers.due(self._rt.now(), limit):
            self._decider.timer(draft, timer)

    async def _decide_urgent(self, draft: Draft) -> None:
        limit = self._rt.tuning.urgent_records
        if not await self._fill(urgent=True, room=limit):
            self._release()
            return
        while self._hand[True] and not self._stopping and not self._full(draft):
            if self._slice(draft, urgent=True):
                break
            await asyncio.sleep(0)

    async def _decide_routine(self, draft: Draft) -> None:
        """Slices of work until the batch is full, nothing is here, or urgent records came."""
        tuning = self._rt.tuning
        while not self._full(draft):
            if not await self._fill(urgent=False, room=tuning.batch_records - draft.inputs):
                break
            await self._rt.gate.routine(self, self._must_leave)
            if self._must_leave() or self._slice(draft, urgent=False):
                break
        if draft.inputs:
            await self._rt.gate.routine(self, self._must_leave)
        if self._holds_gate:
            await self._decide_urgent(draft)

    def _must_leave(self) -> bool:
        return self._holds_gate or self._stopping

    def _full(self, draft: Draft) -> bool:
        tuning = self._rt.tuning
        return draft.inputs >= tuning.batch_records or draft.bytes >= tuning.batch_bytes

    async def _fill(self, *, urgent: bool, room: int) -> bool:
        """Take records that are here, if there are none in hand."""
        hand = self._hand[urgent]
        if hand or not self._here[urgent]:
            return bool(hand)
        self._here[urgent] = False
        for spot, lane in self._urgent.items():
            if lane == urgent:
                records = await self._rt.lanes.take(spot, room, urgent=urgent)
                if records:
                    hand.extend(records)
                    self.taken[spot] = records[-1].offset + 1
                    self._here[urgent] = True  # there may be more than there was room for
        return bool(hand)

    def _slice(self, draft: Draft, *, urgent: bool) -> bool:
        """About a millisecond of decisions; True if the transaction must end here."""
        hand = self._hand[urgent]
        self._decider.tick()
        until = time.monotonic_ns() + self._rt.tuning.slice_ns
        while hand and not self._full(draft):
            if self._one(draft, hand[0], urgent=urgent):
                return True
            if time.monotonic_ns() >= until:
                break
        return False

    def _one(self, draft: Draft, record: Record, *, urgent: bool) -> bool:
        """Decide on one record; True if it must be committed alone."""
        spot = Spot(record.topic, record.partition)
        careful = self._crashes.careful(spot, record.offset)
        if careful and draft.inputs:
            return True
        self._crashes.enter(spot, self.worked[spot])
        self._decider.record(draft, record, urgent=urgent)
        self._hand[urgent].popleft()
        return careful

    async def _commit(self, draft: Draft) -> None:
        if not draft.inputs:
            return
        changes = {**self._first_changes, **draft.overlay.changes} if draft.overlay.changes else {}
        began = time.time_ns()
        log = self._changelog(changes)
        places = await self._producer.commit([*draft.outs, *log], draft.offsets, self._rt.hop.name)
        committed = time.time_ns()
        if changes:
            self._first_changes = {}
            self._store.apply(changes, max(place.offset for place in places[len(draft.outs) :]) + 1)
            self._timers.apply(changes)
        self.worked.update(draft.offsets)
        self.moved_at = time.monotonic()
        self._crashes.done(self.worked)
        draft.placed(places)
        for done in draft.processed:
            done.began_ns, done.committed_ns = began, committed
        self._rt.recorder.committed(draft.processed)
        self._effects.start(draft.effects)
        if self._rt.hop.untrusted and draft.offsets:
            self._sweeper.consumed(draft.offsets)

    def _changelog(self, changes: Mapping[str, bytes | None]) -> Sequence[Out]:
        if self.spec.changelog is None:
            return ()
        topic, partition = self.spec.changelog
        at = epoch_ms(self._rt.now())
        return [Out(topic, partition, key.encode(), value, [], at) for key, value in changes.items()]

    async def _pause(self, error: Unavailable) -> None:
        """Hold nobody back while a dependency is down; what is in hand stays there."""
        self._release()
        self._crashes.done(self.worked)
        pause = max(PAUSES_S[min(self._failures, len(PAUSES_S) - 1)], error.retry_after.total_seconds())
        self.paused, self._failures = error.what, self._failures + 1
        logger().warning("paused: something outside is down", task=self.spec.id, what=error.what, seconds=pause)
        self._wake.clear()
        deadline = asyncio.get_running_loop().time() + pause
        while not self._stopping and (left := deadline - asyncio.get_running_loop().time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()
            self._wake.clear()


def _blames_records(error: BaseException) -> bool:
    """False where we know that the records in work did not end the process."""
    if isinstance(error, TransactionFailed):
        return error.by_records
    return not isinstance(error, Fenced | Misconfigured | OSError)
