"""Timers of a task: rows under ``timer/`` in its store; a due one comes back as an input, an overdue one at once."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from uuid import UUID, uuid5

from services.chassis.hop import NAMESPACE, Timer
from services.chassis.store.state import Rows

PREFIX = "timer/"
AHEAD = timedelta(hours=6)
"""How far ahead timers are kept in memory; the store is read through this often."""

END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"
_STAMP = len("2026-11-22T12:00:00.000000Z")
_SPARE = 64


def row_of(timer: Timer) -> tuple[str, bytes]:
    """Key and value of the row that holds *timer*."""
    return PREFIX + timer.key, timer.due.astimezone(UTC).strftime(_FORM).encode() + b"\n" + timer.body


def timer_of(key: str, value: bytes) -> Timer:
    """The timer in a row of the store."""
    due, _, body = value.partition(b"\n")
    return Timer(key.removeprefix(PREFIX), datetime.strptime(due.decode(), _FORM).replace(tzinfo=UTC), body)


def timer_event(hop: str, task: str, timer: Timer) -> UUID:
    """Id of the event that *timer* is when it fires."""
    return uuid5(NAMESPACE, f"timer/{hop}/{task}/{timer.key}/{timer.due.astimezone(UTC).strftime(_FORM)}")


class Timers:
    """
    What is due when, of the committed rows: only what is due soon is kept in memory, the rest stays in the store.

    Most timers lie months ahead, one and more for every tip; a long inbox must not fill the process with them.
    """

    def __init__(self) -> None:
        self._soon: dict[str, Timer] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._source: Callable[[], Iterable[tuple[str, bytes]]] = tuple
        self._until = END_OF_TIME

    def load(self, source: Callable[[], Iterable[tuple[str, bytes]]], now: datetime) -> None:
        """Start from the timer rows of a restored store, which *source* reads; it is read again every `AHEAD`."""
        self._source = source
        self._look_ahead(now)

    def _look_ahead(self, now: datetime) -> None:
        self._until = now.astimezone(UTC) + AHEAD
        last = self._until.strftime(_FORM).encode()
        near = (timer_of(key, value) for key, value in self._source() if value[:_STAMP] <= last)
        self._soon = {timer.key: timer for timer in near}
        self._rebuild()

    def _rebuild(self) -> None:
        self._heap = [(timer.due, timer.key) for timer in self._soon.values()]
        heapify(self._heap)

    def apply(self, changes: Rows) -> None:
        """Follow the changes of a committed transaction."""
        for key, value in changes.items():
            if key.startswith(PREFIX):
                self._follow(key.removeprefix(PREFIX), None if value is None else timer_of(key, value))
        if len(self._heap) > _SPARE + 2 * len(self._soon):
            # Timers that are moved over and over would leave a mark each time.
            self._rebuild()

    def _follow(self, key: str, timer: Timer | None) -> None:
        if timer is None or timer.due > self._until:
            self._soon.pop(key, None)
            return
        before = self._soon.get(key)
        self._soon[key] = timer
        if before is None or before.due != timer.due:
            heappush(self._heap, (timer.due, key))

    def next_due(self) -> datetime | None:
        """When to look again: the next timer is due, or the store must be read for later ones."""
        while self._heap and not self._stands(*self._heap[0]):
            heappop(self._heap)
        if self._heap:
            return self._heap[0][0]
        return self._until if self._until < END_OF_TIME else None

    def due(self, now: datetime, limit: int) -> list[Timer]:
        """Timers that are due at *now*, oldest first; they stay until a commit removes their rows."""
        if now >= self._until:
            self._look_ahead(now)
        found: dict[str, Timer] = {}
        while len(found) < limit and (first := self.next_due()) is not None and first <= now:
            _, key = heappop(self._heap)
            found[key] = self._soon[key]
        for timer in found.values():
            heappush(self._heap, (timer.due, timer.key))
        return list(found.values())

    def _stands(self, due: datetime, key: str) -> bool:
        timer = self._soon.get(key)
        return timer is not None and timer.due == due

    def __len__(self) -> int:
        return len(self._soon)
