"""From one input to what it leads to: decide, write down, refuse what can never succeed. Nothing is open yet."""

import time
from collections.abc import Sequence
from uuid import uuid5

import msgspec

from contracts.vocabulary import DeadReason
from services.chassis.broker.broker_port import Spot
from services.chassis.codec import event_of, header_map
from services.chassis.errors import Misconfigured, Poison, Unavailable
from services.chassis.hop import NAMESPACE, Input, Outcome, Record, TaskSpec, Timer, Told, record_id
from services.chassis.running.crashes import CrashLog
from services.chassis.running.deadlimits import DeadLimits
from services.chassis.running.draft import Draft, Written
from services.chassis.running.origin import Origin, Worker
from services.chassis.running.runtime import Runtime
from services.chassis.running.writing import Writer
from services.chassis.store.timers import PREFIX, row_of, timer_event


class _Read(msgspec.Struct, frozen=True, gc=False):
    """A record, where it lies, and why it cannot even be decided on."""

    spot: Spot
    origin: Origin
    refused: DeadReason | None = None


class _Decided(msgspec.Struct, frozen=True, gc=False):
    """An outcome that is still to be written down, or what was written already, and why it is a refusal."""

    origin: Origin
    outcome: Outcome | None
    times: tuple[int, int]
    written: Written | None = None
    refused: DeadReason | None = None


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

    def records(self, draft: Draft, given: Sequence[Record], until_ns: int, *, urgent: bool) -> int:
        """
        Decide on *given* in order, until *until_ns* (monotonic) has come; return on how many, at least one.

        Stage by stage: all are read, then all decided, then all written down. One
        record through all stages, then the next, takes 1.1 to 1.2 times as long: each
        stage finds the processor's caches full of the others.

        Raises:
            Unavailable: The first of *given* may succeed later.
            TooManyDeadLetters: Too many records of this task are refused.
        """
        read = [self._read(record) for record in given]
        decided: list[_Decided] = []
        for step in read:
            try:
                decided.append(self._decide(draft, step, urgent=urgent))
            except Unavailable:
                if not decided:
                    raise
                break
            if time.monotonic_ns() >= until_ns:
                break
        for made, step in zip(decided, read, strict=False):
            draft.add(self._written(made, urgent=urgent), step.spot, inbox=self._hop.untrusted)
        return len(decided)

    def _read(self, record: Record) -> _Read:
        """What *record* brought; never raises for what stands in it."""
        spot = Spot(record.topic, record.partition)
        crashed = self._crashes.condemned(spot, record.offset)
        if crashed:
            self._crashes.spare(spot)
        found = header_map(record.headers)
        try:
            event = event_of(record, untrusted=self._hop.untrusted, found=found)
        except Poison as poison:
            return _Read(spot, self._unread(record), DeadReason.CRASHED_THREE_TIMES if crashed else poison.reason)
        origin = self._writer.origin(Input(event, self._at, record), found)
        return _Read(spot, origin, DeadReason.CRASHED_THREE_TIMES if crashed else None)

    def _decide(self, draft: Draft, step: _Read, *, urgent: bool) -> _Decided:
        """
        The outcome for one record; where it changes the state, written down at once, before the next is decided.

        What cannot be written down must not change what the next one sees.
        """
        started, origin, refused = time.time_ns(), step.origin, step.refused
        written: Written | None = None
        if refused is None:
            try:
                outcome = self._hop.decide(origin.given, draft.overlay)
                times = (started, time.time_ns())
                if not (self._hop.untrusted or outcome.puts or outcome.timers or outcome.cancels):
                    return _Decided(origin, outcome, times)
                written = self._writer.write(origin, outcome, times, urgent=urgent)
            except Poison as poison:
                refused = poison.reason
        times = (started, time.time_ns())
        if written is None:
            written = self._refuse(origin, refused or DeadReason.INVALID_EVENT, times, urgent=urgent)
        draft.overlay.put(written.changes)
        return _Decided(origin, None, times, written, refused)

    def _written(self, made: _Decided, *, urgent: bool) -> Written:
        """
        What one record led to.

        Raises:
            TooManyDeadLetters: It is refused, and one too many.
        """
        origin, times, written, refused = made.origin, made.times, made.written, made.refused
        if written is None:
            try:
                written = self._writer.write(origin, made.outcome or Outcome(), times, urgent=urgent)
            except Poison as poison:
                refused = poison.reason
                written = self._refuse(origin, refused, times, urgent=urgent)
        if refused is None:
            self._limits.good()
        elif not self._hop.untrusted:
            self._limits.bad()
        return written

    def _unread(self, record: Record) -> Origin:
        where = record_id(record.topic, record.partition, record.offset)
        return self._writer.origin(Input(where, self._at, record))

    def _refuse(self, origin: Origin, reason: DeadReason, times: tuple[int, int], *, urgent: bool) -> Written:
        """A dead letter, or of an inbox: a refusal in words."""
        if not self._hop.untrusted:
            return self._writer.parked(origin, reason, times, urgent=urgent)
        refuse = getattr(self._hop, "refuse_crashed", None)
        if refuse is None:
            raise Misconfigured(
                f"hop {self._hop.name} reads inboxes and cannot refuse a record in words ({reason.value}): "
                "give it a method refuse_crashed(record)"
            )
        outcome: Outcome = refuse(origin.record)
        return self._writer.write(origin, outcome, times, urgent=urgent)

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
        draft.overlay.put({gone: None, **written.changes} if gone is not None else written.changes)
        draft.add(written)
