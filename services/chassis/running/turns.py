"""
The work of a task: decide first, with nothing open; then one transaction; then what follows from it.

Urgent records first, routine ones in slices behind the process's gate.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from services.chassis.broker.broker_port import Out, Spot, TaskProducer
from services.chassis.codec import epoch_ms
from services.chassis.errors import Unavailable
from services.chassis.hop import Effect, Record, TaskSpec
from services.chassis.running.crashes import CrashLog
from services.chassis.running.deadlimits import DeadLimits
from services.chassis.running.deciding import Decider
from services.chassis.running.draft import Draft
from services.chassis.running.inputs import Inputs
from services.chassis.running.pace import MOST, Pace
from services.chassis.running.runtime import Runtime
from services.chassis.store.state import Overlay, Store
from services.chassis.store.timers import Timers

_PATIENCE = 4
"""Slices that one slice may take by the clock; a decision that waits for something does not tire the processor."""


class Turns:
    """One transaction after the other over the inputs of one task."""

    def __init__(self, spec: TaskSpec, runtime: Runtime, inputs: Inputs, store: Store) -> None:
        tuning = runtime.tuning
        self.worked: dict[Spot, int] = {}
        """Next offset of each input that is not committed."""
        self.moved_at = time.monotonic()
        self.timers = Timers()
        self.producer: TaskProducer = runtime.broker.producer(f"{runtime.hop.name}.{spec.id}")
        self.first_changes: Mapping[str, bytes | None] = {}
        """Rows that the next change of state brings along."""
        self.ending = False
        self.crashes = CrashLog(runtime.file("crashes", f"{spec.id}.json"), limit=tuning.crashes)
        self._spec = spec
        self._rt = runtime
        self._inputs = inputs
        self._store = store
        self._small_last = False
        self._last = False
        """The transaction ends with this slice: what follows is suspected, or comes alone."""
        self._pace = Pace(tuning.slice_ns)
        dead = runtime.file("crashes", f"{spec.id}.dead.json")
        limits = DeadLimits(dead, share=tuning.dead_share, window=tuning.dead_window, run=tuning.dead_run)
        self._decider = Decider(spec, runtime, self.crashes, limits)

    async def turn(self) -> tuple[Sequence[Effect], Unavailable | None] | None:
        """
        One transaction; returns the effects to start and what is down, None if there was nothing to do.

        Where something is down, what was decided before is committed, and the rest stays in hand.
        """
        draft = Draft(Overlay(self._store))
        down: Unavailable | None = None
        try:
            await self._decide(draft)
        except Unavailable as error:
            down = error
        self._rt.gate.leave_floor(self)
        if draft.inputs:
            await self._commit(draft)
        elif down is None:
            return None
        return draft.effects, down

    async def _decide(self, draft: Draft) -> None:
        await self._small(draft)
        await self._urgent(draft)
        # Ends of effects and timers do not wait for routine records, nor hold them up twice in a row.
        self._small_last = draft.inputs > 0 and not self._small_last
        if not self._inputs.urgent_open and not self._small_last:
            await self._routine(draft)

    async def _small(self, draft: Draft) -> None:
        limit = self._rt.tuning.urgent_records
        tolds = self._inputs.tolds
        while tolds and draft.inputs < limit:
            self._decider.told(draft, tolds[0])
            tolds.popleft()
        for timer in self.timers.due(self._rt.now(), limit):
            self._decider.timer(draft, timer)

    async def _urgent(self, draft: Draft) -> None:
        if not await self._inputs.fill(urgent=True, room=self._rt.tuning.urgent_records):
            self._inputs.release()
            return
        while self._inputs.hand[True] and not self.ending and not self._full(draft):
            if self._slice(draft, urgent=True):
                break
            await asyncio.sleep(0)

    async def _routine(self, draft: Draft) -> None:
        """
        Slices of work until the batch is full, nothing is here, or urgent records came.

        The reader parses what is taken: few at a time are still in the processor's cache when they are decided.
        """
        records = self._rt.tuning.batch_records
        while not self._full(draft):
            if not await self._inputs.fill(urgent=False, room=min(MOST, records - draft.inputs)):
                break
            await self._rt.gate.routine(self, self._must_leave)
            if self._must_leave() or self._slice(draft, urgent=False):
                break
        if draft.inputs:
            await self._rt.gate.routine(self, self._must_leave)
        if self._inputs.urgent_open:
            await self._urgent(draft)

    def _must_leave(self) -> bool:
        return self._inputs.urgent_open or self.ending

    def _full(self, draft: Draft) -> bool:
        tuning = self._rt.tuning
        return draft.inputs >= tuning.batch_records or draft.bytes >= tuning.batch_bytes

    def _slice(self, draft: Draft, *, urgent: bool) -> bool:
        """About a millisecond of decisions; True if the transaction must end here."""
        hand = self._inputs.hand[urgent]
        given = self._some(draft, hand)
        if not given:
            return bool(hand)
        self._decider.tick()
        self._pace.begin()
        until = time.monotonic_ns() + _PATIENCE * self._rt.tuning.slice_ns
        count = self._decider.records(draft, given, until, urgent=urgent)
        for _ in range(count):
            hand.popleft()
        self._pace.end(count)
        # At once, while the bytes are in the processor's cache; and a draft of a thousand records keeps none of them.
        self.producer.pack(draft.unpacked())
        return self._last

    def _some(self, draft: Draft, hand: deque[Record]) -> list[Record]:
        """As many records in hand as a slice has time for; few, or one alone, where the process ended before."""
        self._last = False
        tuning, given = self._rt.tuning, list[Record]()
        room = tuning.batch_bytes - draft.bytes
        for record in islice(hand, min(self._pace.count, tuning.batch_records - draft.inputs)):
            spot = Spot(record.topic, record.partition)
            most = self.crashes.most(spot, record.offset)
            if room <= 0 or (most is not None and len(given) + draft.inputs >= most):
                self._last = most is not None
                break
            self.crashes.enter(spot, self.worked[spot], record.offset, self._inputs.taken[spot] - 1)
            given.append(record)
            room -= len(record.value or b"")
            if most == 1:
                self._last = True
                break
        return given

    async def _commit(self, draft: Draft) -> None:
        changes = {**self.first_changes, **draft.overlay.changes} if draft.overlay.changes else {}
        began = time.time_ns()
        outs = [*draft.unpacked(), *self._changelog(changes)]
        places = await self.producer.commit(outs, draft.offsets, self._rt.hop.name)
        committed = time.time_ns()
        if changes:
            self.first_changes = {}
            self._store.apply(changes, max(place.offset for place in places[draft.packed :]) + 1)
            self.timers.apply(changes)
        self.worked.update(draft.offsets)
        self.moved_at = time.monotonic()
        self.crashes.done(self.worked)
        draft.placed(places)
        for done in draft.processed:
            done.began_ns, done.committed_ns = began, committed
        self._rt.recorder.committed(draft.processed)
        self._rt.sweeper.consumed(draft.offsets)

    def _changelog(self, changes: Mapping[str, bytes | None]) -> Sequence[Out]:
        if self._spec.changelog is None:
            return ()
        topic, partition = self._spec.changelog
        at = epoch_ms(self._rt.now())
        return [Out(topic, partition, key.encode(), value, [], at) for key, value in changes.items()]
