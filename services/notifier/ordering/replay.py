"""
Replay everything that an agency has not acknowledged since a time: with the same ids and bytes, marked as replay.

An agency's rows are gone over in steps, each a transaction of its own, so that
a hundred thousand of them hold up nobody. How far it has come is kept with the
standing order: a crash goes on where it was, and no row is taken twice.
"""

from collections import Counter
from collections.abc import Iterable

from services.notifier.delivering.delivery import Delivery
from services.notifier.delivering.draft import ROW, Draft, timer_key
from services.notifier.ordering import orders
from services.notifier.ordering.obeying import BEGUN, Did, Given, entry, reopen
from services.notifier.ordering.orders import Refusal, Standing

SWEEP = "sweep"
"""Name of the timer that goes on with it."""

AT_ONCE = 200
"""Rows of an agency that are gone over in the order's own transaction."""

BUCKETS = 256
"""Steps for an agency with more: by the first two digits of the referral id."""

WIDEST = 100_000
"""Rows of one bucket; more would be 25 million of one agency."""

SENT_AGAIN = "sent_again"


def begin(draft: Draft, given: Given) -> Did:
    """Begin the replay; a few rows are done at once."""
    order, standing = given.order, draft.standing(given.order.agency)
    if given.agency is None:
        return Did(refused=Refusal.REMOVED)
    if standing.sweep is not None:
        return Did(refused=Refusal.BUSY)
    swept = standing.model_copy(update={"sweep": order, "cause": given.event, "step": 0, "counts": {}})
    found = list(draft.scan(f"{ROW}{order.agency}/", limit=AT_ONCE + 1))
    if len(found) <= AT_ONCE:
        return Did(counts=_over(draft, swept, (raw for _, raw in found)))
    draft.save_standing(order.agency, swept)
    _go_on(draft, order.agency, 0)
    return Did(state=BEGUN)


def step(draft: Draft, agency: str, *, reachable: bool) -> None:
    """Go over the next bucket of rows; behind the last one, say what it came to."""
    standing = draft.standing(agency)
    if standing.sweep is None or standing.cause is None:
        return
    rows = draft.scan(f"{ROW}{agency}/{standing.step:02x}", limit=WIDEST)
    counts = dict(_over(draft, standing, [raw for _, raw in rows])) if reachable else dict(standing.counts)
    if reachable and standing.step + 1 < BUCKETS:
        draft.save_standing(agency, standing.model_copy(update={"step": standing.step + 1, "counts": counts}))
        _go_on(draft, agency, standing.step + 1)
        return
    refused = None if reachable else Refusal.REMOVED
    draft.enter(entry(standing.sweep, standing.cause, Did(refused=refused, counts=counts)))
    over: dict[str, object] = {"sweep": None, "cause": None, "step": 0, "counts": {}}
    draft.save_standing(agency, standing.model_copy(update=over))


def _over(draft: Draft, standing: Standing, rows: Iterable[bytes]) -> dict[str, int]:
    counts = Counter(standing.counts)
    order = standing.sweep
    for raw in rows:
        row = Delivery.model_validate_json(raw)
        if order is not None and orders.concerns(row, order):
            refused = reopen(draft, row, order)
            counts[refused.value if refused else SENT_AGAIN] += 1
    return dict(counts)


def _go_on(draft: Draft, agency: str, number: int) -> None:
    draft.wake(f"{timer_key(SWEEP, agency)}/{number}", draft.now)
