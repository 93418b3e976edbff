"""
The day's digest of an agency that wants its P4 referrals in one message; pure.

What a digest lists is fixed when it is made, and so is its Message-ID: a message
of which nobody knows whether it arrived is sent again as it was. A referral is
listed once; a reminder weeks later is a message of its own.
"""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid5

from pydantic import AwareDatetime

from contracts.indicators import Frozen
from contracts.vocabulary import Action, ChannelName, Priority
from services.notifier.delivering.delivery import Delivery, Push
from services.notifier.delivering.order import BESIDE, lane_name, place
from services.notifier.delivering.schedule import PARKED_RETRY, attempt_delay
from services.notifier.delivering.verdicts import Verdict

DEPARTS = time(6, 0, tzinfo=UTC)
"""When digests leave: before a desk in Europe begins its day. UTC, so that it is once a day on every day."""

MOST = 200
"""Referrals in one message: about 60 kB of text; more go in further messages at once."""

GATHERED, DIGEST = "g/", "y/"
"""Key prefixes: what waits for the next digest, and digests on their way."""

DEPARTURE = "departure"
"""Name of an agency's timer, and of the row beside it that says it is set."""


class Line(Frozen):
    """What a notice says of one referral: nothing that the tip said."""

    referral: UUID
    priority: Priority
    deadline: AwareDatetime
    action: Action


class Digest(Frozen):
    """One message that lists several referrals, on its way by mail."""

    id: UUID
    agency: str
    made_at: AwareDatetime
    lines: tuple[Line, ...]
    push: Push = Push.QUEUED
    counted: int = 0
    tries: int = 0
    reason: str | None = None
    """Why it is parked."""
    due: AwareDatetime | None = None
    """Of its next attempt."""

    @property
    def lane(self) -> str:
        """Name of the lane it goes by."""
        return lane_name(self.agency, ChannelName.EMAIL)

    @property
    def queue_key(self) -> str:
        """Where it stands in that lane: behind what is urgent, by the deadline of its first line."""
        return place(self.lane, 1, self.lines[0].deadline, self.id)


def line_of(row: Delivery) -> Line:
    """The line of *row*."""
    return Line(referral=row.referral_id, priority=row.priority, deadline=row.deadline, action=row.action)


def next_departure(now: datetime) -> datetime:
    """The first time after *now* at which digests leave."""
    today = datetime.combine(now.astimezone(UTC).date(), DEPARTS)
    return today if today > now else today + timedelta(days=1)


def gathered_key(row: Delivery) -> str:
    """Where *row* waits for the next digest, by its deadline."""
    deadline = row.deadline.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{GATHERED}{row.agency}/{deadline}/{row.referral_id}"


def digest_key(agency: str, digest: UUID) -> str:
    """Key of a digest on its way."""
    return f"{DIGEST}{agency}/{digest}"


def departure_key(agency: str) -> str:
    """Key of the row that says that the agency's timer is set; no id of an agency reads like it."""
    return f"{DEPARTURE}{BESIDE}{agency}"


def made(agency: str, rows: tuple[Delivery, ...], now: datetime) -> Digest:
    """The digest that lists *rows*; a referral is listed once, so the first one names the message for good."""
    return Digest(
        id=uuid5(rows[0].referral_id, "digest"), agency=agency, made_at=now, lines=tuple(line_of(row) for row in rows)
    )


def ended(digest: Digest, verdict: Verdict, reason: str, now: datetime, *, counts: bool) -> Digest:
    """The digest after an attempt that ended so: delivered, to be sent again as it is, or parked and offered daily."""
    if verdict is Verdict.DELIVERED:
        return digest.model_copy(update={"push": Push.DONE, "due": None, "reason": None})
    if verdict is Verdict.TRANSIENT and not counts:
        return digest.model_copy(update={"push": Push.QUEUED, "due": None})
    counted = digest.counted + 1
    delay = attempt_delay(counted, digest.id) if verdict is Verdict.TRANSIENT else None
    if delay is not None:
        return digest.model_copy(update={"push": Push.WAITING, "counted": counted, "due": now + delay})
    why = "exhausted" if verdict is Verdict.TRANSIENT else reason
    return digest.model_copy(update={"push": Push.PARKED, "counted": 0, "reason": why, "due": now + PARKED_RETRY})
