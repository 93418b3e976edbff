"""
A later version takes the place of an earlier one, wherever that is: on its way, kept for an absent agency, or to come.

Urgent referrals have a lane of their own, so a correction that raises a tip to
P0 can be here before the version it corrects, which still waits among the
routine ones. Then the earlier one is remembered as replaced, and ends when it comes.
"""

from uuid import UUID

from contracts.events import DeliveryRecorded, ReferralRouted
from contracts.topics import DELIVERIES
from contracts.vocabulary import Action, EntryKind
from services.chassis.hop import Emit, Entry
from services.notifier import decision
from services.notifier.delivering import unreachable
from services.notifier.delivering.applying import apply
from services.notifier.delivering.change import KEPT
from services.notifier.delivering.draft import Draft, timer_key

OVERTAKEN = "v/"
"""Key prefix of the versions that were replaced before they came."""

AWAITED, OVER = b"1", b"2"
"""What stands there: still to come, or ended."""

FORGET = "overtaken"
"""Name of the timer that forgets one: nothing lies in a topic that long."""


def supersede(draft: Draft, event: ReferralRouted) -> None:
    """What *event* takes the place of is sent no more."""
    if event.replaces is None or event.action not in (Action.UPDATE, Action.WITHDRAWN):
        return
    agency, earlier = event.destination, draft.row(event.destination, event.replaces)
    kept = unreachable.kept(draft, agency, event.replaces)
    if earlier is not None:
        apply(draft, earlier, decision.superseded(earlier, event.action, draft.now))
    elif kept is not None:
        unreachable.release(draft, agency, kept.referral_id)
        draft.wake(timer_key(unreachable.REVIVE, agency, kept.referral_id), None)
        _end(draft, kept)
    else:
        _mark(draft, agency, event.replaces, AWAITED)


def overtaken(draft: Draft, event: ReferralRouted) -> bool:
    """True where a later version of *event* came before it."""
    return draft.get(_key(event.destination, event.referral_id)) == AWAITED


def knows(draft: Draft, event: ReferralRouted) -> bool:
    """True where *event* was ended here already."""
    return draft.get(_key(event.destination, event.referral_id)) == OVER


def end(draft: Draft, event: ReferralRouted) -> None:
    """*event* comes after what replaced it: it goes to nobody, and the books say why."""
    supersede(draft, event)
    _end(draft, event)


def forget(draft: Draft, agency: str, referral: UUID) -> None:
    """It comes no more."""
    draft.put(_key(agency, referral), None)


def _key(agency: str, referral: UUID) -> str:
    return f"{OVERTAKEN}{agency}/{referral}"


def _mark(draft: Draft, agency: str, referral: UUID, value: bytes) -> None:
    draft.put(_key(agency, referral), value)
    draft.wake(timer_key(FORGET, agency, referral), draft.now + KEPT)


def _end(draft: Draft, event: ReferralRouted) -> None:
    _mark(draft, event.destination, event.referral_id, OVER)
    tally = {
        "referral": str(event.referral_id),
        "agency": event.destination,
        "action": event.action.value,
        "what": "withdrawn",
        "reason": "superseded",
    }
    kind = EntryKind.DELIVERY_CLOSED.value
    draft.enter(Entry(kind, str(event.tip_id), "delivery of a referral", tally=tally))
    draft.emit(_recorded(event, draft))


def _recorded(event: ReferralRouted, draft: Draft) -> Emit:
    body = DeliveryRecorded(
        referral_id=event.referral_id,
        tip_id=event.tip_id,
        version=event.version,
        destination=event.destination,
        what="withdrawn",
        reason="superseded",
        at=draft.now,
    )
    raw = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    return Emit(topic=DELIVERIES, key=str(event.referral_id), type="delivery/1", body=raw, tip=str(event.tip_id))
