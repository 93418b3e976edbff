"""
How long the oldest unread record of each partition has waited; pure.

Looking again and again at a partition's end tells when a record came: after the
last look at which the end lay before it. What was there before the first look
has only its own timestamp, which must be read.
"""

from collections import deque
from dataclasses import dataclass, field

MOST_LOOKS = 1_000
"""Looks that are kept of one partition; beyond it the newest is replaced: a wait is told too long, never too short."""
READ_EVERY_S = 15.0
"""A timestamp that was read stands for the records behind it for so long."""


@dataclass(slots=True)
class Wait:
    """What is known of one partition; times are seconds of the clock that timestamps are of."""

    looks: deque[tuple[float, int]] = field(default_factory=deque)
    """(when, end)."""
    read_at: float = 0.0
    head: float | None = None
    """Timestamp of a record that was the oldest unread one at *read_at*."""
    worked: int = -1

    def look(self, now: float, worked: int, end: int, *, lag: int) -> None:
        """Note that at *now* everything before *worked* was worked, and *lag* records before *end* were not."""
        if worked != self.worked and now - self.read_at >= READ_EVERY_S:
            self.head = None
        self.worked = worked
        if not lag:
            self.looks = deque([(now, worked)])
            return
        while len(self.looks) > 1 and self.looks[1][1] <= worked:
            self.looks.popleft()
        if len(self.looks) == MOST_LOOKS:
            self.looks.pop()
        self.looks.append((now, end))

    @property
    def lag(self) -> bool:
        """True where there is an unread record."""
        return len(self.looks) > 1 or (bool(self.looks) and self.looks[0][1] > self.worked)

    def since(self) -> float | None:
        """Since when, at most, the oldest unread record has been there; None: read its timestamp, then say `read`."""
        when, end = self.looks[0]
        return when if end <= self.worked else self.head

    def read(self, now: float, timestamp: float) -> None:
        """Note the timestamp of the oldest unread record; a time to come is no time."""
        self.read_at, self.head = now, min(timestamp, now)
