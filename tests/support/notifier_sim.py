"""
A machine for the notifier's hop on a simulated clock: a store, timers, receivers, crashes, a wall clock that jumps.

Only the outside of the hop is used: inputs, outcomes, effects, `resume`. Time that
really passes (`true`) and the wall clock (`wall`) are two things: latencies follow
the first, timers and everything the hop sees follow the second. Both count whole
microseconds, as the store does.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Protocol
from uuid import UUID, uuid5

from contracts.onboarding import Agency
from services.chassis.hop import NAMESPACE, Effect, Input, Outcome, Record, Timer, Told, View
from services.notifier.delivering.attempt import AttemptEnd, tell
from services.notifier.delivering.verdicts import Fault
from services.notifier.ordering import removal
from tests.support.notifier_world import START

URGENT_TOPIC = "referrals-routed-urgent"
SECOND = 1_000_000
"""In microseconds."""
NEVER = 1 << 62
MICROSECOND = timedelta(microseconds=1)


class Deciding(Protocol):
    """The hop, as far as the machine knows it."""

    def decide(self, given: Input, view: View) -> Outcome:
        """Decide on one input."""

    def resume(self, view: View) -> list[Effect]:
        """What was under way when the task last stopped."""


class Watching(Protocol):
    """Who looks on; never changes anything."""

    def given(self, machine: "Machine", record: Record) -> None:
        """A record is about to be decided on."""

    def ended(self, machine: "Machine", effect: Effect, end: AttemptEnd, asked: float | None) -> None:
        """An effect has ended."""

    def committed(self, machine: "Machine", outcome: Outcome) -> None:
        """An outcome was committed."""

    def resumed(self, machine: "Machine", effects: list[Effect]) -> None:
        """The hop was started anew and does these again."""


@dataclass(frozen=True, slots=True)
class Play:
    """How an endpoint ends an attempt."""

    end: AttemptEnd
    takes: float
    asked: float | None = None
    """Seconds that a readable ``Retry-After`` asks for."""
    arrives: bool = False
    """The agency has got the bytes, whatever the answer says."""


NOBODY = Play(AttemptEnd(fault=Fault.INTERNAL), 0.01)
"""How an attempt ends whose agency is onboarded no longer."""

Endpoint = Callable[[Effect, int, datetime], Play]


@dataclass(slots=True)
class Store:
    """Rows in key order."""

    rows: dict[str, bytes] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def get(self, key: str) -> bytes | None:
        """The value of *key*, or None."""
        return self.rows.get(key)

    def scan(self, prefix: str, *, limit: int = 1000) -> Iterator[tuple[str, bytes]]:
        """Rows whose key begins with *prefix*, in key order."""
        first = bisect_left(self.keys, prefix)
        for key in self.keys[first : first + limit]:
            if not key.startswith(prefix):
                return
            yield key, self.rows[key]

    def put(self, changes: Mapping[str, bytes | None]) -> None:
        """Take *changes* over."""
        for key, value in changes.items():
            if value is not None:
                if key not in self.rows:
                    insort(self.keys, key)
                self.rows[key] = value
            elif self.rows.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]


class Machine:
    """One task of the notifier from the outside of its process."""

    def __init__(self, made: Callable[[Mapping[str, Agency]], Deciding], endpoint: Endpoint, watch: Watching) -> None:
        self.store = Store()
        self.true = 0
        self.skew = 0
        self.up = False
        self.crashes = 0
        self.agencies: Mapping[str, Agency] = {}
        self.running: dict[str, Effect] = {}
        self.timers: dict[str, int] = {}
        self.crash: Callable[[], str] = lambda: ""
        """Asked at every input: ``before`` or ``after`` the commit, or empty for no crash."""
        self.down_for: Callable[[], int] = lambda: 5 * SECOND
        self._made = made
        self._endpoint = endpoint
        self._watch = watch
        self._order = count()
        self._due: list[tuple[int, str]] = []
        self._coming: list[tuple[int, int, Callable[[], None]]] = []
        self._inbox: list[Record] = []
        self._life = 0

    @property
    def wall(self) -> int:
        """The wall clock since the start."""
        return self.true + self.skew

    @property
    def now(self) -> datetime:
        """The wall clock as the hop sees it."""
        return START + timedelta(microseconds=self.wall)

    def at(self, true: int, act: Callable[[], None]) -> None:
        """Do *act* when that much time has passed."""
        heapq.heappush(self._coming, (true, next(self._order), act))

    def feed(self, topic: str, value: bytes) -> None:
        """Put a record before the hop; it waits while the hop is down."""
        self._inbox.append(Record(topic, 0, next(self._order), b"k", value, (), 0))
        self._work()

    def start(self, agencies: Mapping[str, Agency] | None = None) -> None:
        """Start the process, with other onboarding records where given."""
        self.agencies = agencies if agencies is not None else self.agencies
        self.hop = self._made(self.agencies)
        self.up, self._life = True, self._life + 1
        again = self.hop.resume(self.store)
        self._watch.resumed(self, [effect for effect in again if effect.kind != removal.SWEEP])
        self._perform(again)
        self._fire()
        self._work()

    def stop(self) -> None:
        """Kill it: what was under way is forgotten here, whatever the agencies have got of it."""
        self.up = False
        self.running.clear()

    def run(self, until: int) -> None:
        """Let time pass."""
        while True:
            coming = self._coming[0][0] if self._coming else until + 1
            moment = min(coming, self._timer_at() if self.up else coming)
            if moment > until:
                break
            self.true = max(self.true, moment)
            if self._coming and coming <= moment:
                heapq.heappop(self._coming)[2]()
            else:
                self._fire()
        self.true = max(self.true, until)

    def _timer_at(self) -> int:
        while self._due and self.timers.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)
        return self._due[0][0] - self.skew if self._due else NEVER

    def _fire(self) -> None:
        while self.up and self._timer_at() <= self.true:
            due, key = self._due[0]
            self._decide(timer=Timer(key, START + timedelta(microseconds=due)))

    def _work(self) -> None:
        """Urgent records first, as the runner reads them."""
        while self.up and self._inbox:
            self._inbox.sort(key=lambda each: (each.topic != URGENT_TOPIC, each.offset))
            record = self._inbox[0]
            self._watch.given(self, record)
            if self._decide(record=record):
                self._inbox.remove(record)

    def _decide(self, *, record: Record | None = None, timer: Timer | None = None, told: Told | None = None) -> bool:
        event = uuid5(NAMESPACE, str(next(self._order)))
        outcome = self.hop.decide(Input(event, self.now, record, timer, told), self.store)
        crash = self.crash()
        if crash == "before":
            self._crash()
            return False
        self._commit(outcome, timer)
        if crash:
            self._crash()
        else:
            self._perform(outcome.effects)
        return True

    def _crash(self) -> None:
        self.crashes += 1
        self.stop()
        self.at(self.true + self.down_for(), self._again)

    def _again(self) -> None:
        if not self.up:
            self.start()

    def _commit(self, outcome: Outcome, timer: Timer | None) -> None:
        self.store.put(outcome.puts)
        for key in ([timer.key] if timer else []) + outcome.cancels:
            self.timers.pop(key, None)
        for each in outcome.timers:
            due = (each.due - START) // MICROSECOND
            self.timers[each.key] = due
            heapq.heappush(self._due, (due, each.key))
        self._watch.committed(self, outcome)

    def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if effect.key in self.running:
                continue
            self.running[effect.key] = effect
            if effect.kind == removal.SWEEP:  # nothing leaves: it comes back at once
                self.at(self.true, self._back(effect, self._life))
                continue
            play = self._endpoint(effect, self.true, self.now) if self._knows(effect) else NOBODY
            self.at(self.true + int(play.takes * SECOND), self._ending(effect, play, self._life))

    def _knows(self, effect: Effect) -> bool:
        """As the channels do: nothing leaves for an agency that is not onboarded."""
        return effect.lane.partition("~")[0] in self.agencies

    def _back(self, effect: Effect, life: int) -> Callable[[], None]:
        def back() -> None:
            if self._life == life and self.up:
                del self.running[effect.key]
                self._decide(told=tell(effect.key, AttemptEnd(fault=Fault.NO_CHANNEL)))

        return back

    def _ending(self, effect: Effect, play: Play, life: int) -> Callable[[], None]:
        def end() -> None:
            if self._life == life and self.up:
                del self.running[effect.key]
                self._watch.ended(self, effect, play.end, play.asked)
                self._decide(told=tell(effect.key, play.end))

        return end


def referral_of(effect: Effect) -> UUID:
    """The referral that *effect* sends."""
    return UUID(effect.key.split("/")[1])
