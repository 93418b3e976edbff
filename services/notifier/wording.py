"""A change of a delivery in the words of the topics and of the custody log; pure."""

from collections.abc import Iterable
from datetime import datetime

from contracts.events import DeliveryRecorded, OutcomeReported, ReferralRouted
from contracts.onboarding import Agency
from contracts.referral import ReceiptChecked, TipStatus
from contracts.topics import DELIVERIES, OUTCOMES, STATUS
from contracts.vocabulary import ChannelName, EntryKind
from services.chassis.hop import Emit, Entry
from services.notifier.delivering.change import Change, Note, Report, Telling
from services.notifier.delivering.delivery import Delivery

ENTRY_KINDS: dict[str, EntryKind] = {
    "attempted": EntryKind.DELIVERY_ATTEMPTED,
    "delivered": EntryKind.DELIVERY_DELIVERED,
    "acknowledged": EntryKind.DELIVERY_ACKNOWLEDGED,
    "closed": EntryKind.DELIVERY_CLOSED,
    "nacked": EntryKind.DELIVERY_CLOSED,
    "withdrawn": EntryKind.DELIVERY_CLOSED,
    "parked": EntryKind.DELIVERY_PARKED,
    "escalated": EntryKind.DELIVERY_ESCALATED,
    "expired": EntryKind.DELIVERY_ESCALATED,
    "actioned": EntryKind.RECEIPT_CHECKED,
    "question": EntryKind.RECEIPT_CHECKED,
    "active_investigation": EntryKind.RECEIPT_CHECKED,
    "receipt_ignored": EntryKind.RECEIPT_CHECKED,
    "reopened": EntryKind.DELIVERY_REOPENED,
}
"""The custody entry of each note; ``dispatched`` is told by ``hop.queued``."""

ACTED_WORDS = frozenset(
    {"acknowledged", "actioned", "closed", "nacked", "question", "active_investigation", "receipt_ignored", "reopened"}
)
"""Notes of which the agency is the actor, or the operator whose order it was."""

DISCLOSURES = frozenset({"attempted", "delivered"})
"""Notes that name the digest of the bytes that left; a notice by mail says nothing of them."""


def events(change: Change, now: datetime) -> Iterable[Emit]:
    """Every event that tells of *change*."""
    row = change.row
    yield from (_delivery(row, note, now) for note in change.notes)
    yield from (_outcome(row, report, now) for report in change.reports)
    yield from (_status(row, telling, now) for telling in change.tellings)


def entries(change: Change, *, actor: str | None = None) -> Iterable[Entry]:
    """Every custody entry that *change* needs; *actor* is the agency or the operator who caused it."""
    for note in change.notes:
        kind = ENTRY_KINDS.get(note.what)
        if kind is not None:
            yield _entry(change.row, kind, note, actor)


def _entry(row: Delivery, kind: EntryKind, note: Note, actor: str | None) -> Entry:
    tally: dict[str, object] = {
        "referral": str(row.referral_id),
        "agency": row.agency,
        "action": row.action.value,
        "what": note.what,
    }
    if note.reason is not None:
        tally["reason"] = note.reason
    if note.what == "attempted":
        tally["attempt"] = _attempt(row, note)
    if note.channel is not None:
        tally["channel"] = note.channel.value
    left = note.what in DISCLOSURES and (note.channel is not ChannelName.EMAIL or row.sealed)
    basis = {"document": row.digest} if left and row.digest else {}
    by = actor if note.what in ACTED_WORDS else None
    return Entry(kind.value, str(row.tip_id), "delivery of a referral", basis=basis, tally=tally, actor=by)


def _attempt(row: Delivery, note: Note) -> int:
    """Number of the attempt by the note's channel, or of all so far."""
    way = row.way(note.channel) if note.channel is not None else None
    return way.tries if way is not None else row.attempts


def _delivery(row: Delivery, note: Note, now: datetime) -> Emit:
    body = DeliveryRecorded(
        referral_id=row.referral_id,
        tip_id=row.tip_id,
        version=row.version,
        destination=row.agency,
        what=note.what,
        channel=note.channel,
        attempt=_attempt(row, note),
        reason=note.reason,
        reference=row.case,
        next_at=note.next_at,
        at=now,
    )
    raw = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    return Emit(topic=DELIVERIES, key=str(row.referral_id), type="delivery/1", body=raw, tip=str(row.tip_id))


def _outcome(row: Delivery, report: Report, now: datetime) -> Emit:
    body = OutcomeReported(
        referral_id=row.referral_id,
        tip_id=row.tip_id,
        version=row.version,
        group_id=row.group,
        destination=row.agency,
        what=report.what,
        nack=report.nack,
        outcome=report.outcome,
        moved_to=report.moved_to,
        at=now,
    )
    raw = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    return Emit(topic=OUTCOMES, key=row.group, type="outcome/1", body=raw, tip=str(row.tip_id))


def _status(row: Delivery, telling: Telling, now: datetime) -> Emit:
    """What the sender is told: the kind of destination, never its name or its case number."""
    body = TipStatus(
        status=telling.status,
        reference=row.reference,
        tip_id=row.tip_id,
        destination=row.kind.value,
        outcome=telling.outcome,
        text=telling.text,
        at=now,
    )
    raw = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    return Emit(topic=STATUS + row.partner, key=row.reference, type="tip-status/1", body=raw, tip=str(row.tip_id))


def queued(event: ReferralRouted, agency: Agency | None, *, repeat: bool) -> Entry:
    """The entry of a referral that has arrived: why it may be disclosed, and whether it is a repeat."""
    tally: dict[str, object] = {
        "referral": str(event.referral_id),
        "agency": event.destination,
        "action": event.action.value,
    }
    if repeat:
        tally["repeat"] = True
    basis: dict[str, object] = {"rules": [why.rule for why in event.why], "rulebook": event.rulebook.digest}
    if agency is not None:
        basis |= {"disclosure": agency.basis, "profile": agency.profile.value}
    return Entry(EntryKind.HOP_QUEUED.value, str(event.tip_id), "delivery of a referral", basis=basis, tally=tally)


def unknown(checked: ReceiptChecked) -> Entry:
    """The entry of a receipt for a referral that this agency never got."""
    tally = {"referral": str(checked.receipt.referral_id), "agency": checked.agency, "reason": "unknown_referral"}
    actor = f"agency:{checked.agency}"
    return Entry(EntryKind.RECEIPT_REFUSED.value, None, "receipt of an agency", tally=tally, actor=actor)
