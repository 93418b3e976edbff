"""
Who goes next to one agency; pure.

A lane per agency: urgent first, then oldest deadline; as many at once as the
agency agreed to, as often as it agreed to. Lanes never wait for each other.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import AwareDatetime

from contracts.indicators import Frozen
from contracts.onboarding import Agency
from services.notifier.breaker import Breaker
from services.notifier.delivery import Delivery

BURST = timedelta(seconds=6)
"""Share of a minute's rate that may go out at once after a quiet time: a tenth."""


class Lane(Frozen):
    """What is under way to one agency."""

    sending: tuple[UUID, ...] = ()
    breaker: Breaker = Breaker()
    paced_to: AwareDatetime | None = None
    """Up to when the agreed rate is used up (generic cell rate algorithm)."""
    wake: AwareDatetime | None = None
    """When the lane's timer goes off; None: no timer is set."""

    def started(self, delivery: UUID, *, now: datetime, agency: Agency) -> "Lane":
        """The lane with one more attempt under way."""
        base = max(self.paced_to or now, now)
        paced_to = base + timedelta(minutes=1) / agency.rate_per_minute
        return self.model_copy(update={"sending": (*self.sending, delivery), "paced_to": paced_to})

    def ended(self, delivery: UUID, breaker: Breaker) -> "Lane":
        """The lane with that attempt over."""
        return self.model_copy(
            update={"sending": tuple(each for each in self.sending if each != delivery), "breaker": breaker}
        )

    def free_at(self, now: datetime) -> datetime:
        """When the agreed rate allows the next attempt; *now* or earlier: at once."""
        return now if self.paced_to is None else max(now, self.paced_to - BURST)

    def room(self, now: datetime, agency: Agency, *, urgent: bool) -> bool:
        """
        True when one more attempt may start.

        The last free place is kept for urgent referrals, so that one never waits
        behind a full row of slow routine attempts.
        """
        free = self.breaker.room(now, sending=len(self.sending), concurrency=agency.concurrency)
        kept = 1 if self.breaker.closed and agency.concurrency > 1 and not urgent else 0
        return free > kept

    def wakes_at(self, now: datetime) -> datetime | None:
        """When to look again if nothing has come back by then; None: the next end of an attempt wakes the lane."""
        until = self.breaker.until
        if until is not None and now < until:
            return until
        free = self.free_at(now)
        return free if free > now else None


QUEUE = "q/"


def lane_prefix(agency: str) -> str:
    """Prefix of the queue keys of one agency."""
    return f"{QUEUE}{agency}/"


def queue_key(row: Delivery) -> str:
    """Where *row* stands in its agency's queue: the order of keys is the order of sending."""
    urgency = 0 if row.priority.urgent else 1
    deadline = row.deadline.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{lane_prefix(row.agency)}{urgency}/{deadline}/{row.referral_id}"


def read_queue_key(key: str) -> tuple[bool, UUID]:
    """Urgency and referral id of a queue key."""
    urgency, _, referral = key.rsplit("/", 3)[1:]
    return urgency == "0", UUID(referral)
