"""Start the attempts that one lane of an agency has room for, in its order, and keep the lane's timer."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.onboarding import Agency
from contracts.vocabulary import ChannelName
from services.chassis.hop import Effect, View
from services.notifier.delivering.attempt import ask, ask_digest
from services.notifier.delivering.delivery import PUSHED, Delivery, Push
from services.notifier.delivering.digest import Digest, digest_key
from services.notifier.delivering.draft import LANE, Draft, document_key, row_key, timer_key
from services.notifier.delivering.order import Lane, lane_name, lane_prefix, read_lane_name, read_queue_key
from services.notifier.ordering.orders import Standing, standing_key

LANE_TIMER = "lane"
MOST = 100_000


def pump_all(draft: Draft, agency: Agency) -> None:
    """Start what any channel of *agency* has room for."""
    for channel in PUSHED:
        pump(draft, agency, channel)


def pump(draft: Draft, agency: Agency, channel: ChannelName) -> None:
    """Start what the lane of *channel* has room for now, save it, and set the timer for when it may go on."""
    name = lane_name(agency.id, channel)
    if draft.standing(agency.id).paused:
        return  # rows wait in the queue; who resumes it, pumps
    lane, waiting = draft.lane(name), True
    while lane.free_at(draft.now) <= draft.now:
        first = next(draft.scan(lane_prefix(name), limit=1), None)
        waiting = first is not None
        if first is None:
            break
        urgent, referral = read_queue_key(first[0])
        row = draft.row(agency.id, referral)
        if not (lane.room(draft.now, agency, urgent=urgent) or _may_probe(lane, row, channel, urgent=urgent)):
            break
        draft.put(first[0], None)
        if _start(draft, name, row, referral):
            lane = lane.started(referral, now=draft.now, agency=agency)
    set_wake(draft, name, lane, lane.wakes_at(draft.now) if waiting else None)


def _may_probe(lane: Lane, row: Delivery | None, channel: ChannelName, *, urgent: bool) -> bool:
    """An urgent referral that was never tried is a probe of an open breaker: it does not wait for the pause to end."""
    way = row.way(channel) if row is not None else None
    return urgent and way is not None and way.tries == 0 and not lane.breaker.closed and not lane.sending


def _start(draft: Draft, name: str, row: Delivery | None, referral: UUID) -> bool:
    agency, channel = read_lane_name(name)
    if row is None:
        return _start_digest(draft, draft.digest(agency, referral))
    document, way = draft.get(document_key(agency, referral)), row.way(channel)
    if document is None or way is None:
        return False
    begun = way.model_copy(update={"push": Push.SENDING, "tries": way.tries + 1})
    draft.save(row.with_way(begun))
    draft.perform(ask(row, begun, document))
    return True


def _start_digest(draft: Draft, digest: Digest | None) -> bool:
    if digest is None:
        return False
    begun = digest.model_copy(update={"push": Push.SENDING, "tries": digest.tries + 1, "due": None})
    draft.save_digest(begun)
    draft.perform(ask_digest(begun))
    return True


def set_wake(draft: Draft, name: str, lane: Lane, due: datetime | None) -> None:
    """Set the lane's timer, and save the lane."""
    if due != lane.wake:
        draft.wake(timer_key(LANE_TIMER, name), due)
        lane = lane.model_copy(update={"wake": due})
    if lane != draft.lane(name):
        draft.save_lane(name, lane)


def under_way(view: View) -> Iterator[Effect]:
    """
    Attempts that were under way when the task last stopped: the same ids again, nobody knows how they ended.

    Those to agencies that are paused are made when they are resumed (`begun`).
    """
    for key, raw in view.scan(LANE, limit=MOST):
        name = key.removeprefix(LANE)
        standing = view.get(standing_key(read_lane_name(name)[0]))
        if standing is not None and Standing.model_validate_json(standing).paused:
            continue
        for referral in Lane.model_validate_json(raw).sending:
            yield from _again(view, name, referral)


def begun(draft: Draft, agency: str) -> Iterator[Effect]:
    """Attempts to *agency* that have begun and not ended, as far as is known: the runner starts none that runs."""
    for channel in PUSHED:
        name = lane_name(agency, channel)
        for referral in draft.lane(name).sending:
            yield from _again(draft, name, referral)


class Getting(Protocol):
    """What has a store's values: a view, or a draft on top of one."""

    def get(self, key: str) -> bytes | None:
        """The value of *key*, or None."""


def _again(view: Getting, name: str, referral: UUID) -> Iterator[Effect]:
    agency, channel = read_lane_name(name)
    row, digest = view.get(row_key(agency, referral)), view.get(digest_key(agency, referral))
    if row is not None:
        delivery = Delivery.model_validate_json(row)
        way = delivery.way(channel)
        if way is not None:
            yield ask(delivery, way, view.get(document_key(agency, referral)) or b"")
    elif digest is not None:
        yield ask_digest(Digest.model_validate_json(digest))
