"""From one input to what it leads to: decide, write down, refuse what can never succeed. Nothing is open yet."""

import time
from uuid import uuid5

from contracts.vocabulary import DeadReason
from services.chassis.broker_port import Spot
from services.chassis.codec import event_of
from services.chassis.crashes import CrashLog
from services.chassis.deadlimits import DeadLimits
from services.chassis.draft import Draft, Written
from services.chassis.errors import Misconfigured, Poison
from services.chassis.hop import NAMESPACE, Input, Outcome, Record, TaskSpec, Timer, Told, record_id
from services.chassis.origin import Origin, Worker
from services.chassis.runtime import Runtime
from services.chassis.timers import PREFIX, row_of, timer_event
from services.chassis.writing import Writer


class Decider:
    """Decides for one task; adds to a draft, or raises and adds nothing."""

    def __init__(self, spec: TaskSpec, runtime: Runtime, crashes: CrashLog, limits: DeadLimits) -> None:
        self._hop = runtime.hop
        self._task = spec.id
        self._clock = runtime.now
        self._at = runtime.now()
        self._crashes = crashes
        self._limits = limits
        changelog = spec.changelog[0] if spec.changelog else None
        worker = Worker(runtime.hop.name, runtime.version, spec.id, runtime.hop.untrusted, changelog)
        self._writer = Writer(worker, runtime.tuning, runtime.recorder)

    def tick(self) -> None:
        """Look at the clock: inputs decided until the next look have the same time."""
        self._at = self._clock()

    def record(self, draft: Draft, record: Record, *, urgent: bool) -> None:
        """
        Decide on *record*.

        Raises:
            Unavailable: The same record may succeed later.
            TooManyDeadLetters: Too many records of this task are refused.
        """
        started = time.time_ns()
        spot = Spot(record.topic, record.partition)
        if self._crashes.condemned(spot, record.offset):
            draft.add(self._refuse(self._unread(record), DeadReason.CRASHED_THREE_TIMES, started, urgent=urgent))
            self._crashes.spare(spot)
            return
        origin: Origin | None = None
        try:
            event = event_of(record, untrusted=self._hop.untrusted)
            given = Input(event, self._at, record)
            origin = self._writer.origin(given)
            outcome = self._hop.decide(given, draft.overlay)
            written = self._writer.write(origin, outcome, (started, time.time_ns()), urgent=urgent)
        except Poison as poison:
            draft.add(self._refuse(origin or self._unread(record), poison.reason, started, urgent=urgent))
            return
        self._limits.good()
        draft.add(written)

    def _unread(self, record: Record) -> Origin:
        where = record_id(record.topic, record.partition, record.offset)
        return self._writer.origin(Input(where, self._at, record))

    def _refuse(self, origin: Origin, reason: DeadReason, started: int, *, urgent: bool) -> Written:
        """A dead letter, or of an inbox: a refusal in words."""
        if not self._hop.untrusted:
            self._limits.bad()
            return self._writer.parked(origin, reason, (started, time.time_ns()), urgent=urgent)
        refuse = getattr(self._hop, "refuse_crashed", None)
        if refuse is None:
            raise Misconfigured(
                f"hop {self._hop.name} reads inboxes and cannot refuse a record in words ({reason.value}): "
                "give it a method refuse_crashed(record)"
            )
        outcome: Outcome = refuse(origin.record)
        return self._writer.write(origin, outcome, (started, time.time_ns()), urgent=urgent)

    def timer(self, draft: Draft, timer: Timer) -> None:
        """Decide on a timer that is due, unless an earlier input of the draft moved or removed it."""
        key, row = row_of(timer)
        if draft.overlay.get(key) != row:
            return
        given = Input(timer_event(self._hop.name, self._task, timer), self._clock(), timer=timer)
        self._plain(draft, given, gone=PREFIX + timer.key)

    def told(self, draft: Draft, told: Told) -> None:
        """Decide on the end of an effect; each end is an event of its own."""
        now = self._clock()
        event = uuid5(NAMESPACE, f"told/{self._hop.name}/{self._task}/{told.key}/{now.isoformat()}")
        self._plain(draft, Input(event, now, told=told))

    def _plain(self, draft: Draft, given: Input, gone: str | None = None) -> None:
        started = time.time_ns()
        outcome = self._hop.decide(given, draft.overlay)
        written = self._writer.write(self._writer.origin(given), outcome, (started, time.time_ns()), urgent=False)
        if gone is not None:
            written.changes = {gone: None, **written.changes}
        draft.add(written)
