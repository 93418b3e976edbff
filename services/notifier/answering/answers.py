"""What an agency's receipt changes; pure."""

from datetime import datetime
from typing import Literal

from contracts.referral import Receipt
from contracts.vocabulary import Nack, ReceiptOutcome, ReceiptStatus, StatusWord
from services.notifier.decision import PASSED_OVER, parked, report_once
from services.notifier.delivering.change import FOLLOW, FORGET, KEPT_ACKNOWLEDGED, LADDER, Change, Note, Report, Telling
from services.notifier.delivering.delivery import OFFERED_AGAIN, UNANSWERED, Delivery, Life, Push
from services.notifier.delivering.escalation import FOLLOW_UPS, FOLLOWED


def answered(row: Delivery, receipt: Receipt, now: datetime) -> Change:
    """The agency answered. A receipt that changes nothing is recorded and changes nothing."""
    change, status = Change(row), receipt.status
    if status is ReceiptStatus.ACTIVE_INVESTIGATION:
        _investigated(change, receipt, now)
    elif row.ended:
        change.notes.append(Note("receipt_ignored", f"already_{row.life.value}"))
    elif status is ReceiptStatus.ACKNOWLEDGED and receipt.outcome is None:
        _acknowledge(change, receipt, now)
    elif status is ReceiptStatus.NACK and receipt.nack is Nack.OVERLOAD:
        _overloaded(change, now)
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
    change.set(life=life, acknowledged_at=now, case=receipt.reference)
    change.notes.append(Note("acknowledged", "escalation_stood_down" if row.rungs else None))
    change.reports.append(Report("acknowledged"))
    change.tellings.append(Telling(StatusWord.ACKNOWLEDGED))
    change.timers |= {LADDER: None, FORGET: now + KEPT_ACKNOWLEDGED}
    change.stop_push()
    if row.live and row.kind in FOLLOWED and life is Life.ACKNOWLEDGED:
        change.timers[FOLLOW] = now + FOLLOW_UPS[0]


def _overloaded(change: Change, now: datetime) -> None:
    """It has no room now: kept and offered again daily, the clock runs on; P0 to P2 others are asked for at once."""
    row = change.row
    if row.acknowledged:
        change.notes.append(Note("receipt_ignored", "already_acknowledged"))
        return
    resting = [way.channel for way in row.ways if way.push in (*OFFERED_AGAIN, Push.QUEUED)]
    for channel in resting:
        parked(change, channel, Nack.OVERLOAD.value, now)
    if not resting:
        change.notes.append(Note("parked", Nack.OVERLOAD.value))
    change.reports.append(Report("nack", nack=Nack.OVERLOAD))
    if row.priority in PASSED_OVER:
        report_once(change, Report("expired"))


def _investigated(change: Change, receipt: Receipt, now: datetime) -> None:
    """
    The police are at it: true for the tip, also where this version of it was replaced or is over.

    The router hears of it before it hears of an acknowledgement, which would let the takedown go (R39 before R06).
    """
    change.reports.append(Report("active_investigation", outcome=receipt.outcome, moved_to=receipt.moved_to))
    if receipt.reference and not (change.row.acknowledged or change.row.ended):
        _acknowledge(change, receipt, now)
    change.notes.append(Note("active_investigation", receipt.outcome.value if receipt.outcome else None))


def _worked_on(change: Change, receipt: Receipt, now: datetime) -> None:
    """``actioned`` or ``closed``, or an acknowledgement with an outcome; with a reference they acknowledge as well."""
    if receipt.reference and not change.row.acknowledged:
        _acknowledge(change, receipt, now)
    # What has moved is over for this agency: said twice, it is not a second move.
    moved = receipt.outcome is ReceiptOutcome.MOVED
    word: Literal["actioned", "closed"] = "closed" if moved or receipt.status is ReceiptStatus.CLOSED else "actioned"
    outcome = receipt.outcome.value if receipt.outcome else None
    change.reports.append(Report("moved" if moved else word, outcome=receipt.outcome, moved_to=receipt.moved_to))
    change.notes.append(Note(word, outcome))
    change.tellings.append(Telling(StatusWord.OUTCOME, outcome=outcome or word))
    if word == "closed":
        change.end(Life.CLOSED, now)
    else:
        change.set(life=Life.ACTIONED)
        change.timers[FOLLOW] = None
