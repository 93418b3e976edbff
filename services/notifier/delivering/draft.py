"""
What one input has led to so far: the store as it will be, and the outcome that is being written.

A decision touches several rows (a delivery, its lane, the next in the queue);
each must see what the one before it wrote.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from contracts import telemetry
from services.chassis.hop import Effect, Emit, Entry, Outcome, Timer, View
from services.notifier.delivering.delivery import Delivery
from services.notifier.delivering.digest import Digest, digest_key
from services.notifier.delivering.order import Lane
from services.notifier.documents.feed import Feed, feed_key
from services.notifier.ordering.orders import Standing, standing_key

ROW, DOCUMENT, LANE = "r/", "d/", "a/"
"""Key prefixes of the store: rows, documents (on disk only), lanes. Queues' is in ``order``, digests' in ``digest``."""


def row_key(agency: str, referral: UUID) -> str:
    """Key of a delivery's row: an agency can reach none but its own."""
    return f"{ROW}{agency}/{referral}"


def document_key(agency: str, referral: UUID) -> str:
    """Key of the bytes that are sent."""
    return f"{DOCUMENT}{agency}/{referral}"


def timer_key(name: str, agency: str, referral: UUID | None = None) -> str:
    """Key of a timer of a row or of one of its ways (*agency* is then its lane's name), or of a lane."""
    return f"{name}/{agency}/{referral}" if referral else f"{name}/{agency}"


class Draft:
    """The view of a task with this decision's changes on top."""

    def __init__(self, view: View, now: datetime) -> None:
        self.now = now
        self.outcome = Outcome()
        self._view = view

    def get(self, key: str) -> bytes | None:
        """The value of *key* as it will be."""
        if key in self.outcome.puts:
            return self.outcome.puts[key]
        return self._view.get(key)

    def put(self, key: str, value: bytes | None) -> None:
        """Change *key*; None deletes it."""
        self.outcome.puts[key] = value

    def scan(self, prefix: str, *, limit: int) -> Iterator[tuple[str, bytes]]:
        """The first *limit* rows that begin with *prefix*, as they will be, in key order."""
        changed = {key: value for key, value in self.outcome.puts.items() if key.startswith(prefix)}
        stored = {k: v for k, v in self._view.scan(prefix, limit=limit + len(changed)) if k not in changed}
        stored |= {key: value for key, value in changed.items() if value is not None}
        yield from sorted(stored.items())[:limit]

    def row(self, agency: str, referral: UUID) -> Delivery | None:
        """The delivery of *referral* to *agency*, or None where there is none."""
        raw = self.get(row_key(agency, referral))
        return Delivery.model_validate_json(raw) if raw is not None else None

    def save(self, row: Delivery) -> None:
        """Keep *row*."""
        self.put(row_key(row.agency, row.referral_id), row.model_dump_json(exclude_defaults=True).encode())

    def lane(self, name: str) -> Lane:
        """The lane *name*, an empty one at first."""
        raw = self.get(LANE + name)
        return Lane.model_validate_json(raw) if raw is not None else Lane()

    def save_lane(self, name: str, lane: Lane) -> None:
        """Keep the lane *name*."""
        self.put(LANE + name, lane.model_dump_json(exclude_defaults=True).encode())

    def digest(self, agency: str, digest: UUID) -> Digest | None:
        """The digest with that id, or None where it is delivered or was none."""
        raw = self.get(digest_key(agency, digest))
        return Digest.model_validate_json(raw) if raw is not None else None

    def save_digest(self, digest: Digest) -> None:
        """Keep *digest*."""
        self.put(digest_key(digest.agency, digest.id), digest.model_dump_json(exclude_defaults=True).encode())

    def feed(self, agency: str) -> Feed:
        """The feed of *agency*, one without documents at first."""
        raw = self.get(feed_key(agency))
        return Feed.model_validate_json(raw) if raw is not None else Feed()

    def save_feed(self, agency: str, feed: Feed) -> None:
        """Keep the feed of *agency*."""
        self.put(feed_key(agency), feed.model_dump_json(exclude_defaults=True).encode())

    def standing(self, agency: str) -> Standing:
        """What stands ordered for *agency*."""
        raw = self.get(standing_key(agency))
        return Standing.model_validate_json(raw) if raw is not None else Standing()

    def save_standing(self, agency: str, standing: Standing) -> None:
        """Keep what stands ordered for *agency*; nothing, where nothing does."""
        kept = (
            standing.model_dump_json(exclude_defaults=True, by_alias=True).encode() if standing != Standing() else None
        )
        if kept != self.get(standing_key(agency)):
            self.put(standing_key(agency), kept)

    def wake(self, key: str, due: datetime | None) -> None:
        """Set the timer *key*, or cancel it."""
        self.outcome.timers = [timer for timer in self.outcome.timers if timer.key != key]
        if due is None:
            self.outcome.cancels.append(key)
        else:
            self.outcome.cancels = [each for each in self.outcome.cancels if each != key]
            self.outcome.timers.append(Timer(key, due))

    def emit(self, event: Emit) -> None:
        """Write an event."""
        self.outcome.events.append(event)

    def enter(self, entry: Entry) -> None:
        """Write a custody entry."""
        self.outcome.entries.append(entry)

    def perform(self, effect: Effect) -> None:
        """Ask for something outside, after the commit."""
        self.outcome.effects.append(effect)

    def tell(self, tip: UUID, agency: str, referral: UUID, trace: str | None = None) -> None:
        """Say in the span what this is about, and in whose trace it belongs where the input does not say."""
        self.outcome.tip = str(tip)
        self.outcome.traceparent = trace
        self.outcome.attributes |= {
            telemetry.TIP: str(tip),
            telemetry.AGENCY: agency,
            telemetry.REFERRAL: str(referral),
        }
