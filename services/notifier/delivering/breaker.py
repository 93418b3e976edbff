"""
A breaker for one agency that parks and never kills; pure, and kept in the store.

Open: rows wait and consume no attempts. Half-open: one probe at a time. A
probe that succeeds closes it and everything goes out in order. It opens again
for ever longer, to a bound, for as long as it takes; it never switches an
agency off.
"""

from datetime import datetime, timedelta
from typing import Literal

from contracts.indicators import Frozen

OPENS_AFTER = 10
"""Failures in a row (Convoy's default); a single success starts the count again."""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=5)
"""An agency that returns is noticed within this time."""

GONE_PAUSE = timedelta(hours=1)
"""After 410 the agency itself has said that nothing listens; ask again rarely."""

State = Literal["closed", "half_open", "open"]


class Breaker(Frozen):
    """Closed while *until* is None; open before *until*; half-open after it."""

    failures: int = 0
    opened: int = 0
    """How many times it has opened since the last success."""
    until: datetime | None = None

    @property
    def closed(self) -> bool:
        """True when attempts flow freely and count."""
        return self.until is None

    def state(self, now: datetime) -> State:
        """The word for it."""
        if self.closed:
            return "closed"
        return "half_open" if self.half_open(now) else "open"

    def half_open(self, now: datetime) -> bool:
        """True when one probe may go out; a pause longer than any we make means that the clock was set back."""
        return self.until is not None and not now < self.until <= now + GONE_PAUSE

    def room(self, now: datetime, *, sending: int, concurrency: int) -> int:
        """How many more attempts may start when *sending* are under way."""
        if self.closed:
            return concurrency - sending
        return 1 - sending if self.half_open(now) else 0

    def succeeded(self) -> "Breaker":
        """The agency took one: closed, all counts forgotten."""
        return Breaker()

    def failed(self, now: datetime) -> "Breaker":
        """The agency could not take one: counted, and opened at the bound or when a probe failed."""
        failures = self.failures + 1
        if self.closed and failures < OPENS_AFTER:
            return Breaker(failures=failures, opened=self.opened)
        if self.until is not None and not self.half_open(now):
            return Breaker(failures=failures, opened=self.opened, until=self.until)
        pause = min(FIRST_PAUSE * 2 ** min(self.opened, 10), LONGEST_PAUSE)
        return Breaker(failures=failures, opened=self.opened + 1, until=now + pause)

    def gone(self, now: datetime) -> "Breaker":
        """The agency said 410: open for long, still probed."""
        return Breaker(failures=self.failures + 1, opened=self.opened + 1, until=now + GONE_PAUSE)
