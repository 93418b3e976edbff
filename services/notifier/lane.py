"""Start the attempts that one agency has room for, in its order, and keep the lane's timer."""

from datetime import datetime

from contracts.onboarding import Agency
from services.notifier.attempt import ask
from services.notifier.delivery import Delivery, Push
from services.notifier.draft import Draft, document_key, timer_key
from services.notifier.order import Lane, lane_prefix, read_queue_key

LANE_TIMER = "lane"


def pump(draft: Draft, agency: Agency, lane: Lane) -> None:
    """Start what *lane* has room for now, save it, and set the timer for when it may go on."""
    waiting = True
    while lane.free_at(draft.now) <= draft.now:
        first = next(draft.scan(lane_prefix(agency.id), limit=1), None)
        waiting = first is not None
        if first is None:
            break
        urgent, referral = read_queue_key(first[0])
        row = draft.row(agency.id, referral)
        if not (lane.room(draft.now, agency, urgent=urgent) or _may_probe(lane, row, urgent=urgent)):
            break
        draft.put(first[0], None)
        if row is not None and _start(draft, row):
            lane = lane.started(referral, now=draft.now, agency=agency)
    _wake(draft, agency.id, lane, lane.wakes_at(draft.now) if waiting else None)


def _may_probe(lane: Lane, row: Delivery | None, *, urgent: bool) -> bool:
    """An urgent referral that was never tried is a probe of an open breaker: it does not wait for the pause to end."""
    return urgent and row is not None and row.tries == 0 and not lane.breaker.closed and not lane.sending


def _start(draft: Draft, row: Delivery) -> bool:
    document = draft.get(document_key(row.agency, row.referral_id))
    if document is None:
        return False
    begun = row.model_copy(update={"push": Push.SENDING, "tries": row.tries + 1})
    draft.save(begun)
    draft.perform(ask(begun, document))
    return True


def _wake(draft: Draft, agency: str, lane: Lane, due: datetime | None) -> None:
    if due != lane.wake:
        draft.wake(timer_key(LANE_TIMER, agency), due)
        lane = lane.model_copy(update={"wake": due})
    if lane != draft.lane(agency):
        draft.save_lane(agency, lane)
