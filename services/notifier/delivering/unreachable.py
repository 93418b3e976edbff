"""
A referral whose agency is not (or no longer) onboarded, suspended or on hold.

The router is told and finds another destination; the referral itself is kept
whole and looked at every day, for an agency may be onboarded again.
"""

from datetime import timedelta
from uuid import UUID

from contracts.events import DeliveryRecorded, DeliveryWord, OutcomeReported, ReferralRouted
from contracts.topics import DELIVERIES, OUTCOMES
from contracts.vocabulary import EntryKind
from services.chassis.hop import Emit, Entry
from services.notifier.delivering.draft import Draft, timer_key
from services.notifier.ordering.orders import BY_PERSON

KEPT = "u/"
"""Prefix of the kept referrals, as they came from the router."""

REVIVE = "revive"
"""Name of the timer."""

EVERY = timedelta(hours=24)

REASON = "recipient_removed"


def keep(draft: Draft, event: ReferralRouted) -> None:
    """Keep *event* whole, tell the router, and look again tomorrow."""
    draft.put(
        _key(event.destination, event.referral_id), event.model_dump_json(by_alias=True, exclude_none=True).encode()
    )
    wait(draft, event.destination, event.referral_id)
    tally = {"referral": str(event.referral_id), "agency": event.destination, "reason": REASON}
    draft.enter(Entry(EntryKind.DELIVERY_PARKED.value, str(event.tip_id), "delivery of a referral", tally=tally))
    draft.emit(_recorded(event, draft))
    draft.emit(_reported(event, draft))


def knows(draft: Draft, event: ReferralRouted) -> bool:
    """True where *event* is kept already."""
    return draft.get(_key(event.destination, event.referral_id)) is not None


def wait(draft: Draft, agency: str, referral: UUID) -> None:
    """Look again tomorrow."""
    draft.wake(timer_key(REVIVE, agency, referral), draft.now + EVERY)


def kept(draft: Draft, agency: str, referral: UUID) -> ReferralRouted | None:
    """The kept referral, or None where it was replaced since."""
    raw = draft.get(_key(agency, referral))
    return ReferralRouted.model_validate_json(raw) if raw is not None else None


def release(draft: Draft, agency: str, referral: UUID) -> None:
    """It is kept no longer: it goes its ordinary way."""
    draft.put(_key(agency, referral), None)


def close(draft: Draft, event: ReferralRouted, *, actor: str) -> None:
    """A person ends it here; the router has found another way long ago."""
    release(draft, event.destination, event.referral_id)
    draft.wake(timer_key(REVIVE, event.destination, event.referral_id), None)
    tally = {"referral": str(event.referral_id), "agency": event.destination, "what": "closed", "reason": BY_PERSON}
    kind = EntryKind.DELIVERY_CLOSED.value
    draft.enter(Entry(kind, str(event.tip_id), "delivery of a referral", tally=tally, actor=actor))
    draft.emit(_recorded(event, draft, "closed", BY_PERSON))


def _key(agency: str, referral: UUID) -> str:
    return f"{KEPT}{agency}/{referral}"


def _recorded(event: ReferralRouted, draft: Draft, what: DeliveryWord = "parked", reason: str = REASON) -> Emit:
    body = DeliveryRecorded(
        referral_id=event.referral_id,
        tip_id=event.tip_id,
        version=event.version,
        destination=event.destination,
        what=what,
        reason=reason,
        next_at=draft.now + EVERY if what == "parked" else None,
        at=draft.now,
    )
    raw = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    return Emit(topic=DELIVERIES, key=str(event.referral_id), type="delivery/1", body=raw, tip=str(event.tip_id))


def _reported(event: ReferralRouted, draft: Draft) -> Emit:
    body = OutcomeReported(
        referral_id=event.referral_id,
        tip_id=event.tip_id,
        version=event.version,
        group_id=event.group,
        destination=event.destination,
        what="agency_removed",
        at=draft.now,
    )
    raw = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    return Emit(topic=OUTCOMES, key=event.group, type="outcome/1", body=raw, tip=str(event.tip_id))
