"""
An agency that was removed while referrals of its are open: they park, some at a time, and the router is told.

Without this a lane whose timer went off while its agency was away would stand
still after the agency's return, until something else came for it; and what the
agency has and never answered would wait for its clock, which may be a month away.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from services.chassis.hop import Effect, View
from services.notifier import decision
from services.notifier.delivering import gathering
from services.notifier.delivering.applying import apply
from services.notifier.delivering.delivery import PUSHED, Delivery, Push
from services.notifier.delivering.draft import ROW, Draft, row_key, timer_key
from services.notifier.delivering.lane import set_wake
from services.notifier.delivering.order import lane_name, lane_prefix, read_queue_key
from services.notifier.delivering.schedule import PARKED_RETRY
from services.notifier.documents.feed import FEED

EVICTED = 100
"""Referrals that park in one step."""

PAUSE = timedelta(seconds=1)
"""Between two steps, so that they hold up nobody else."""

SWEEP = "absent"
"""Kind of the effect that begins to look for what is open at an absent agency, and name of the timer that goes on."""

NOBODY = UUID(int=0)
"""Stands for the referral in that effect's key."""

AT_ONCE, BUCKETS = 200, 256
"""Rows that are gone over in one transaction; for an agency with more, steps by two digits of the referral id."""

MOST = 100_000
"""Agencies that something ever went to; rows of one step."""

ON_ITS_WAY = frozenset({Push.QUEUED, Push.SENDING})
"""Places that a copy leaves by itself soon: `evict` and the end of the attempt park it."""


def absent(view: View, is_reachable: Callable[[str], bool]) -> Iterator[Effect]:
    """For each agency that something went to and that is away now: an effect that does nothing but come back."""
    for key, _ in view.scan(FEED, limit=MOST):
        agency = key.removeprefix(FEED)
        if not is_reachable(agency):
            yield Effect(key=f"{agency}/{NOBODY}/0", kind=SWEEP, body=b"", lane=agency)


def begin(draft: Draft, agency: str) -> None:
    """Look at what is open at *agency*: at once where it is little, else in steps."""
    evict(draft, agency)
    found = list(draft.scan(f"{ROW}{agency}/", limit=AT_ONCE + 1))
    if len(found) <= AT_ONCE:
        _pass_on(draft, (raw for _, raw in found))
    else:
        _go_on(draft, agency, 0)


def step(draft: Draft, agency: str, number: int, *, reachable: bool) -> None:
    """Look at the next bucket of rows, unless the agency is back."""
    if reachable:
        return
    _pass_on(draft, [raw for _, raw in draft.scan(f"{ROW}{agency}/{number:02x}", limit=MOST)])
    if number + 1 < BUCKETS:
        _go_on(draft, agency, number + 1)


def pass_on(draft: Draft, agency: str, referrals: Iterable[UUID]) -> None:
    """The router finds another destination for those of *referrals* that nobody has answered."""
    found = (draft.get(row_key(agency, each)) for each in referrals)
    _pass_on(draft, [raw for raw in found if raw is not None])


def _pass_on(draft: Draft, rows: Iterable[bytes]) -> None:
    """The router finds another destination for what nobody has answered; it is told once."""
    for row in map(Delivery.model_validate_json, rows):
        if not (row.expired or row.notice or any(way.push in ON_ITS_WAY for way in row.ways)):
            apply(draft, row, decision.removed(row, draft.now))


def _go_on(draft: Draft, agency: str, number: int) -> None:
    draft.wake(f"{timer_key(SWEEP, agency)}/{number}", draft.now)


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
        pass_on(draft, agency, (line.referral for line in digest.lines))
