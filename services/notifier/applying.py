"""Write what a change says into the draft: row, queue, timers, document, events and custody entries."""

from uuid import UUID

from contracts import telemetry
from services.chassis.telemetry_port import Attribute
from services.notifier import decision
from services.notifier.change import Change
from services.notifier.delivery import Delivery, Life, Push
from services.notifier.draft import Draft, document_key, timer_key
from services.notifier.order import queue_key
from services.notifier.wording import entries, events

EXHAUSTED = "x/"
"""Prefix of the index of referrals that parked after their last attempt: an agency that returns gets them."""

RELEASED = 20
"""Parked referrals that each success lets back into the queue: an agency that returns is not flooded."""


def apply(draft: Draft, before: Delivery | None, change: Change, *, actor: str | None = None) -> None:
    """Write what *change* says: the row, its place in the queue, its timers, events and custody entries."""
    row = change.row
    if row != before:
        draft.save(row)
    _place(draft, before, row)
    for name, due in change.timers.items():
        if due is not None or before is not None:
            draft.wake(timer_key(name, row.agency, row.referral_id), due)
    if not decision.keeps_document(row) and (before is None or decision.keeps_document(before)):
        draft.put(document_key(row.agency, row.referral_id), None)
    _tell(draft.outcome.attributes, before, change)
    for event in events(change, draft.now):
        draft.emit(event)
    for entry in entries(change, actor=actor):
        draft.enter(entry)


def _tell(attributes: dict[str, Attribute], before: Delivery | None, change: Change) -> None:
    """Say in the attributes what happened: metrics are counted from them once it is committed."""
    row = change.row
    words = ["followed_up" if note.what == "escalated" and row.acknowledged else note.what for note in change.notes]
    said = attributes.get(telemetry.DELIVERY)
    if words:
        attributes[telemetry.DELIVERY] = [*(said if isinstance(said, list) else []), *words]
    reached = _reached(before, row)
    if reached and row.accepted_at is not None:
        attributes |= {
            telemetry.REACHED: reached,
            telemetry.ACCEPTED_AT: row.accepted_at,
            telemetry.PRIORITY: row.priority.value,
        }


def _reached(before: Delivery | None, row: Delivery) -> list[str]:
    """What the referral has reached for the first time: it is at the agency once the feed or the webhook has it."""
    if row.notice:
        return []
    at_agency = (before is None or before.life is Life.QUEUED) and row.life in (Life.DISPATCHED, Life.DELIVERED)
    acknowledged = row.acknowledged and not (before is not None and before.acknowledged)
    return [word for word, is_new in (("delivered", at_agency), ("acknowledged", acknowledged)) if is_new]


def release(draft: Draft, agency: str) -> None:
    """Let some of those that parked after their last attempt back into the queue: the agency takes referrals again."""
    for key, _ in list(draft.scan(f"{EXHAUSTED}{agency}/", limit=RELEASED)):
        row = draft.row(agency, UUID(key.rsplit("/", 1)[1]))
        draft.put(key, None)
        if row is not None and row.push is Push.PARKED:
            apply(draft, row, decision.due(row))


def _place(draft: Draft, before: Delivery | None, row: Delivery) -> None:
    """Keep the queue and the index of exhausted ones in step with where the pushed copy is."""
    was = before.push if before else Push.NONE
    if row.push is Push.QUEUED:
        draft.put(queue_key(row), b"1")
    elif was is Push.QUEUED:
        draft.put(queue_key(row), None)
    index = f"{EXHAUSTED}{row.agency}/{row.referral_id}"
    if row.push is Push.PARKED and row.reason == "exhausted":
        draft.put(index, b"1")
    elif was is Push.PARKED and before is not None and before.reason == "exhausted":
        draft.put(index, None)
