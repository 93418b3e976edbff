"""Write what a change says into the draft: row, queue, timers, document, events and custody entries."""

from uuid import UUID

from contracts import telemetry
from contracts.vocabulary import ChannelName
from services.chassis.telemetry.telemetry_port import Attribute
from services.notifier import decision
from services.notifier.delivering.change import RETRY, Change
from services.notifier.delivering.delivery import Delivery, Life, Push, Way
from services.notifier.delivering.draft import Draft, document_key, timer_key
from services.notifier.delivering.gathering import gather, leave_out
from services.notifier.delivering.order import lane_name, queue_key
from services.notifier.documents.feed import stays_here
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
    for channel, due in change.retries.items():
        if due is not None or before is not None:
            draft.wake(timer_key(RETRY, lane_name(row.agency, channel), row.referral_id), due)
    if not decision.keeps_document(row) and (before is None or decision.keeps_document(before)):
        draft.put(document_key(row.agency, row.referral_id), None)
    if stays_here(before, change):
        draft.save_feed(row.agency, draft.feed(row.agency).without(row))
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
    if row.acknowledged_at is not None and not (row.notice or (before is not None and before.acknowledged)):
        attributes[telemetry.IN_TIME] = row.acknowledged_at <= row.deadline
    reached = _reached(before, row)
    if reached and row.accepted_at is not None:
        attributes |= {
            telemetry.REACHED: reached,
            telemetry.ACCEPTED_AT: row.accepted_at,
            telemetry.PRIORITY: row.priority.value,
        }


def _reached(before: Delivery | None, row: Delivery) -> list[str]:
    """What the referral has reached for the first time: it is there once the feed or a pushed channel has it."""
    if row.notice:
        return []
    at_agency = (before is None or before.life is Life.QUEUED) and row.life in (Life.DISPATCHED, Life.DELIVERED)
    acknowledged = row.acknowledged and not (before is not None and before.acknowledged)
    return [word for word, is_new in (("delivered", at_agency), ("acknowledged", acknowledged)) if is_new]


def release(draft: Draft, agency: str, channel: ChannelName) -> None:
    """Let some that parked after their last attempt by *channel* back into its queue: the agency takes them again."""
    for key, _ in list(draft.scan(f"{EXHAUSTED}{lane_name(agency, channel)}/", limit=RELEASED)):
        row = draft.row(agency, UUID(key.rsplit("/", 1)[1]))
        way = row.way(channel) if row is not None else None
        draft.put(key, None)
        if row is not None and way is not None and way.push is Push.PARKED:
            apply(draft, row, decision.due(row, channel))


def _place(draft: Draft, before: Delivery | None, row: Delivery) -> None:
    """Keep queues, the next digest and the index of exhausted ones in step with where the copies are."""
    for way in row.ways:
        was = before.way(way.channel) if before is not None else None
        _queue(draft, row, way, was)
        _index(draft, row, way, was)
        if way.push is Push.GATHERED and was is None:
            gather(draft, row)
        elif was is not None and was.push is Push.GATHERED and way.push is not Push.GATHERED:
            leave_out(draft, row)


def _queue(draft: Draft, row: Delivery, way: Way, was: Way | None) -> None:
    if way.push is Push.QUEUED:
        draft.put(queue_key(row, way.channel), b"1")
    elif was is not None and was.push is Push.QUEUED:
        draft.put(queue_key(row, way.channel), None)


def _index(draft: Draft, row: Delivery, way: Way, was: Way | None) -> None:
    key = f"{EXHAUSTED}{lane_name(row.agency, way.channel)}/{row.referral_id}"
    if _exhausted(way):
        draft.put(key, b"1")
    elif was is not None and _exhausted(was):
        draft.put(key, None)


def _exhausted(way: Way) -> bool:
    return way.push is Push.PARKED and way.reason == "exhausted"
