"""
Who goes next to one agency; pure.

A lane per agency and pushed channel: urgent first, then oldest deadline; as many
at once as the agency agreed to, as often as it agreed to. Lanes never wait for
each other: mail that fails does not open the webhook's breaker.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import AwareDatetime

from contracts.indicators import Frozen
from contracts.onboarding import Agency
from contracts.vocabulary import ChannelName
from services.notifier.delivering.breaker import Breaker
from services.notifier.delivering.delivery import Delivery

BURST = timedelta(seconds=6)
"""Share of a minute's rate that may go out at once after a quiet time: a tenth."""


BESIDE = "~"
"""Stands between agency and channel in a lane's name; no id holds it."""


def lane_name(agency: str, channel: ChannelName) -> str:
    """Name of the lane: the webhook's is the agency's id alone, as in stores of the time when it was the only one."""
    return agency if channel is ChannelName.WEBHOOK else f"{agency}{BESIDE}{channel.value}"


def read_lane_name(name: str) -> tuple[str, ChannelName]:
    """Agency and channel that a lane's name holds."""
    agency, beside, channel = name.partition(BESIDE)
    return agency, ChannelName(channel) if beside else ChannelName.WEBHOOK


FARTHEST = timedelta(minutes=1) + BURST
"""How far ahead the slowest rate (one a minute) can have used up its time."""


class Lane(Frozen):
    """What is under way to one agency by one channel."""

    sending: tuple[UUID, ...] = ()
    breaker: Breaker = Breaker()
    paced_to: AwareDatetime | None = None
    """Up to when the agreed rate is used up (generic cell rate algorithm)."""
    wake: AwareDatetime | None = None
    """When the lane's timer goes off; None: no timer is set."""

    def started(self, delivery: UUID, *, now: datetime, agency: Agency) -> "Lane":
        """The lane with one more attempt under way."""
        base = max(self._paced(now) or now, now)
        paced_to = base + timedelta(minutes=1) / agency.rate_per_minute
        return self.model_copy(update={"sending": (*self.sending, delivery), "paced_to": paced_to})

    def ended(self, delivery: UUID, breaker: Breaker) -> "Lane":
        """The lane with that attempt over."""
        return self.model_copy(
            update={"sending": tuple(each for each in self.sending if each != delivery), "breaker": breaker}
        )

    def free_at(self, now: datetime) -> datetime:
        """When the agreed rate allows the next attempt; *now* or earlier: at once."""
        paced_to = self._paced(now)
        return now if paced_to is None else max(now, paced_to - BURST)

    def _paced(self, now: datetime) -> datetime | None:
        """`paced_to`, unless it is further away than any rate leads to: then the clock was set back."""
        return None if self.paced_to is None or self.paced_to - now > FARTHEST else self.paced_to

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
        if until is not None and self.breaker.state(now) == "open":
            return until
        free = self.free_at(now)
        return free if free > now else None


QUEUE = "q/"


def lane_prefix(name: str) -> str:
    """Prefix of the queue keys of one lane."""
    return f"{QUEUE}{name}/"


def queue_key(row: Delivery, channel: ChannelName) -> str:
    """Where *row* stands in the queue of a lane: the order of keys is the order of sending."""
    urgency = 0 if row.priority.urgent else 1
    return place(lane_name(row.agency, channel), urgency, row.deadline, row.referral_id)


def place(lane: str, urgency: int, deadline: datetime, referral: UUID) -> str:
    """Key of a place in the queue of *lane*: 0 for urgent, else 1, then the deadline."""
    return f"{lane_prefix(lane)}{urgency}/{deadline.astimezone(UTC).strftime('%Y%m%dT%H%M%S')}/{referral}"


def read_queue_key(key: str) -> tuple[bool, UUID]:
    """Urgency and referral id of a queue key."""
    urgency, _, referral = key.rsplit("/", 3)[1:]
    return urgency == "0", UUID(referral)
