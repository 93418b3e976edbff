"""One referral on its way to one agency: a small row; the document lies beside it in the store, not in memory."""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, model_validator

from contracts.events import ReferralRouted
from contracts.indicators import Frozen
from contracts.onboarding import Agency
from contracts.referral import FeedSkipped
from contracts.vocabulary import Action, AgencyKind, ChannelName, Priority
from services.notifier.delivering.escalation import target

_JWE = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}")
"""JWE in its compact form: five parts of base64url. A document in clear text begins with a brace."""


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
    """Where the copy of one pushed channel is."""

    QUEUED = "queued"
    SENDING = "sending"
    WAITING = "waiting"
    """For its next attempt."""
    GATHERED = "gathered"
    """For the day's digest, or listed in one that is not delivered yet."""
    PARKED = "parked"
    DONE = "done"


OFFERED_AGAIN = frozenset({Push.DONE, Push.WAITING, Push.PARKED})
"""Places that a copy is fetched from when a rung of the ladder sends it again."""


class Way(Frozen):
    """One pushed channel of a referral, and how far its copy has come."""

    channel: ChannelName
    push: Push = Push.QUEUED
    counted: int = 0
    """Attempts that failed on the schedule; a breaker's probes do not count."""
    tries: int = 0
    """Attempts ever begun; with channel and referral id, the name of each."""
    reason: str | None = None
    """Why it is parked, or how its last attempt failed."""


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
    is_test: bool = False
    live: bool = False
    """There is content that may still be up: worth asking again what came of it."""
    life: Life = Life.QUEUED
    ways: tuple[Way, ...] = ()
    """The pushed channels in use, in the order in which they joined; empty where the agency reads a feed only."""
    rungs: int = 0
    """Rungs of the escalation ladder that are behind."""
    follow_ups: int = 0
    expired: bool = False
    """The router was told to look for another destination; at most once."""
    acknowledged_at: AwareDatetime | None = None
    case: str | None = None
    """The agency's own reference."""
    digest: str | None = None
    """``sha-256:`` and hex of the document: what the custody log says was disclosed."""
    sealed: bool = False
    """The document is encrypted to the agency's key, so a mail may carry it."""
    number: int | None = None
    """Its number in the agency's feed; None for rows of the time before feeds were numbered."""
    previous: str | None = None
    """Digest of the document before it in the feed."""
    skipped: tuple[FeedSkipped, ...] = ()
    """Numbers that it names as skipped."""
    delivered_at: AwareDatetime | None = None
    """When the first channel had it."""
    reopened_at: AwareDatetime | None = None
    """When an operator last had it sent again."""
    trace: str | None = None
    """``traceparent`` that the referral came with: later attempts are told in its trace, or link to it."""
    accepted_at: str | None = None
    """When intake accepted the tip, as the referral's header says: its age is told from it."""

    @model_validator(mode="before")
    @classmethod
    def _of_one_channel(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever the store holds
        """A row of the time when the webhook was the only pushed channel."""
        if not isinstance(stored, dict) or "ways" in stored or stored.get("push", "none") == "none":
            return stored
        webhook = {name: stored[name] for name in ("push", "counted", "tries", "reason") if name in stored}
        return stored | {"ways": ({"channel": ChannelName.WEBHOOK} | webhook,)}

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

    @property
    def attempts(self) -> int:
        """Attempts ever begun, over all channels."""
        return sum(way.tries for way in self.ways)

    def way(self, channel: ChannelName) -> Way | None:
        """How far the copy for *channel* is; None where that channel is not in use."""
        return next((way for way in self.ways if way.channel is channel), None)

    def with_way(self, changed: Way) -> "Delivery":
        """The row with *changed* in the place of that channel's state, or behind the others where it is new."""
        ways = tuple(changed if way.channel is changed.channel else way for way in self.ways)
        new = () if self.way(changed.channel) else (changed,)
        return self.model_copy(update={"ways": ways + new})


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
        is_test=event.is_test,
        live=bool(event.content.indicators.urls),
        ways=tuple(way for way in (joining(agency, event.priority, ()),) if way is not None),
        digest=f"sha-256:{sha256(document).hexdigest()}",
        sealed=sealed(document),
        trace=came.trace if came else None,
        accepted_at=came.accepted_at if came else None,
    )


PUSHED = (ChannelName.WEBHOOK, ChannelName.EMAIL)


def sealed(document: bytes) -> bool:
    """True where the bytes are encrypted: clear text never goes into a mail."""
    return _JWE.fullmatch(document) is not None


def joining(agency: Agency, priority: Priority, ways: Iterable[Way]) -> Way | None:
    """The way that joins next: the first pushed channel in the record's order that is not in *ways*; None: no more."""
    used = {way.channel for way in ways}
    channel = next((name for name in agency.channels if name in PUSHED and name not in used), None)
    if channel is None:
        return None
    # A document that the agency can read only from its mail does not share a message with others.
    listed = agency.digest_p4 and agency.encrypt_to is None and priority is Priority.P4
    gathered = listed and channel is ChannelName.EMAIL
    return Way(channel=channel, push=Push.GATHERED if gathered else Push.QUEUED)


def feeds(agency: Agency) -> bool:
    """
    True where the agency's own topic is written: it reads that topic, or pulls it through the door.

    A notice by mail says nothing of the tip. Where no encrypted document goes
    with it, the agency's token opens the document at the door, so it must be there.
    """
    if ChannelName.TOPIC in agency.channels or ChannelName.PULL in agency.channels:
        return True
    return ChannelName.EMAIL in agency.channels and agency.encrypt_to is None and agency.token is not None
