"""
What the outside knows of one referral and of one lane, and the tables of the schedule, written down a second time.

A test that asks the schedule of production what the schedule is proves nothing.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from contracts.events import ReferralRouted
from contracts.onboarding import Agency
from services.chassis.hop import Effect
from tests.support.notifier_sim import MICROSECOND, NEVER, SECOND
from tests.support.notifier_world import START

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
DAY = 24 * HOUR
STEPS = (0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
LADDER: dict[str, tuple[tuple[int, str], ...]] = {
    "P0": ((15 * MINUTE, "second_channel"), (30 * MINUTE, "duty_officer"), (60 * MINUTE, "expired")),
    "P1": ((24 * HOUR, "second_channel"), (28 * HOUR, "expired")),
    "P2": ((72 * HOUR, "resend"), (96 * HOUR, "expired")),
    "P3": tuple((14 * DAY + week * 7 * DAY, "reminder") for week in range(10)),
    "P4": tuple((30 * DAY + week * 7 * DAY, "reminder") for week in range(10)),
}
AGAIN = {"second_channel", "resend", "reminder"}
"""Rungs that send again at once."""
FOLLOW_UPS = tuple((hours * HOUR, f"follow_up_{hours}h") for hours in (24, 72, 168, 336, 672))
FOLLOWED = {"hotline", "provider", "takedown"}
OPENS_AFTER = 10
FIRST_PAUSE, LONGEST_PAUSE, GONE_PAUSE = 30 * SECOND, 5 * MINUTE, HOUR
URGENT = {"P0", "P1"}
ENTERED = {
    "attempted", "delivered", "acknowledged", "closed", "nacked", "withdrawn", "parked", "escalated", "expired",
    "actioned", "question", "active_investigation", "receipt_ignored",
}  # fmt: skip
"""Words that stand in the custody log too."""


@dataclass(slots=True)
class Way:
    """One pushed channel of a referral as the outside knows it."""

    tries: int = 0
    failed: set[int] = field(default_factory=lambda: {0})
    """How many attempts may have counted: what sends again at once may begin the count anew."""
    not_before: int = -NEVER
    ready: int = -NEVER
    """From when on it may be sent, in time that really passes."""
    exhausted: bool = False
    gathers: datetime | None = None
    """Since when it waits for the day's digest; None: it goes alone."""


@dataclass(slots=True)
class Case:
    """One referral as the outside knows it."""

    event: ReferralRouted
    began: int
    """When it was taken, by the wall clock."""
    fed: int = 0
    ways: dict[str, Way] = field(default_factory=dict)
    delivered: int = 0
    acknowledged: int | None = None
    over: bool = False
    superseded: bool = False
    absent: bool = False
    """Kept aside: its agency was not onboarded when it came."""
    left: bool = False
    """Its agency was not onboarded for a while, or is not."""
    back: int = -NEVER
    """When it was onboarded again, by the wall clock."""
    answered: bool = False
    done_at: int | None = None
    """When it was over or acknowledged, by the wall clock."""
    overloaded: bool = False
    """Its agency said that it has no room."""
    rungs: int = 0
    follow_ups: int = 0
    followed: bool = True
    asked_again: bool = False
    awaited: bool = False
    """It is to be sent again, and was not yet."""
    told: list[str] = field(default_factory=list)

    @property
    def notice(self) -> bool:
        """Nothing is asked of the agency."""
        return self.event.action.value in ("withdrawn", "sightings")

    @property
    def gathers(self) -> datetime | None:
        """Since when it waits for the day's digest; None: it goes alone."""
        return self.ways["email"].gathers if "email" in self.ways else None

    @property
    def urgent(self) -> bool:
        """Of the urgent lane."""
        return self.event.priority.value in URGENT

    @property
    def open(self) -> bool:
        """The agency still has to say something, or has to get it."""
        return not (self.over or self.superseded or self.acknowledged is not None)


@dataclass(slots=True)
class Desk:
    """One agency as the outside knows it."""

    running: dict[str, Effect] = field(default_factory=dict)
    failures: int = 0
    shut: bool = False
    """Its breaker is open: ten failures in a row, or it said that it is gone, and no success since."""
    gone: bool = False
    gone_until: int = -NEVER
    last_start: int = -NEVER
    rested: int = -NEVER
    """When the last attempt ended, in time that really passes."""
    starts: deque[int] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that is over."""

    effect: Effect
    good: bool
    gone: bool
    asked: float | None
    """Seconds that the agency asked us to wait."""


def joining(case: Case, agency: Agency, channel: str, *, true: int, now: datetime) -> Way:
    """A channel that is used from now on: mail waits for the digest where the agency wants its P4 so."""
    digest = channel == "email" and agency.digest_p4 and case.event.priority.value == "P4"
    return Way(ready=true, gathers=now if digest else None)


def agency_of(lane: str) -> str:
    """Agency of a lane."""
    return lane.partition("~")[0]


def moment(text: str) -> int:
    """A time of the books in microseconds since the start."""
    return instant(datetime.fromisoformat(text))


def instant(when: datetime) -> int:
    """The same of a time."""
    return (when - START) // MICROSECOND


def pushed(agency: Agency) -> list[str]:
    """Its channels by which something is sent, in the record's order."""
    return [name.value for name in agency.channels if name.value in ("webhook", "email")]


def fits(failed: int, delay: int, asked: float | None) -> bool:
    """True if the wait after that many failures is the schedule's, or what the agency asked for within its bounds."""
    if failed >= len(STEPS):
        return False
    step, following = STEPS[failed], STEPS[min(failed + 1, 9)]
    patience = min(int((asked or 0) * SECOND), following)
    return max(step * 9 // 10, patience - SECOND) <= delay <= max(step * 11 // 10, patience)


def deadline(case: Case) -> datetime:
    """When the agency should have acknowledged, as the queue tells it: in whole seconds."""
    by = case.event.acknowledge_by
    assert by is not None, "every referral of a story has its deadline"
    return by.replace(microsecond=0)
