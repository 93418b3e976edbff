"""
What the store tells of each agency: how much waits, since when, and whether its breaker lets anything through.

Read from the rows that the work itself needs (queue, lanes, timers), so that
the numbers are right after a restart and cost the work nothing.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from contracts import labels, telemetry
from services.chassis.hop import View
from services.chassis.store.timers import PREFIX
from services.chassis.telemetry.telemetry_port import Level
from services.notifier.delivering.change import RETRY
from services.notifier.delivering.delivery import Delivery, Life, Push
from services.notifier.delivering.digest import DIGEST, GATHERED, Digest
from services.notifier.delivering.draft import LANE, row_key
from services.notifier.delivering.order import QUEUE, Lane, read_lane_name
from services.notifier.delivering.unreachable import KEPT
from services.notifier.documents.feed import FEED, Feed
from services.notifier.ordering.orders import STANDING, Standing

MOST = 100_000
"""Rows that are counted of each sort; a backlog beyond it is told as this many."""

_PER_AGENCY = (
    telemetry.BACKLOG_AGE,
    telemetry.PARKED,
    telemetry.BREAKER_STATE,
    telemetry.ESCALATIONS,
    telemetry.PAUSED,
    telemetry.FEED,
)

BREAKER = {"closed": 0, "half_open": 1, "open": 2}
_RETRIES = f"{PREFIX}{RETRY}/"
_ASLEEP = {Push.WAITING: "waiting", Push.PARKED: "parked"}


def levels(view: View, agencies: Iterable[str], now: datetime) -> Iterator[Level]:
    """Every level of every agency; *agencies* are those that are told of even where nothing ever went."""
    for agency in agencies:
        yield from _nothing(agency)
    for key, raw in view.scan(FEED, limit=MOST):
        yield Level(telemetry.FEED, (key.removeprefix(FEED),), Feed.model_validate_json(raw).number)
    for key, raw in view.scan(STANDING, limit=MOST):
        yield Level(telemetry.PAUSED, (key.removeprefix(STANDING),), Standing.model_validate_json(raw).paused)
    for key, raw in view.scan(LANE, limit=MOST):
        agency, lane = read_lane_name(key.removeprefix(LANE))[0], Lane.model_validate_json(raw)
        yield Level(telemetry.BREAKER_STATE, (agency,), BREAKER[lane.breaker.state(now)])
        for referral in lane.sending:
            yield from _waits(_row(view, agency, str(referral)), "sending", now)
    for key, _ in view.scan(QUEUE, limit=MOST):
        name, _, _, referral_text = key.removeprefix(QUEUE).rsplit("/", 3)
        yield from _waits(_row(view, read_lane_name(name)[0], referral_text), "queued", now)
    for key, _ in view.scan(_RETRIES, limit=MOST):
        name, referral_text = key.removeprefix(_RETRIES).split("/")
        agency, channel = read_lane_name(name)
        row = _row(view, agency, referral_text)
        way = row.way(channel) if row is not None else None
        if way is not None and way.push in _ASLEEP:
            yield from _waits(row, _ASLEEP[way.push], now)
    yield from _listed(view, now)
    for key, _ in view.scan(KEPT, limit=MOST):
        yield Level(telemetry.PARKED, (key.removeprefix(KEPT).split("/")[0],), 1)


def _nothing(agency: str) -> Iterator[Level]:
    for state in labels.BACKLOG_STATES:
        yield Level(telemetry.BACKLOG, (agency, state), 0)
    for metric in _PER_AGENCY:
        yield Level(metric, (agency,), 0)
    for in_time in labels.IN_TIME.values():
        yield Level(telemetry.ACKNOWLEDGED, (agency, in_time), 0)


def _listed(view: View, now: datetime) -> Iterator[Level]:
    """What waits for a digest, or in one that is not delivered yet."""
    for key, _ in view.scan(GATHERED, limit=MOST):
        agency, _, referral = key.removeprefix(GATHERED).split("/")
        yield from _waits(_row(view, agency, referral), "waiting", now)
    for _, raw in view.scan(DIGEST, limit=MOST):
        digest = Digest.model_validate_json(raw)
        for line in digest.lines:
            state = "parked" if digest.push is Push.PARKED else "waiting"
            yield from _waits(_row(view, digest.agency, str(line.referral)), state, now)


def _row(view: View, agency: str, referral: str) -> Delivery | None:
    raw = view.get(row_key(agency, UUID(referral)))
    return Delivery.model_validate_json(raw) if raw is not None else None


def _waits(row: Delivery | None, state: str, now: datetime) -> Iterator[Level]:
    if row is None:
        return
    if state == "parked":
        yield Level(telemetry.PARKED, (row.agency,), 1)
        return
    if row.life not in (Life.QUEUED, Life.DISPATCHED):
        return  # offered again; the agency has had it
    yield Level(telemetry.BACKLOG, (row.agency, state), 1)
    yield Level(telemetry.BACKLOG_AGE, (row.agency,), max(0.0, (now - row.queued_at).total_seconds()))
