"""Time as an argument: the system's clock, and one that tests move."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What may be asked of a clock."""

    def now(self) -> datetime:
        """The time of day, in UTC."""

    def monotonic_ns(self) -> int:
        """A time that never goes back, for durations."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """A time that never goes back, for durations."""
        return time.monotonic_ns()


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, at: datetime) -> None:
        self._start = at
        self._at = at

    def now(self) -> datetime:
        """The time it was moved to."""
        return self._at

    def monotonic_ns(self) -> int:
        """Nanoseconds it was moved since it was made."""
        return int((self._at - self._start) / timedelta(microseconds=1)) * 1_000

    def move(self, by: timedelta) -> datetime:
        """
        Move on by *by* and return the new time.

        Raises:
            ValueError: *by* is negative; that is a test of its own, with a new clock.
        """
        if by < timedelta(0):
            raise ValueError("this clock only moves on")
        self._at += by
        return self._at
