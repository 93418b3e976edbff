"""
Digests in the store: rows gather, a timer makes messages of them, and the end of a message is told of each row.

One decision touches at most the rows of one message, however many wait.
"""

from uuid import UUID

from contracts.onboarding import Agency
from services.notifier.delivering import digest
from services.notifier.delivering.change import RETRY
from services.notifier.delivering.delivery import Delivery, Push
from services.notifier.delivering.digest import (
    DEPARTURE,
    GATHERED,
    MOST,
    Digest,
    departure_key,
    digest_key,
    gathered_key,
)
from services.notifier.delivering.draft import Draft, timer_key


def gather(draft: Draft, row: Delivery) -> None:
    """*row* waits for the next digest of its agency; the first one sets the timer."""
    draft.put(gathered_key(row), b"1")
    if draft.get(departure_key(row.agency)) is None:
        _set(draft, row.agency)


def leave_out(draft: Draft, row: Delivery) -> None:
    """*row* waits for no digest any more."""
    draft.put(gathered_key(row), None)


def depart(draft: Draft, agency_id: str, agency: Agency | None) -> None:
    """
    The time of the digest has come: up to a message full of those that wait go into the queue as one.

    Where the agency is away they go on waiting for it; whoever rang tells the router.
    """
    if agency is None:
        _set(draft, agency_id)
        return
    waiting = list(draft.scan(f"{GATHERED}{agency_id}/", limit=MOST))
    found = [draft.row(agency_id, UUID(key.rsplit("/", 1)[1])) for key, _ in waiting]
    rows = tuple(row for row in found if row is not None)
    for key, _ in waiting:
        draft.put(key, None)
    if rows:
        _place(draft, digest.made(agency_id, rows, draft.now))
    if len(waiting) == MOST:
        draft.wake(timer_key(DEPARTURE, agency_id), draft.now)
    else:
        draft.put(departure_key(agency_id), None)


def offer(draft: Draft, agency: str, each: UUID) -> bool:
    """The time of a digest's next attempt has come; False where there is no such digest."""
    found = draft.digest(agency, each)
    if found is None:
        return False
    _place(draft, found.model_copy(update={"push": Push.QUEUED, "due": None}))
    return True


def keep(draft: Draft, after: Digest) -> None:
    """Write the digest as it is after an attempt; a delivered one is over."""
    timer = timer_key(RETRY, after.lane, after.id)
    if after.push is Push.DONE:
        draft.put(digest_key(after.agency, after.id), None)
        draft.wake(timer, None)
        return
    draft.save_digest(after)
    if after.push is Push.QUEUED:
        draft.put(after.queue_key, b"1")
    draft.wake(timer, after.due)


def _place(draft: Draft, each: Digest) -> None:
    draft.save_digest(each)
    draft.put(each.queue_key, b"1")


def _set(draft: Draft, agency: str) -> None:
    draft.put(departure_key(agency), b"1")
    draft.wake(timer_key(DEPARTURE, agency), digest.next_departure(draft.now))
