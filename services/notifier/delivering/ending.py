"""
What the end of an attempt changes: the row or the digest, the breaker of its lane, and which channel joins.

A P0 does not wait for a breaker: its next channel joins the moment it would have to.
"""

from datetime import timedelta
from uuid import UUID

from contracts.onboarding import Agency
from contracts.vocabulary import Priority
from services.notifier import decision
from services.notifier.decision import Ended
from services.notifier.delivering import digest, gathering
from services.notifier.delivering.applying import apply
from services.notifier.delivering.attempt import AttemptEnd, Named
from services.notifier.delivering.breaker import Breaker
from services.notifier.delivering.delivery import Delivery, Push, Way, joining
from services.notifier.delivering.digest import Digest
from services.notifier.delivering.draft import Draft
from services.notifier.delivering.listing import listed
from services.notifier.delivering.order import Lane, lane_name, lane_prefix, read_queue_key
from services.notifier.delivering.verdicts import Verdict, of_end, reason

HURRIED = 100
"""P0s in the queue for which the next channel joins when the breaker opens; the ladder has any others in 15 min."""


def verdict_of(end: AttemptEnd) -> Verdict:
    """What the end means."""
    return of_end(end.status, end.fault, end.reply)


def stands(draft: Draft, named: Named) -> bool:
    """True where that attempt is the one that is under way; an end that comes twice changes nothing."""
    if named.id not in draft.lane(named.lane).sending:
        return False
    row, listing = draft.row(named.agency, named.id), draft.digest(named.agency, named.id)
    way = row.way(named.channel) if row is not None else None
    begun = way.tries if way is not None else listing.tries if listing is not None else named.tries
    return begun == named.tries


def ended(draft: Draft, named: Named, end: AttemptEnd, agency: Agency | None) -> Lane:
    """Write what the end of an attempt changes; the lane as it is afterwards."""
    lane = draft.lane(named.lane)
    after = lane.ended(named.id, _breaker(draft, lane, verdict_of(end)))
    draft.save_lane(named.lane, after)
    row, listing = draft.row(named.agency, named.id), draft.digest(named.agency, named.id)
    how = _how(named, end, before=lane, after=after)
    if row is not None:
        apply(draft, row, decision.attempted(row, how, draft.now, following=next_way(agency, row)))
    elif listing is not None:
        _digest_ended(draft, listing, how, agency)
    if lane.breaker.closed and not after.breaker.closed and agency is not None:
        _hurry_queued(draft, named, agency)
    return after


def hurry(draft: Draft, agency: Agency, referral: UUID) -> None:
    """Let the next channel of a P0 join where it stands behind an open breaker."""
    row = draft.row(agency.id, referral)
    if row is None or row.priority is not Priority.P0 or not row.ways:
        return
    last, following = row.ways[-1], next_way(agency, row)
    is_open = not draft.lane(lane_name(agency.id, last.channel)).breaker.closed
    if last.push is Push.QUEUED and is_open and following is not None:
        apply(draft, row, decision.overtaken(row, following))


def next_way(agency: Agency | None, row: Delivery) -> Way | None:
    """The way that joins *row* next, if there is one."""
    return joining(agency, row.priority, row.ways) if agency is not None else None


def _how(named: Named, end: AttemptEnd, *, before: Lane, after: Lane) -> Ended:
    return Ended(
        verdict_of(end),
        reason(end.status, end.fault, end.reply),
        named.channel,
        counts=before.breaker.closed,
        asked=timedelta(seconds=end.retry_after_s) if end.retry_after_s else None,
        open=not after.breaker.closed,
    )


def _breaker(draft: Draft, lane: Lane, verdict: Verdict) -> Breaker:
    if verdict is Verdict.DELIVERED:
        return lane.breaker.succeeded()
    return lane.breaker.gone(draft.now) if verdict is Verdict.GONE else lane.breaker.failed(draft.now)


def _hurry_queued(draft: Draft, named: Named, agency: Agency) -> None:
    for key, _ in list(draft.scan(f"{lane_prefix(named.lane)}0/", limit=HURRIED)):
        hurry(draft, agency, read_queue_key(key)[1])


def _digest_ended(draft: Draft, before: Digest, how: Ended, agency: Agency | None) -> None:
    after = digest.ended(before, how.verdict, how.reason, draft.now, counts=how.counts)
    gathering.keep(draft, after)
    for line in after.lines:
        row = draft.row(after.agency, line.referral)
        if row is not None:
            apply(draft, row, listed(row, after, how, draft.now, following=next_way(agency, row)))
