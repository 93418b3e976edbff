"""
An agency that was removed while referrals wait in its lanes: they park, some at a time, and the router is told.

Without this a lane whose timer went off while its agency was away would stand
still after the agency's return, until something else came for it.
"""

from datetime import timedelta
from uuid import UUID

from services.notifier import decision, gathering
from services.notifier.applying import apply
from services.notifier.delivery import PUSHED, Push
from services.notifier.draft import Draft
from services.notifier.lane import set_wake
from services.notifier.order import lane_name, lane_prefix, read_queue_key
from services.notifier.schedule import PARKED_RETRY

EVICTED = 100
"""Referrals that park in one step."""

PAUSE = timedelta(seconds=1)
"""Between two steps, so that they hold up nobody else."""


def evict(draft: Draft, agency: str) -> None:
    """Park what waits in the queues of *agency*."""
    for channel in PUSHED:
        name = lane_name(agency, channel)
        waiting = list(draft.scan(lane_prefix(name), limit=EVICTED))
        for key, _ in waiting:
            _park(draft, agency, key)
        set_wake(draft, name, draft.lane(name), draft.now + PAUSE if len(waiting) == EVICTED else None)


def _park(draft: Draft, agency: str, key: str) -> None:
    each: UUID = read_queue_key(key)[1]
    draft.put(key, None)
    row, digest = draft.row(agency, each), draft.digest(agency, each)
    if row is not None:
        apply(draft, row, decision.removed(row, draft.now))
    elif digest is not None:
        parked = {"push": Push.PARKED, "reason": "recipient_removed", "due": draft.now + PARKED_RETRY}
        gathering.keep(draft, digest.model_copy(update=parked))
