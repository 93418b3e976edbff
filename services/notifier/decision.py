"""
The life-cycle of a delivery; pure.

queued -> dispatched -> delivered -> acknowledged -> actioned -> closed, with nack
and withdrawal as other ends. ``delivered`` is not ``acknowledged``: only the
agency's own reference stops the clock (``answers``). Every function takes a row
and what happened, and returns what changes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.vocabulary import Action, AgencyKind, ChannelName, Priority, StatusWord
from services.notifier.change import FOLLOW, LADDER, RETRY, Change, Note, Report, Telling
from services.notifier.delivery import Delivery, Life, Push
from services.notifier.escalation import FOLLOW_UPS, FOLLOWED, UNCHANGED, Act, rung
from services.notifier.schedule import PARKED_RETRY, attempt_delay
from services.notifier.verdicts import Verdict

PASSED_OVER = frozenset({Priority.P0, Priority.P1, Priority.P2})
"""Levels at which a hotline that changes nothing within 72 h leads to another destination."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended, as far as the life-cycle cares."""

    verdict: Verdict
    reason: str
    """The closed word for it: ``http_503``, ``timeout``."""
    counts: bool = True
    """False for a breaker's probe and for what an open breaker overtook."""
    asked: timedelta | None = None
    """The agency's ``Retry-After``."""


def taken(row: Delivery, *, fed: bool, now: datetime) -> Change:
    """A referral has arrived and, where *fed*, stands in the agency's topic when this commits."""
    change = Change(row)
    if fed:
        change.set(life=Life.DISPATCHED)
        change.notes.append(Note("dispatched", channel=ChannelName.TOPIC))
    if not row.notice and (first := rung(row.priority, 0)):
        change.timers[LADDER] = row.queued_at + first.after
    if fed and row.push is Push.NONE:
        _delivered(change, ChannelName.TOPIC, now)
    return change


def attempted(row: Delivery, end: Ended, now: datetime) -> Change:
    """An attempt has ended: delivered, to be made again, or parked."""
    change = Change(row)
    if end.verdict is Verdict.DELIVERED:
        change.notes.append(Note("attempted", end.reason, ChannelName.WEBHOOK))
        change.set(push=Push.DONE, counted=0, reason=None)
        _delivered(change, ChannelName.WEBHOOK, now)
    elif end.counts and end.verdict is Verdict.TRANSIENT and not (row.ended or row.acknowledged):
        _try_again(change, end, now)
    else:
        change.notes.append(Note("attempted", end.reason, ChannelName.WEBHOOK))
        _stay(change, end, now)
    return change


def _stay(change: Change, end: Ended, now: datetime) -> None:
    """Nothing is counted: the row is over, waits for a person, or stands in the queue behind an open breaker."""
    if change.row.ended or change.row.acknowledged:
        change.set(push=Push.DONE)
    elif end.verdict is Verdict.TRANSIENT:
        change.set(push=Push.QUEUED)
    else:
        parked(change, end.reason, now)
        if end.verdict is Verdict.GONE:
            _report_once(change, Report("agency_removed"))


def _try_again(change: Change, end: Ended, now: datetime) -> None:
    counted = change.row.counted + 1
    change.set(counted=counted)
    delay = attempt_delay(counted, change.row.referral_id, asked=end.asked)
    next_at = now + delay if delay is not None else None
    change.notes.append(Note("attempted", end.reason, ChannelName.WEBHOOK, next_at))
    if next_at is None:
        parked(change, "exhausted", now)
    else:
        change.set(push=Push.WAITING)
        change.timers[RETRY] = next_at


def parked(change: Change, reason: str, now: datetime) -> None:
    """Wait for the agency or a person: kept whole, offered again every day and when the agency returns."""
    change.set(push=Push.PARKED, reason=reason)
    change.timers[RETRY] = now + PARKED_RETRY
    change.notes.append(Note("parked", reason, next_at=now + PARKED_RETRY))


def keeps_document(row: Delivery) -> bool:
    """True while the bytes may have to be sent again; afterwards they are deleted."""
    if row.ended or row.push is Push.NONE:
        return False
    followed = row.live and row.kind in FOLLOWED and row.follow_ups < len(FOLLOW_UPS)
    return not row.acknowledged or (followed and row.life is Life.ACKNOWLEDGED)


def due(row: Delivery) -> Change:
    """The time of the next attempt has come."""
    change = Change(row)
    if row.push in (Push.WAITING, Push.PARKED):
        change.set(push=Push.QUEUED)
    change.timers[RETRY] = None
    return change


def climbed(row: Delivery) -> Change:
    """No acknowledgement in time: the next rung of the ladder."""
    change = Change(row)
    step = rung(row.priority, row.rungs)
    if step is None or row.ended or row.acknowledged:
        return change
    change.set(rungs=row.rungs + 1)
    following = rung(row.priority, row.rungs + 1)
    change.timers[LADDER] = row.queued_at + following.after if following else None
    if step.act is Act.EXPIRE:
        change.notes.append(Note("expired"))
        _report_once(change, Report("expired"))
    else:
        change.notes.append(Note("escalated", step.act.value))
    if step.act in (Act.SECOND_CHANNEL, Act.RESEND, Act.REMIND):
        _send_again(change)
    return change


def followed_up(row: Delivery, now: datetime) -> Change:
    """An agency that acknowledged live content is asked what came of it; with the same id, so it is no second one."""
    change = Change(row)
    if row.ended or row.life is not Life.ACKNOWLEDGED:
        return change
    done = row.follow_ups + 1
    change.set(follow_ups=done)
    change.notes.append(Note("escalated", f"follow_up_{FOLLOW_UPS[done - 1] // timedelta(hours=1)}h"))
    change.timers[FOLLOW] = (row.acknowledged_at or now) + FOLLOW_UPS[done] if done < len(FOLLOW_UPS) else None
    if done == UNCHANGED and row.kind is AgencyKind.HOTLINE and row.priority in PASSED_OVER:
        _report_once(change, Report("expired"))
    _send_again(change)
    return change


def _send_again(change: Change) -> None:
    if change.row.push in (Push.DONE, Push.WAITING, Push.PARKED):
        change.set(push=Push.QUEUED, counted=0, reason=None)
        change.timers[RETRY] = None


def _delivered(change: Change, channel: ChannelName, now: datetime) -> None:
    change.timers[RETRY] = None
    if change.row.life not in (Life.QUEUED, Life.DISPATCHED):
        return
    change.set(life=Life.DELIVERED)
    change.notes.append(Note("delivered", channel=channel))
    if change.row.notice:
        change.notes.append(Note("closed", "notice"))
        change.end(Life.CLOSED, now)
        return
    change.tellings.append(Telling(StatusWord.DELIVERED))


def _report_once(change: Change, report: Report) -> None:
    """The router is asked for another destination at most once: no third copy."""
    if not change.row.expired:
        change.set(expired=True)
        change.reports.append(report)


def removed(row: Delivery, now: datetime) -> Change:
    """The agency is no longer onboarded: the row waits for it or a person, and the router finds another destination."""
    change = Change(row)
    if not (row.ended or row.acknowledged):
        if row.push is not Push.NONE:
            parked(change, "recipient_removed", now)
        _report_once(change, Report("agency_removed"))
    return change


def superseded(row: Delivery, by: Action, now: datetime) -> Change:
    """A later version replaces *row* or takes it back: its clock stops, and a copy not yet sent stays here."""
    change = Change(row)
    if row.ended:
        return change
    change.notes.append(Note("withdrawn", "superseded" if by is Action.UPDATE else "withdrawn"))
    change.end(Life.WITHDRAWN, now)
    return change
