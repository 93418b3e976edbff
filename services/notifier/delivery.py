"""One referral on its way to one agency: a small row; the document lies beside it in the store, not in memory."""

from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from pydantic import AwareDatetime

from contracts.events import ReferralRouted
from contracts.indicators import Frozen
from contracts.onboarding import Agency
from contracts.vocabulary import Action, AgencyKind, ChannelName, Priority
from services.notifier.escalation import target


class Life(StrEnum):
    """How far a referral has come."""

    QUEUED = "queued"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    ACTIONED = "actioned"
    CLOSED = "closed"
    NACKED = "nacked"
    WITHDRAWN = "withdrawn"
    """Taken back, or replaced by an update, before the agency was done with it."""


ENDED = frozenset({Life.CLOSED, Life.NACKED, Life.WITHDRAWN})
"""Nothing follows but forgetting."""

UNANSWERED = frozenset({Life.QUEUED, Life.DISPATCHED, Life.DELIVERED})


class Push(StrEnum):
    """Where the pushed copy is (webhook); ``none`` where the agency reads a topic only."""

    NONE = "none"
    QUEUED = "queued"
    SENDING = "sending"
    WAITING = "waiting"
    """For its next attempt."""
    PARKED = "parked"
    DONE = "done"


class Delivery(Frozen):
    """The row. Holds no content."""

    referral_id: UUID
    tip_id: UUID
    version: int
    agency: str
    kind: AgencyKind
    action: Action
    priority: Priority
    group: str
    partner: str
    reference: str
    """The sender's reference: where its statuses go."""
    queued_at: AwareDatetime
    deadline: AwareDatetime
    live: bool = False
    """There is content that may still be up: worth asking again what came of it."""
    life: Life = Life.QUEUED
    push: Push = Push.NONE
    counted: int = 0
    """Attempts that failed on the schedule; a breaker's probes do not count."""
    tries: int = 0
    """Attempts ever begun; with the referral id, the name of each."""
    rungs: int = 0
    """Rungs of the escalation ladder that are behind."""
    follow_ups: int = 0
    expired: bool = False
    """The router was told to look for another destination; at most once."""
    acknowledged_at: AwareDatetime | None = None
    case: str | None = None
    """The agency's own reference."""
    reason: str | None = None
    """Why it is parked."""
    digest: str | None = None
    """``sha-256:`` and hex of the document: what the custody log says was disclosed."""
    trace: str | None = None
    """``traceparent`` that the referral came with: later attempts are told in its trace, or link to it."""
    accepted_at: str | None = None
    """When intake accepted the tip, as the referral's header says: its age is told from it."""

    @property
    def notice(self) -> bool:
        """True for a withdrawal or a count: nothing is asked of the agency, so no answer is waited for."""
        return self.action in (Action.WITHDRAWN, Action.SIGHTINGS)

    @property
    def ended(self) -> bool:
        """True when nothing follows."""
        return self.life in ENDED

    @property
    def acknowledged(self) -> bool:
        """True once the agency gave its reference: the only thing that stops the clock."""
        return self.acknowledged_at is not None


class Came(NamedTuple):
    """What a referral's headers say."""

    trace: str | None = None
    accepted_at: str | None = None


def begin(
    event: ReferralRouted, agency: Agency, now: datetime, *, document: bytes, came: Came | None = None
) -> Delivery:
    """The row of a referral that has just arrived."""
    return Delivery(
        referral_id=event.referral_id,
        tip_id=event.tip_id,
        version=event.version,
        agency=agency.id,
        kind=agency.kind,
        action=event.action,
        priority=event.priority,
        group=event.group,
        partner=event.partner,
        reference=event.reference,
        queued_at=now,
        deadline=event.acknowledge_by or now + target(event.priority),
        live=bool(event.content.indicators.urls),
        push=Push.QUEUED if pushes(agency) else Push.NONE,
        digest=f"sha-256:{sha256(document).hexdigest()}",
        trace=came.trace if came else None,
        accepted_at=came.accepted_at if came else None,
    )


def pushes(agency: Agency) -> bool:
    """True where a webhook is called."""
    return ChannelName.WEBHOOK in agency.channels


def feeds(agency: Agency) -> bool:
    """True where the agency's own topic is written: it reads that topic, or pulls it through the door."""
    return ChannelName.TOPIC in agency.channels or ChannelName.PULL in agency.channels
