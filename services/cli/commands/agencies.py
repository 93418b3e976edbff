"""
``vidare agencies [ID]``: how every agency is: what waits, what it takes, how it answers.

Read from the notifier's changelog, so it needs no notifier that runs, and says
the same after a restart.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from contracts.topics import CHANGELOG
from services.chassis.broker.broker_port import Broker, Spot
from services.chassis.codec import partition_of
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import Agencies, load_agencies
from services.chassis.settings import Settings
from services.cli import output
from services.cli.commands.agencies_state import Fold, State
from services.cli.context import with_broker
from services.cli.kafka_io import connected
from services.cli.progress import progress
from services.cli.wronguse import WrongUse

ROWS = CHANGELOG + "notifier"
HEADS = (
    "agency", "state", "breaker", "waiting", "oldest", "parked", "unanswered", "last delivered", "last acknowledged",
    "in time", "feed",
)  # fmt: skip


def list_(settings: Settings, *, everyone: bool = False, json: bool = False) -> int:
    """Show every agency that something ever went to, with *everyone* also the others."""
    settings, now = with_broker(settings), datetime.now(UTC)
    states = asyncio.run(_states(settings, load_agencies(settings), now))
    if json:
        output.as_json([state.as_json(now) for state in states])
        return 0
    shown = [state for state in states if everyone or not state.quiet]
    output.table(HEADS, [_cells(state, now) for state in shown])
    quiet = len(states) - len(shown)
    if quiet:
        output.note(f"{quiet} more have had nothing yet: --all shows them")
    return 0


def show(settings: Settings, agency: str, *, json: bool = False) -> int:
    """
    Show one agency: its channels, what waits and why, how it answers.

    Raises:
        WrongUse: There is no such agency; names those that read alike.
    """
    settings, now = with_broker(settings), datetime.now(UTC)
    agencies = load_agencies(settings)
    states = asyncio.run(_states(settings, agencies, now, only=agency))
    if not states:
        raise unknown(agency, agencies.records)
    if json:
        output.as_json(states[0].as_json(now))
    else:
        _told(states[0], now)
    return 0


def unknown(agency: str, known: Iterable[str]) -> WrongUse:
    """What to say of an id that stands for nobody."""
    near = get_close_matches(agency, list(known), n=3, cutoff=0.5)
    meant = f"did you mean {' or '.join(near)}?" if near else "`vidare agencies --all` lists them"
    return WrongUse(f"no agency {agency}; {meant}")


async def _states(settings: Settings, agencies: Agencies, now: datetime, only: str | None = None) -> list[State]:
    async with connected(settings.kafka or "") as broker:
        fold = await folded(broker, now, only)
    return fold.states(agencies.records.values(), agencies.hold_countries)


async def folded(broker: Broker, now: datetime, only: str | None = None) -> Fold:
    """
    Fold the changelog as it is now; of *only* one agency, its partition alone is read.

    Raises:
        Misconfigured: There is no such topic.
    """
    fold, partition = Fold(now, only), None
    async for where, key, value in _rows(broker, only):
        if partition not in (None, where):
            fold.end_partition()
        partition = where
        fold.add(key.decode(), value)
    fold.end_partition()
    return fold


async def rows(broker: Broker, only: str | None = None) -> AsyncIterator[tuple[bytes, bytes | None]]:
    """
    Every version of every row that the notifier keeps, oldest first; of *only* one agency, those of its partition.

    Raises:
        Misconfigured: There is no such topic.
    """
    async for _, key, value in _rows(broker, only):
        yield key, value


async def _rows(broker: Broker, only: str | None) -> AsyncIterator[tuple[int, bytes, bytes | None]]:
    count = (await broker.partitions([ROWS])).get(ROWS, 0)
    if count == 0:
        raise Misconfigured(f"topic {ROWS} is missing: run `vidare topics apply`")
    wanted = range(count) if only is None else [partition_of(only, count)]
    spans = await broker.spans([Spot(ROWS, partition) for partition in wanted])
    with progress("reading how the agencies are", sum(span.end - span.begin for span in spans.values())) as advance:
        for spot, span in spans.items():
            done = span.begin
            async for records in broker.read_to(spot, span.begin, span.end):
                for record in records:
                    yield spot.partition, record.key or b"", record.value
                if records:
                    advance(records[-1].offset + 1 - done)
                    done = records[-1].offset + 1


def _cells(state: State, now: datetime) -> tuple[object, ...]:
    backlog = state.backlog
    waiting = sum(count for place, count in backlog.items() if place != "parked")
    return (
        state.id, state.word, _breaker(state, now), waiting or "", age(state.oldest, now), backlog["parked"] or "",
        state.unanswered or "", age(state.last_delivered, now), age(state.last_acknowledged, now), _share(state),
        state.feed,
    )  # fmt: skip


def _breaker(state: State, now: datetime) -> str:
    open_ = [f"{channel} {lane.breaker.state(now)}" for channel, lane in state.lanes.items() if not lane.breaker.closed]
    return ", ".join(open_) or ("closed" if state.lanes else "")


def _share(state: State) -> str:
    return "" if state.in_time is None else f"{state.in_time:.0%}"


def age(stamp: float, now: datetime) -> str:
    """How long ago *stamp* was, in the one unit that a person would use; nothing for 0."""
    if not stamp:
        return ""
    seconds = max(0, int(now.timestamp() - stamp))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _told(state: State, now: datetime) -> None:
    said = state.as_json(now)
    output.line(f"{state.id}: {said['name'] or 'not onboarded any longer'}")
    output.table(("what", ""), [(name, value) for name, value in _lines(state, said, now) if value not in ("", None)])
    if state.record:
        words = ("within", "late", "none", "open")
        output.line("\nacknowledged within its time, later, not at all; and what still has time")
        rows = [(level, *(counts[word] for word in words)) for level, counts in sorted(state.record.items())]
        output.table(("priority", *words), rows)
    if state.parked:
        output.line("\nparked: they wait for the agency or for a person (vidare agencies redeliver, close)")
        heads = ("referral", "priority", "reason", "attempts", "since")
        parked = [(p.referral, p.priority, p.reason, p.attempts, age(p.since.timestamp(), now)) for p in state.parked]
        output.table(heads, parked)


def _lines(state: State, said: dict[str, Any], now: datetime) -> Iterable[tuple[str, object]]:
    yield "state", state.word
    if state.standing.paused:
        held = state.standing
        yield "paused", f"{held.reason} ({', '.join(held.paused_by)}, {held.at:%Y-%m-%d %H:%M} UTC)"
    if state.standing.sweep is not None:
        yield "replay", f"since {state.standing.sweep.since}, going on"
    yield "channels", ", ".join(said["channels"])
    for channel, lane in said["lanes"].items():
        until = f", next look {lane['until']:%H:%M:%S} UTC" if lane["until"] else ""
        yield f"breaker of {channel}", f"{lane['breaker']}, {lane['failures']} failures in a row{until}"
    yield "waiting", ", ".join(f"{count} {place}" for place, count in said["backlog"].items() if count)
    yield "last failures", ", ".join(f"{count} {why}" for why, count in said["reasons"].items())
    yield "oldest", age(state.oldest, now)
    yield "unanswered", state.unanswered or None
    yield "last delivered", age(state.last_delivered, now)
    yield "last acknowledged", age(state.last_acknowledged, now)
    if said["delivery_median_s"] is not None:
        yield "median delivery", timedelta(seconds=round(said["delivery_median_s"], 1))
    yield "in time", _share(state)
    yield "feed number", state.feed
