"""Timers of a task: rows under ``timer/`` in its store; a due one comes back as an input, an overdue one at once."""

from collections.abc import Iterable
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from uuid import UUID, uuid5

from services.chassis.hop import NAMESPACE, Timer
from services.chassis.state import Rows

PREFIX = "timer/"
_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


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
    """What is due when; follows the committed rows."""

    def __init__(self) -> None:
        self._rows: dict[str, Timer] = {}
        self._heap: list[tuple[datetime, str]] = []

    def load(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Start from the rows of a restored store."""
        self._rows = {timer.key: timer for timer in (timer_of(key, value) for key, value in rows)}
        self._heap = [(timer.due, timer.key) for timer in self._rows.values()]
        heapify(self._heap)

    def apply(self, changes: Rows) -> None:
        """Follow the changes of a committed transaction."""
        for key, value in changes.items():
            if not key.startswith(PREFIX):
                continue
            if value is None:
                self._rows.pop(key.removeprefix(PREFIX), None)
            else:
                timer = timer_of(key, value)
                self._rows[timer.key] = timer
                heappush(self._heap, (timer.due, timer.key))

    def next_due(self) -> datetime | None:
        """When the next timer fires."""
        while self._heap and not self._stands(*self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: datetime, limit: int) -> list[Timer]:
        """Timers that are due at *now*, oldest first; they stay until a commit removes their rows."""
        found: dict[str, Timer] = {}
        while len(found) < limit and (first := self.next_due()) is not None and first <= now:
            _, key = heappop(self._heap)
            found[key] = self._rows[key]
        for timer in found.values():
            heappush(self._heap, (timer.due, timer.key))
        return list(found.values())

    def _stands(self, due: datetime, key: str) -> bool:
        timer = self._rows.get(key)
        return timer is not None and timer.due == due

    def __len__(self) -> int:
        return len(self._rows)
