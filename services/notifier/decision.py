"""
The life-cycle of a delivery; pure.

queued -> dispatched -> delivered -> acknowledged -> actioned -> closed, with nack
and withdrawal as other ends. ``delivered`` is not ``acknowledged``: only the
agency's own reference stops the clock. Every function takes a row and what
happened, and returns what changes.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.events import DeliveryWord, OutcomeWord
from contracts.referral import Receipt
from contracts.vocabulary import Action, ChannelName, Nack, Priority, ReceiptOutcome, ReceiptStatus, StatusWord
from services.notifier.delivery import UNANSWERED, Delivery, Life, Push
from services.notifier.escalation import FOLLOW_UPS, FOLLOWED, UNCHANGED, Act, rung
from services.notifier.schedule import PARKED_RETRY, attempt_delay
from services.notifier.verdicts import Verdict

KEPT = timedelta(days=90)
"""How long an ended row is remembered, so that a late or double receipt meets what it answers."""

KEPT_ACKNOWLEDGED = timedelta(days=400)
"""How long a row is remembered whose agency acknowledged and never closed."""

RETRY, LADDER, FOLLOW, FORGET = "retry", "ladder", "follow", "forget"
"""Names of a row's timers."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line for ``deliveries`` and the custody log."""

    what: DeliveryWord
    reason: str | None = None
    channel: ChannelName | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the router is told."""

    what: OutcomeWord
    nack: Nack | None = None
    outcome: ReceiptOutcome | None = None
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """What the sender of the tip is told."""

    status: StatusWord
    outcome: str | None = None
    text: str | None = None


@dataclass(slots=True)
class Change:
    """The row as it is afterwards and everything that follows from the step."""

    row: Delivery
    notes: list[Note] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)
    timers: dict[str, datetime | None] = field(default_factory=dict)
    """Timer name to its time; None: cancelled."""

    def set(self, **values: object) -> None:
        """Change fields of the row."""
        self.row = self.row.model_copy(update=values)

    def end(self, life: Life, now: datetime) -> None:
        """The row's last state: no clock runs on, and in 90 days it is forgotten."""
        self.set(life=life, reason=None)
        self.timers |= {RETRY: None, LADDER: None, FOLLOW: None, FORGET: now + KEPT}
        self.stop_push()

    def stop_push(self) -> None:
        """Send no further copy; one that is under way ends as it ends."""
        if self.row.push not in (Push.NONE, Push.SENDING):
            self.set(push=Push.DONE)
        self.timers[RETRY] = None


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


def attempted(row: Delivery, verdict: Verdict, *, reason: str, now: datetime, counts: bool, asked: timedelta | None = None) -> Change:
    """
    An attempt has ended.

    Args:
        reason: The closed word for it: ``http_503``, ``timeout``.
        counts: False for a breaker's probe and for what an open breaker overtook.
        asked: The agency's ``Retry-After``.
    """
    change = Change(row)
    if verdict is Verdict.DELIVERED:
        change.notes.append(Note("attempted", reason, ChannelName.WEBHOOK))
        change.set(push=Push.DONE, counted=0, reason=None)
        _delivered(change, ChannelName.WEBHOOK, now)
    elif row.ended or row.acknowledged:
        change.notes.append(Note("attempted", reason, ChannelName.WEBHOOK))
        change.set(push=Push.DONE)
    elif verdict in (Verdict.PERMANENT, Verdict.GONE):
        change.notes.append(Note("attempted", reason, ChannelName.WEBHOOK))
        parked(change, reason, now)
        if verdict is Verdict.GONE:
            _report_once(change, Report("agency_removed"))
    elif not counts:
        change.notes.append(Note("attempted", reason, ChannelName.WEBHOOK))
        change.set(push=Push.QUEUED)
    else:
        _try_again(change, reason, now, asked)
    return change


def _try_again(change: Change, reason: str, now: datetime, asked: timedelta | None) -> None:
    counted = change.row.counted + 1
    change.set(counted=counted)
    delay = attempt_delay(counted, change.row.referral_id, asked=asked)
    if delay is None:
        change.notes.append(Note("attempted", reason, ChannelName.WEBHOOK))
        parked(change, "exhausted", now)
        return
    change.set(push=Push.WAITING)
    change.timers[RETRY] = now + delay
    change.notes.append(Note("attempted", reason, ChannelName.WEBHOOK, next_at=now + delay))


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


def climbed(row: Delivery, now: datetime) -> Change:
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
    """An agency that acknowledged live content is asked what came of it; the same referral id, so it is no second one."""
    change = Change(row)
    if row.ended or row.life is not Life.ACKNOWLEDGED:
        return change
    done = row.follow_ups + 1
    change.set(follow_ups=done)
    change.notes.append(Note("escalated", f"follow_up_{FOLLOW_UPS[done - 1] // timedelta(hours=1)}h"))
    change.timers[FOLLOW] = (row.acknowledged_at or now) + FOLLOW_UPS[done] if done < len(FOLLOW_UPS) else None
    if done == UNCHANGED and row.kind.value == "hotline" and row.priority in (Priority.P0, Priority.P1, Priority.P2):
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


def answered(row: Delivery, receipt: Receipt, now: datetime) -> Change:
    """The agency answered. A receipt that changes nothing is recorded and changes nothing."""
    change = Change(row)
    if row.ended:
        change.notes.append(Note("receipt_ignored", f"already_{row.life.value}"))
        return change
    status = receipt.status
    if status is ReceiptStatus.ACKNOWLEDGED:
        _acknowledge(change, receipt, now)
    elif status is ReceiptStatus.NACK:
        change.notes.append(Note("nacked", receipt.nack.value if receipt.nack else None))
        change.reports.append(Report("nack", nack=receipt.nack))
        change.end(Life.NACKED, now)
    elif status is ReceiptStatus.QUESTION:
        change.notes.append(Note("question"))
        change.tellings.append(Telling(StatusWord.QUESTION, text=receipt.text))
    else:
        _worked_on(change, receipt, now)
    return change


def _acknowledge(change: Change, receipt: Receipt, now: datetime) -> None:
    row = change.row
    if row.acknowledged:
        change.notes.append(Note("receipt_ignored", "already_acknowledged"))
        return
    life = Life.ACKNOWLEDGED if row.life in UNANSWERED else row.life
    change.set(life=life, acknowledged_at=now, case=receipt.reference, reason=None)
    change.notes.append(Note("acknowledged", "escalation_stood_down" if row.rungs else None))
    change.reports.append(Report("acknowledged"))
    change.tellings.append(Telling(StatusWord.ACKNOWLEDGED))
    change.timers |= {LADDER: None, FORGET: now + KEPT_ACKNOWLEDGED}
    change.stop_push()
    if row.live and row.kind in FOLLOWED and life is Life.ACKNOWLEDGED:
        change.timers[FOLLOW] = now + FOLLOW_UPS[0]


def _worked_on(change: Change, receipt: Receipt, now: datetime) -> None:
    """``actioned``, ``closed``, ``active_investigation``; with a reference they acknowledge as well."""
    if receipt.reference and not change.row.acknowledged:
        _acknowledge(change, receipt, now)
    word = {ReceiptStatus.ACTIONED: "actioned", ReceiptStatus.CLOSED: "closed"}.get(receipt.status, "active_investigation")
    what: OutcomeWord = "moved" if receipt.outcome is ReceiptOutcome.MOVED else word  # type: ignore[assignment]
    change.reports.append(Report(what, outcome=receipt.outcome, moved_to=receipt.moved_to))
    change.notes.append(Note(word, receipt.outcome.value if receipt.outcome else None))  # type: ignore[arg-type]
    if receipt.status is ReceiptStatus.ACTIVE_INVESTIGATION:
        return
    change.tellings.append(Telling(StatusWord.OUTCOME, outcome=receipt.outcome.value if receipt.outcome else word))
    if receipt.status is ReceiptStatus.CLOSED:
        change.end(Life.CLOSED, now)
    else:
        change.set(life=Life.ACTIONED)
        change.timers[FOLLOW] = None
