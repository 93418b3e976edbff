"""What an agency's receipt changes; pure."""

from datetime import datetime

from contracts.events import DeliveryWord, OutcomeWord
from contracts.referral import Receipt
from contracts.vocabulary import ReceiptOutcome, ReceiptStatus, StatusWord
from services.notifier.change import FOLLOW, FORGET, KEPT_ACKNOWLEDGED, LADDER, Change, Note, Report, Telling
from services.notifier.delivery import UNANSWERED, Delivery, Life
from services.notifier.escalation import FOLLOW_UPS, FOLLOWED

WORDS: dict[ReceiptStatus, tuple[DeliveryWord, OutcomeWord]] = {
    ReceiptStatus.ACTIONED: ("actioned", "actioned"),
    ReceiptStatus.CLOSED: ("closed", "closed"),
    ReceiptStatus.ACTIVE_INVESTIGATION: ("active_investigation", "active_investigation"),
}
"""What is noted and what the router is told of the receipts that work goes on from."""


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
    change.set(life=life, acknowledged_at=now, case=receipt.reference)
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
    noted, told = WORDS[receipt.status]
    outcome = receipt.outcome.value if receipt.outcome else None
    what = "moved" if receipt.outcome is ReceiptOutcome.MOVED else told
    change.reports.append(Report(what, outcome=receipt.outcome, moved_to=receipt.moved_to))
    change.notes.append(Note(noted, outcome))
    if receipt.status is ReceiptStatus.ACTIVE_INVESTIGATION:
        return
    change.tellings.append(Telling(StatusWord.OUTCOME, outcome=outcome or noted))
    if receipt.status is ReceiptStatus.CLOSED:
        change.end(Life.CLOSED, now)
    else:
        change.set(life=Life.ACTIONED)
        change.timers[FOLLOW] = None
