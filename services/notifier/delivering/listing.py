"""What the end of a digest means for each referral that it lists; pure."""

from datetime import datetime

from services.notifier.decision import Ended, delivered, joined
from services.notifier.delivering.change import Change, Note
from services.notifier.delivering.delivery import Delivery, Push, Way
from services.notifier.delivering.digest import Digest
from services.notifier.delivering.verdicts import Verdict


def listed(row: Delivery, digest: Digest, end: Ended, now: datetime, *, following: Way | None = None) -> Change:
    """A digest that lists this referral has ended so: it goes on as a whole, each referral is told of for itself."""
    change = Change(row)
    change.way(end.channel, tries=digest.tries, reason=digest.reason)
    change.notes.append(Note("attempted", end.reason, end.channel, digest.due))
    if end.verdict is Verdict.DELIVERED:
        delivered(change, end.channel, now)
    elif digest.push is Push.PARKED and not (row.ended or row.acknowledged):
        change.notes.append(Note("parked", digest.reason, end.channel, digest.due))
        if following is not None:
            joined(change, following)
    return change
