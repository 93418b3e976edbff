"""Carry operators' orders out: what each changes goes into the draft, and one entry says who ordered what, and why."""

from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import UUID

from contracts.events import AgencyOrdered
from contracts.onboarding import Agency
from contracts.vocabulary import EntryKind, Order
from services.chassis.hop import Entry
from services.notifier.delivering import unreachable
from services.notifier.delivering.applying import apply
from services.notifier.delivering.change import Change
from services.notifier.delivering.delivery import Delivery
from services.notifier.delivering.draft import Draft, document_key, timer_key
from services.notifier.delivering.lane import begun
from services.notifier.ordering import orders
from services.notifier.ordering.orders import Refusal

PURPOSE = "order of an operator"
DONE, REFUSED, BEGUN = "done", "refused", "begun"
"""States of an order in its entry; a replay of many goes on in steps, and ``done`` follows."""


class Given(NamedTuple):
    """An order, the id of its event, and the agency where it can be reached."""

    order: AgencyOrdered
    event: str
    agency: Agency | None


class Did(NamedTuple):
    """What an order came to."""

    state: str = DONE
    refused: Refusal | None = None
    tip: UUID | None = None
    counts: Mapping[str, int] = {}


def obey(draft: Draft, given: Given, sweep: Callable[[Draft, Given], Did]) -> None:
    """Carry *given* out; *sweep* replays everything since a time."""
    order = given.order
    if order.order is Order.REDELIVER and order.referral is None:
        did = sweep(draft, given)
    else:
        did = _DO[order.order](draft, given)
    draft.enter(entry(order, given.event, did))


def entry(order: AgencyOrdered, event: str, did: Did) -> Entry:
    """The entry of *order*: who, what, why, and what it came to."""
    tally: dict[str, object] = {
        "agency": order.agency,
        "order": order.order.value,
        "order_id": event,
        "state": REFUSED if did.refused else did.state,
    }
    if did.refused is not None:
        tally["refused"] = did.refused.value
    if order.referral is not None:
        tally["referral"] = str(order.referral)
    if did.counts:
        tally["counts"] = dict(did.counts)
    basis: dict[str, object] = {"by": list(order.by), "force": order.force}
    basis |= {"reason": order.reason} if order.reason else {}
    tip = str(did.tip) if did.tip else None
    return Entry(EntryKind.AGENCY_ORDERED.value, tip, PURPOSE, basis=basis, tally=tally, actor=actor_of(order))


def actor_of(order: AgencyOrdered) -> str:
    """Who ordered, as the custody log names them."""
    return "operator:" + ",".join(order.by)


def reopen(draft: Draft, row: Delivery, order: AgencyOrdered) -> Refusal | None:
    """Send *row* again, or say why not."""
    kept = draft.get(document_key(row.agency, row.referral_id)) is not None
    return _write(draft, row, orders.reopened(row, order, draft.now, has_document=kept), order)


def _pause(draft: Draft, given: Given) -> Did:
    done = orders.paused(draft.standing(given.order.agency), given.order)
    draft.save_standing(given.order.agency, done.standing)
    return Did(refused=done.refused)


def _resume(draft: Draft, given: Given) -> Did:
    """Attempts that a restart left alone while the agency was paused are made now; those that run are not doubled."""
    agency = given.order.agency
    done = orders.resumed(draft.standing(agency))
    draft.save_standing(agency, done.standing)
    if done.refused is None:
        for effect in begun(draft, agency):
            draft.perform(effect)
    return Did(refused=done.refused)


def _redeliver(draft: Draft, given: Given) -> Did:
    order, row = given.order, _row(draft, given.order)
    if row is not None and given.agency is not None:
        return Did(refused=reopen(draft, row, order), tip=row.tip_id)
    if row is not None:
        return Did(refused=Refusal.REMOVED, tip=row.tip_id)
    event = unreachable.kept(draft, order.agency, order.referral) if order.referral else None
    if event is None:
        return Did(refused=Refusal.UNKNOWN_REFERRAL)
    if given.agency is None:
        return Did(refused=Refusal.REMOVED, tip=event.tip_id)
    draft.wake(timer_key(unreachable.REVIVE, order.agency, event.referral_id), draft.now)
    return Did(tip=event.tip_id)


def _close(draft: Draft, given: Given) -> Did:
    order, row = given.order, _row(draft, given.order)
    if row is not None:
        return Did(refused=_write(draft, row, orders.closed(row, order, draft.now), order), tip=row.tip_id)
    event = unreachable.kept(draft, order.agency, order.referral) if order.referral else None
    if event is None:
        return Did(refused=Refusal.UNKNOWN_REFERRAL)
    if orders.needs_two(event.priority) and not orders.are_two(order.by):
        return Did(refused=Refusal.NEEDS_TWO, tip=event.tip_id)
    unreachable.close(draft, event, actor=actor_of(order))
    return Did(tip=event.tip_id)


_DO: dict[Order, Callable[[Draft, Given], Did]] = {
    Order.PAUSE: _pause,
    Order.RESUME: _resume,
    Order.REDELIVER: _redeliver,
    Order.CLOSE: _close,
}


def _row(draft: Draft, order: AgencyOrdered) -> Delivery | None:
    return draft.row(order.agency, order.referral) if order.referral is not None else None


def _write(draft: Draft, row: Delivery, change: Change | Refusal, order: AgencyOrdered) -> Refusal | None:
    if isinstance(change, Refusal):
        return change
    apply(draft, row, change, actor=actor_of(order))
    return None
