"""
How every agency is, folded from the notifier's changelog; pure.

The changelog is the only durable place that holds backlog, breakers and the
record of acknowledgements. It is read from end to end, one partition after the
other; of a row the newest value counts.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from contracts.onboarding import Agency
from services.cli.commands.agencies_rows import WAITING, Row, pack, reason_of, stamp
from services.notifier.delivering.delivery import Push
from services.notifier.delivering.draft import LANE, ROW
from services.notifier.delivering.order import Lane, read_lane_name
from services.notifier.delivering.unreachable import KEPT, REASON
from services.notifier.documents.feed import FEED, Feed
from services.notifier.ordering.orders import STANDING, Standing

LISTED = 100
"""Parked referrals that are named, of one agency."""


class Parked(NamedTuple):
    """A referral that waits for its agency or a person."""

    referral: str
    priority: str
    reason: str | None
    since: datetime
    attempts: int


@dataclass(slots=True)
class State:
    """How one agency is."""

    id: str
    onboarded: Agency | None = None
    held: bool = False
    """Its whole country is under legal hold."""
    standing: Standing = field(default_factory=Standing)
    lanes: dict[str, Lane] = field(default_factory=dict)
    backlog: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    oldest: float = 0.0
    last_delivered: float = 0.0
    last_acknowledged: float = 0.0
    took: "array[float]" = field(default_factory=lambda: array("f"))
    """Seconds from queued to delivered, of everything that is remembered."""
    record: dict[str, Counter[str]] = field(default_factory=dict)
    feed: int = 0
    parked: list[Parked] = field(default_factory=list)
    why: Counter[str] = field(default_factory=Counter)
    """How the last attempts of what waits failed; of one agency alone."""

    @property
    def word(self) -> str:
        """One word for whether it is pushed to."""
        if self.onboarded is None:
            return "removed"
        if self.onboarded.test:
            return "test"
        if not self.onboarded.active:
            return "inactive"
        if self.onboarded.hold or self.held:
            return "hold"
        return "paused" if self.standing.paused else "active"

    @property
    def quiet(self) -> bool:
        """True where nothing ever went there and nothing waits."""
        return not (self.feed or self.backlog or self.record or self.standing.paused)

    @property
    def in_time(self) -> float | None:
        """Share of what had to be acknowledged by now that was, in time; None: nothing was due yet."""
        due = sum(counts[word] for counts in self.record.values() for word in ("within", "late", "none"))
        return sum(counts["within"] for counts in self.record.values()) / due if due else None

    def count(self, row: Row, now: float) -> None:
        """Count one referral."""
        self.last_delivered = max(self.last_delivered, row.delivered)
        self.last_acknowledged = max(self.last_acknowledged, row.acknowledged)
        if row.delivered:
            self.took.append(row.delivered - row.queued)
        if row.waits is not None:
            self.backlog[row.waits.value] += 1
            self.oldest = min(self.oldest or row.queued, row.queued)
        self.unanswered += row.unanswered
        answer = row.answer(now)
        if answer is not None:
            self.record.setdefault(row.level.value, Counter())[answer] += 1

    def as_json(self, now: datetime) -> dict[str, Any]:
        """The state as other programs read it."""
        held = self.standing
        return {
            "id": self.id,
            "name": self.onboarded.name if self.onboarded else None,
            "channels": [channel.value for channel in self.onboarded.channels] if self.onboarded else [],
            "state": self.word,
            "paused": {"by": held.paused_by, "reason": held.reason, "at": held.at} if held.paused else None,
            "lanes": {channel: _lane(lane, now) for channel, lane in sorted(self.lanes.items())},
            "backlog": {place.value: self.backlog[place.value] for place in WAITING},
            "oldest_waiting": _at(self.oldest),
            "unanswered": self.unanswered,
            "last_delivered": _at(self.last_delivered),
            "last_acknowledged": _at(self.last_acknowledged),
            "delivery_median_s": round(median(self.took), 3) if self.took else None,
            "acknowledgements": {level: dict(counts) for level, counts in sorted(self.record.items())},
            "in_time": self.in_time,
            "feed": self.feed,
            "parked": [each._asdict() for each in self.parked],
            "reasons": dict(self.why.most_common()),
        }


class Fold:
    """Folds the records of the changelog, one partition after the other."""

    def __init__(self, now: datetime, only: str | None = None) -> None:
        """Fold for the time *now*; *only* one agency, whose parked referrals are named."""
        self._now = now.timestamp()
        self._only = only
        self._rows: dict[str, dict[bytes, bytes]] = {}
        self._why: dict[bytes, str | None] = {}
        self._kept: dict[tuple[str, str], Parked] = {}
        self._states: dict[str, State] = {}

    def add(self, key: str, value: bytes | None) -> None:
        """Take one record; those of documents, queues and timers tell nothing here."""
        kind, name = key[:2], key[2:]
        if kind in (ROW, KEPT):
            agency, _, referral = name.partition("/")
            if self._wanted(agency):
                self._referral(kind, agency, referral, value)
        elif kind == LANE:
            agency, channel = read_lane_name(name)
            if self._wanted(agency):
                self._state(agency).lanes[channel.value] = Lane.model_validate_json(value) if value else Lane()
        elif kind == FEED and self._wanted(name):
            self._state(name).feed = Feed.model_validate_json(value).number if value else 0
        elif kind == STANDING and self._wanted(name):
            self._state(name).standing = Standing.model_validate_json(value) if value else Standing()

    def end_partition(self) -> None:
        """Count what the rows of the partition came to, and forget them."""
        for agency, rows in self._rows.items():
            state = self._state(agency)
            for referral, packed in rows.items():
                row = Row.unpack(packed)
                state.count(row, self._now)
                why = self._why.get(referral)
                if row.waits is not None and why is not None:
                    state.why[why] += 1
                if row.waits is Push.PARKED:
                    self._name(state, _parked(referral, row, why))
        for (agency, _), kept in self._kept.items():
            state = self._state(agency)
            state.backlog[Push.PARKED.value] += 1
            state.oldest = min(state.oldest or kept.since.timestamp(), kept.since.timestamp())
            self._name(state, kept)
        for remembered in (self._rows, self._why, self._kept):
            remembered.clear()

    def states(self, onboarded: Iterable[Agency], hold_countries: Collection[str] = ()) -> list[State]:
        """Every agency that is onboarded or that something is known of, by id."""
        for agency in onboarded:
            if self._wanted(agency.id):
                state = self._state(agency.id)
                state.onboarded, state.held = agency, agency.country in hold_countries
        return sorted(self._states.values(), key=lambda state: state.id)

    def _wanted(self, agency: str) -> bool:
        return self._only is None or agency == self._only

    def _state(self, agency: str) -> State:
        return self._states.setdefault(agency, State(agency))

    def _name(self, state: State, parked: Parked) -> None:
        if self._only and len(state.parked) < LISTED:
            state.parked.append(parked)

    def _referral(self, kind: str, agency: str, referral: str, value: bytes | None) -> None:
        rows, which = self._rows.setdefault(agency, {}), UUID(referral).bytes
        if kind == KEPT and value is not None:
            event = orjson.loads(value)
            since = datetime.fromtimestamp(stamp(event["routed_at"]), UTC)
            self._kept[agency, referral] = Parked(referral, event["priority"], REASON, since, 0)
        elif kind == KEPT:
            self._kept.pop((agency, referral), None)
        elif value is None:
            rows.pop(which, None)
        else:
            rows[which] = pack(value)
            if self._only:
                self._why[which] = reason_of(value)


def _parked(referral: bytes, row: Row, why: str | None) -> Parked:
    at = datetime.fromtimestamp(row.queued, UTC)
    return Parked(str(UUID(bytes=referral)), row.level.value, why, at, row.attempts)


def _at(when: float) -> datetime | None:
    return datetime.fromtimestamp(when, UTC) if when else None


def _lane(lane: Lane, now: datetime) -> dict[str, Any]:
    breaker, sending = lane.breaker, len(lane.sending)
    return {"breaker": breaker.state(now), "failures": breaker.failures, "until": breaker.until, "sending": sending}
