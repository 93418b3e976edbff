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
from services.notifier.delivering.change import FOLLOW, LADDER, Change, Note, Report, Telling
from services.notifier.delivering.delivery import OFFERED_AGAIN, Delivery, Life, Push, Way
from services.notifier.delivering.escalation import FOLLOW_UPS, FOLLOWED, UNCHANGED, Act, rung
from services.notifier.delivering.schedule import PARKED_RETRY, attempt_delay
from services.notifier.delivering.verdicts import BUSY, GONE_REASON, Verdict

PASSED_OVER = frozenset({Priority.P0, Priority.P1, Priority.P2})
"""Levels at which a hotline that changes nothing within 72 h, or has no room, leads to another destination."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended, as far as the life-cycle cares."""

    verdict: Verdict
    reason: str
    """The closed word for it: ``http_503``, ``smtp_421``, ``timeout``."""
    channel: ChannelName = ChannelName.WEBHOOK
    counts: bool = True
    """False for a breaker's probe and for what an open breaker overtook."""
    asked: timedelta | None = None
    """The agency's ``Retry-After``."""
    open: bool = False
    """The lane's breaker is open now: what waits behind it waits for long."""


def taken(row: Delivery, *, fed: bool, now: datetime) -> Change:
    """A referral has arrived and, where *fed*, stands in the agency's topic when this commits."""
    change = Change(row)
    if fed:
        change.set(life=Life.DISPATCHED)
        change.notes.append(Note("dispatched", channel=ChannelName.TOPIC))
    if not row.notice and (first := rung(row.priority, 0)):
        change.timers[LADDER] = row.queued_at + first.after
    if fed and not row.ways:
        _delivered(change, ChannelName.TOPIC, now)
    return change


def attempted(row: Delivery, end: Ended, now: datetime, *, following: Way | None = None) -> Change:
    """An attempt has ended: delivered, to be made again, or parked; then *following* takes over."""
    change = Change(row)
    if end.verdict is Verdict.DELIVERED:
        change.notes.append(Note("attempted", end.reason, end.channel))
        delivered(change, end.channel, now)
    elif end.counts and end.verdict is Verdict.TRANSIENT and not (row.ended or row.acknowledged):
        _try_again(change, end, now)
    else:
        change.notes.append(Note("attempted", end.reason, end.channel))
        _stay(change, end, now)
    if following is not None and _passes_on(change, end):
        joined(change, following)
    _report_gone(change)
    return change


def _stay(change: Change, end: Ended, now: datetime) -> None:
    """Nothing is counted: the row is over, waits for a person, or stands in the queue behind an open breaker."""
    if change.row.ended or change.row.acknowledged:
        change.way(end.channel, push=Push.DONE)
    elif end.verdict is Verdict.TRANSIENT:
        change.way(end.channel, push=Push.QUEUED, reason=end.reason)
    else:
        parked(change, end.channel, end.reason, now)


def _try_again(change: Change, end: Ended, now: datetime) -> None:
    way = change.row.way(end.channel) or Way(channel=end.channel)
    delay = attempt_delay(way.counted + 1, change.row.referral_id, asked=end.asked)
    next_at = now + delay if delay is not None else None
    change.way(end.channel, counted=way.counted + 1, push=Push.WAITING, reason=end.reason)
    change.retries[end.channel] = next_at
    change.notes.append(Note("attempted", end.reason, end.channel, next_at))
    if next_at is None:
        parked(change, end.channel, "exhausted", now)


def _passes_on(change: Change, end: Ended) -> bool:
    """True where the next channel joins: this one is parked, or a P0 would have to wait for it."""
    row, way = change.row, change.row.way(end.channel)
    if row.ended or row.acknowledged or way is None or way.push is Push.DONE:
        return False
    return way.push is Push.PARKED or (row.priority is Priority.P0 and (end.open or end.reason in BUSY))


def overtaken(row: Delivery, following: Way) -> Change:
    """A P0 stands behind an open breaker: *following* joins at once."""
    change = Change(row)
    if not (row.ended or row.acknowledged):
        joined(change, following)
    return change


def joined(change: Change, following: Way) -> None:
    """Another channel is used from here on, beside those before it."""
    change.row = change.row.with_way(following)
    change.notes.append(Note("escalated", "next_channel", following.channel))


def parked(change: Change, channel: ChannelName, reason: str, now: datetime) -> None:
    """Wait for the agency or a person: kept whole, offered again every day and when the agency returns."""
    change.way(channel, push=Push.PARKED, reason=reason)
    change.retries[channel] = now + PARKED_RETRY
    change.notes.append(Note("parked", reason, channel, next_at=now + PARKED_RETRY))


def _report_gone(change: Change) -> None:
    """The router finds another way where an address is no more and no other channel is left."""
    ways = change.row.ways
    if all(way.push is Push.PARKED for way in ways) and any(way.reason == GONE_REASON for way in ways):
        report_once(change, Report("agency_removed"))


def keeps_document(row: Delivery) -> bool:
    """True while the bytes may have to be sent again; afterwards they are deleted."""
    if row.ended or not row.ways:
        return False
    if not row.acknowledged or any(way.push not in (Push.DONE, Push.PARKED) for way in row.ways):
        return True
    followed = row.live and row.kind in FOLLOWED and row.follow_ups < len(FOLLOW_UPS)
    return followed and row.life is Life.ACKNOWLEDGED


def due(row: Delivery, channel: ChannelName) -> Change:
    """The time of the next attempt by *channel* has come; a parked fallback rests once one before it got through."""
    change = Change(row)
    way = row.way(channel)
    change.retries[channel] = None
    if way is None or way.push not in (Push.WAITING, Push.PARKED):
        return change
    before = row.ways[: row.ways.index(way)]
    rests = way.push is Push.PARKED and any(each.push is Push.DONE for each in before)
    change.way(channel, push=Push.DONE if rests else Push.QUEUED)
    return change


def climbed(row: Delivery, *, following: Way | None = None) -> Change:
    """No acknowledgement in time: the next rung of the ladder; *following* joins where it says second channel."""
    change = Change(row)
    step = rung(row.priority, row.rungs)
    if step is None or row.ended or row.acknowledged:
        return change
    change.set(rungs=row.rungs + 1)
    later = rung(row.priority, row.rungs + 1)
    change.timers[LADDER] = row.queued_at + later.after if later else None
    if step.act is Act.EXPIRE:
        change.notes.append(Note("expired"))
        report_once(change, Report("expired"))
    else:
        change.notes.append(Note("escalated", step.act.value))
    if step.act in (Act.SECOND_CHANNEL, Act.RESEND, Act.REMIND):
        send_again(change)
    if step.act is Act.SECOND_CHANNEL and following is not None:
        joined(change, following)
    return change


def followed_up(row: Delivery, now: datetime) -> Change:
    """An agency that acknowledged live content is asked what came of it; with the same id, so it is no second one."""
    change = Change(row)
    if row.ended or row.life is not Life.ACKNOWLEDGED:
        return change
    done = row.follow_ups + 1
    change.set(follow_ups=done)
    change.notes.append(Note("escalated", f"follow_up_{FOLLOW_UPS[done - 1] // timedelta(hours=1)}h"))
    change.timers[FOLLOW] = _next_follow_up(row, done, now)
    if done == UNCHANGED and row.kind is AgencyKind.HOTLINE and row.priority in PASSED_OVER:
        report_once(change, Report("expired"))
    send_again(change)
    return change


def _next_follow_up(row: Delivery, done: int, now: datetime) -> datetime | None:
    """By the table; where some were put off, a day is left to answer each."""
    if done == len(FOLLOW_UPS):
        return None
    return max((row.acknowledged_at or now) + FOLLOW_UPS[done], now + FOLLOW_UPS[0])


def send_again(change: Change) -> None:
    """Every copy that is at rest goes out once more."""
    for way in change.row.ways:
        if way.push in OFFERED_AGAIN:
            change.way(way.channel, push=Push.QUEUED, counted=0, reason=None)
            change.retries[way.channel] = None


def delivered(change: Change, channel: ChannelName, now: datetime) -> None:
    """The copy for *channel* has arrived."""
    change.way(channel, push=Push.DONE, counted=0, reason=None)
    change.retries[channel] = None
    _delivered(change, channel, now)


def _delivered(change: Change, channel: ChannelName, now: datetime) -> None:
    if change.row.life not in (Life.QUEUED, Life.DISPATCHED):
        return
    change.set(life=Life.DELIVERED, delivered_at=now)
    change.notes.append(Note("delivered", channel=channel))
    if change.row.notice:
        change.notes.append(Note("closed", "notice"))
        change.end(Life.CLOSED, now)
        return
    change.tellings.append(Telling(StatusWord.DELIVERED))


def report_once(change: Change, report: Report) -> None:
    """The router is asked for another destination at most once: no third copy."""
    if not change.row.expired:
        change.set(expired=True)
        change.reports.append(report)


def removed(row: Delivery, now: datetime) -> Change:
    """The agency is no longer onboarded: the row waits for it or a person, and the router finds another destination."""
    change = Change(row)
    if not (row.ended or row.acknowledged):
        for way in row.ways:
            if way.push is not Push.GATHERED:
                parked(change, way.channel, "recipient_removed", now)
        report_once(change, Report("agency_removed"))
    return change


def superseded(row: Delivery, by: Action, now: datetime) -> Change:
    """A later version replaces *row* or takes it back: its clock stops, and a copy not yet sent stays here."""
    change = Change(row)
    if row.ended:
        return change
    change.notes.append(Note("withdrawn", "superseded" if by is Action.UPDATE else "withdrawn"))
    change.end(Life.WITHDRAWN, now)
    return change
