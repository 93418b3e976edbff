"""
Numbers of an agency's documents: 1, 2, 3 ... without a gap, each chained to the bytes of the one before; pure.

A receiver alone can see that something was withheld: the numbers and the chain
stand in every document, in the records of its topic and in the headers of its
webhooks. The state is one row of the task's store, changed in the transaction
that takes the referral: a crash gives no gap and no number twice.
"""

from hashlib import sha256

from contracts.headers import VIDARE_FEED_NUMBER, VIDARE_FEED_PREVIOUS
from contracts.indicators import Frozen
from contracts.referral import FeedMark, FeedSkipped
from services.notifier.delivering.change import Change
from services.notifier.delivering.delivery import Delivery, Life

FEED = "f/"
"""Key prefix of the row."""

MOST = 100
"""Skipped numbers that one document names; more go into the next ones."""

ARRIVED = frozenset({"delivered", "acknowledged", "nacked"})
"""Notes that tell that the agency has the document."""

NEVER_SENT = frozenset({Life.WITHDRAWN, Life.CLOSED})
"""Ends at which a document that had not arrived stays here for good."""


class Feed(Frozen):
    """How far an agency's feed has come."""

    number: int = 0
    """Of the last document; 0: there is none yet."""
    last: str | None = None
    """Digest of its bytes as they are sent."""
    skipped: tuple[FeedSkipped, ...] = ()
    """Numbers that the next document names."""

    def next(self) -> FeedMark:
        """The mark of the next document."""
        return FeedMark(number=self.number + 1, previous=self.last, skipped=self.skipped[:MOST])

    def sent(self, document: bytes) -> "Feed":
        """The feed with *document*, marked as `next` said, as its last; *document* is what is sent, sealed or not."""
        return Feed(number=self.number + 1, last=digest_of(document), skipped=self.skipped[MOST:])

    def without(self, row: Delivery) -> "Feed":
        """The feed where the document of *row* is never sent: the next one names it, and those that it would have."""
        if row.number is None or row.digest is None:
            return self
        mine = (*row.skipped, FeedSkipped(number=row.number, digest=row.digest))
        return self.model_copy(update={"skipped": (*self.skipped, *mine)})


def feed_key(agency: str) -> str:
    """Key of the feed's row."""
    return FEED + agency


def digest_of(document: bytes) -> str:
    """``sha-256:`` and hex of *document*."""
    return f"sha-256:{sha256(document).hexdigest()}"


def numbered(row: Delivery, mark: FeedMark) -> Delivery:
    """*row* with its place in the feed."""
    return row.model_copy(update={"number": mark.number, "previous": mark.previous, "skipped": mark.skipped})


def stays_here(before: Delivery | None, change: Change) -> bool:
    """
    True where *change* ends a document that never got through and stands in no feed topic.

    Whether an attempt arrived that nobody answered is not known; to name its
    number as skipped is right in both cases, for the digest is that of its bytes.
    """
    if before is None or before.life is not Life.QUEUED or change.row.life not in NEVER_SENT:
        return False
    return not any(note.what in ARRIVED for note in change.notes)


def headers(number: int, previous: str | None) -> tuple[tuple[str, str], ...]:
    """The mark as header fields: for topic records and webhooks, since a sealed document shows nothing."""
    named = ((VIDARE_FEED_NUMBER, str(number)),)
    return (*named, (VIDARE_FEED_PREVIOUS, previous)) if previous is not None else named
