"""
Operators' orders for one agency: what each changes, or why nothing changes; pure.

An order that comes too late says so and does nothing: of two people who take up
the same parked referral at once, one does it and the other is told.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pydantic import AwareDatetime, Field

from contracts.events import AgencyOrdered
from contracts.indicators import Frozen
from contracts.vocabulary import Order, Priority, StatusWord
from services.notifier.decision import send_again
from services.notifier.delivering.change import Change, Note, Report, Telling
from services.notifier.delivering.delivery import OFFERED_AGAIN, Delivery, Life

STANDING = "o/"
"""Key prefix: what stands ordered for an agency."""

REPLAY = "replay"
"""Reason of the note that marks what is sent again by order."""

BY_PERSON = "by_person"
"""Reason of the note that ends a referral by order; who and why stand in the custody log."""

A_MOMENT = timedelta(minutes=10)
"""So long after a replay another one of the same referral needs force: two operators look at the same parked one."""

TWO = 2
"""People who must agree to close a P0 that nobody acknowledged."""


class Refusal(StrEnum):
    """Why an order changes nothing, or leaves a referral out."""

    ALREADY_PAUSED = "already_paused"
    NOT_PAUSED = "not_paused"
    UNKNOWN_REFERRAL = "unknown_referral"
    ENDED = "ended"
    ACKNOWLEDGED = "acknowledged"
    """Sent again only with force: the agency has given its case number."""
    FEED_ONLY = "feed_only"
    """The agency is not pushed to: the document stands in its feed, where it can be read again at any time."""
    NOT_KEPT = "not_kept"
    """The document was deleted here: nobody had to expect that it would be sent again."""
    UNDER_WAY = "under_way"
    """It stands in the queue or is being sent at this moment."""
    OVERTAKEN = "overtaken"
    """There was an attempt since the operator looked."""
    JUST_REPLAYED = "just_replayed"
    """It was sent again by order a moment ago, by somebody else or by a command given twice."""
    NEEDS_TWO = "needs_two"
    """One person alone may not close a P0 that nobody acknowledged."""
    REMOVED = "recipient_removed"
    """The agency is not onboarded, suspended or on hold: it waits, and goes out when it is back."""
    BUSY = "busy"
    """An earlier order of the same kind for the agency is still being carried out."""


class Standing(Frozen):
    """What stands ordered for an agency."""

    paused_by: tuple[str, ...] = ()
    """Who paused it; empty: it is not paused."""
    reason: str | None = None
    at: AwareDatetime | None = None
    sweep: AgencyOrdered | None = None
    """A replay of everything since a time, while it goes on."""
    cause: str | None = None
    """Id of that order's event."""
    step: int = 0
    """Of the sweep: the next bucket of rows."""
    counts: dict[str, int] = Field(default_factory=dict)
    """What it came to so far."""

    @property
    def paused(self) -> bool:
        """True while no attempt may begin."""
        return bool(self.paused_by)


class Obeyed(NamedTuple):
    """The standing order as it is afterwards, or why it is as it was."""

    standing: Standing
    refused: Refusal | None = None


def standing_key(agency: str) -> str:
    """Key of what stands ordered for *agency*."""
    return STANDING + agency


def paused(standing: Standing, order: AgencyOrdered) -> Obeyed:
    """No attempt begins from here on."""
    if standing.paused:
        return Obeyed(standing, Refusal.ALREADY_PAUSED)
    held = {"paused_by": order.by, "reason": order.reason, "at": order.at}
    return Obeyed(standing.model_copy(update=held))


def resumed(standing: Standing) -> Obeyed:
    """Attempts begin again."""
    if not standing.paused:
        return Obeyed(standing, Refusal.NOT_PAUSED)
    return Obeyed(standing.model_copy(update={"paused_by": (), "reason": None, "at": None}))


def reopened(row: Delivery, order: AgencyOrdered, now: datetime, *, has_document: bool) -> Change | Refusal:
    """*row* goes out again, with the same id and the same bytes; never what is acknowledged, unless by force."""
    refused = _not_again(row, order, now)
    if refused is not None:
        return refused
    if not has_document:
        return Refusal.NOT_KEPT
    change = Change(row)
    change.set(reopened_at=now)
    change.notes += [Note("reopened", REPLAY, way.channel) for way in row.ways if way.push in OFFERED_AGAIN]
    send_again(change)
    return change


def _not_again(row: Delivery, order: AgencyOrdered, now: datetime) -> Refusal | None:
    """The first reason against sending *row* again."""
    reasons = (
        (Refusal.ENDED, row.ended),
        (Refusal.ACKNOWLEDGED, row.acknowledged and not order.force),
        (Refusal.FEED_ONLY, not row.ways),
        (Refusal.OVERTAKEN, order.seen is not None and order.seen != row.attempts),
        (Refusal.UNDER_WAY, not any(way.push in OFFERED_AGAIN for way in row.ways)),
        (Refusal.JUST_REPLAYED, not order.force and row.reopened_at is not None and now < row.reopened_at + A_MOMENT),
    )
    return next((refusal for refusal, holds in reasons if holds), None)


def closed(row: Delivery, order: AgencyOrdered, now: datetime) -> Change | Refusal:
    """A person ends *row*: no clock runs on, the router and the sender are told; a P0 that is open needs two people."""
    if row.ended:
        return Refusal.ENDED
    if order.seen is not None and order.seen != row.attempts:
        return Refusal.OVERTAKEN
    if needs_two(row.priority, acknowledged=row.acknowledged) and not are_two(order.by):
        return Refusal.NEEDS_TWO
    change = Change(row)
    change.notes.append(Note("closed", BY_PERSON))
    if not row.notice:
        change.reports.append(Report("closed_by_person"))
        change.tellings.append(Telling(StatusWord.OUTCOME, outcome="closed_by_person"))
    change.end(Life.CLOSED, now)
    return change


def needs_two(priority: Priority, *, acknowledged: bool = False) -> bool:
    """True where one person alone may not close it."""
    return priority is Priority.P0 and not acknowledged


def are_two(by: tuple[str, ...]) -> bool:
    """True where two different people are named."""
    return len({name.casefold() for name in by}) >= TWO


def concerns(row: Delivery, order: AgencyOrdered) -> bool:
    """True where a replay of everything since a time means *row*; what has ended is left out without a word."""
    return order.order is Order.REDELIVER and order.since is not None and row.queued_at >= order.since and not row.ended
