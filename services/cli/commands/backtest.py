"""``vidare rules backtest``: what another rulebook would have decided of the tips that were decided."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from contracts.events import DecisionRecorded
from contracts.topics import DECISIONS, RULEBOOKS
from services.chassis.broker.broker_port import Broker, Spot
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.cli import output
from services.cli.context import with_broker
from services.cli.kafka_io import all_records, connected
from services.cli.progress import Advance, progress
from services.cli.wronguse import WrongUse
from services.router.decision import World
from services.router.geography.world import load_world
from services.router.rules.backtest import Judge, Tally, Unreadable
from services.router.rules.books import Published, active_of
from services.router.rules.rulebook import Rulebook, load_rulebook

_SPAN = re.compile(r"([0-9]{1,6})([mhd])").fullmatch
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=36_525)
"""A century: nothing was recorded earlier, and no clock goes back for ever."""


def span_of(text: str) -> timedelta:
    """
    Read a length of time such as ``7d``.

    Raises:
        Misconfigured: It is none.
    """
    found = _SPAN(text.strip())
    if found is None:
        raise Misconfigured(f"--since {text!r} is no length of time: write 90m, 12h or 7d")
    span = timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
    if span > LONGEST:
        raise Misconfigured(f"--since {text!r} is longer than a century: write 90m, 12h or 7d")
    return span


def backtest(settings: Settings, new: Path, since: str, *, json: bool = False) -> int:
    """
    Compare; 1 if a decision would differ.

    Raises:
        Misconfigured: The rulebook cannot be loaded or proven.
        WrongUse: *since* is no length of time.
    """
    from services.cli.commands.rules import proven  # noqa: PLC0415

    begin = _begin(since)
    book, _ = proven(settings, new)
    settings = with_broker(settings)

    async def run() -> Tally:
        async with connected(settings.kafka or "") as broker:
            with progress("hearing recorded decisions", await how_many(broker)) as advance:
                return await compared(broker, load_world(settings), book, begin, advance)

    tally = asyncio.run(run())
    if json:
        output.as_json({"rulebook": {"id": book.id, "digest": book.digest}, "since": begin, **tally.as_json()})
    else:
        _in_words(tally)
    return 1 if tally.changed else 0


def _begin(since: str) -> datetime:
    try:
        return datetime.now(UTC) - span_of(since)
    except Misconfigured as error:
        raise WrongUse(str(error)) from None


async def how_many(broker: Broker) -> int:
    """How many records lie in the topic of decisions, markers included."""
    count = (await broker.partitions([DECISIONS])).get(DECISIONS, 0)
    spans = await broker.spans([Spot(DECISIONS, partition) for partition in range(count)]) if count else {}
    return sum(span.end - span.begin for span in spans.values())


async def compared(broker: Broker, world: World, new: Rulebook, begin: datetime, advance: Advance) -> Tally:
    """Hear *new* on every decision since *begin*, beside the book that took it."""
    published = Published()
    published.take([record async for record in all_records(broker, RULEBOOKS)])
    judge = Judge(new, _finder(published, world), world.atlas, world.partners)
    tally = Tally()
    async for value in _recorded(broker, advance):
        try:
            decided = DecisionRecorded.model_validate_json(value)
            if decided.decided_at >= begin:
                tally.add(judge.change(decided))
        except (ValidationError, Unreadable):
            tally.unreadable += 1
    return tally


async def _recorded(broker: Broker, advance: Advance) -> AsyncIterator[bytes]:
    async for record in all_records(broker, DECISIONS):
        advance(1)
        if record.value is not None:
            yield record.value


def _finder(published: Published, world: World) -> Callable[[str], Rulebook]:
    """The book of a digest: a published one, or a file's; else the one in force stands for it."""
    shipped = load_rulebook(Settings(rulebook=None).rulebook_file)
    known = {shipped.digest: shipped, world.book.digest: world.book}

    def load(digest: str) -> Rulebook | None:
        with suppress(Misconfigured, ValueError):
            return published.named(digest)
        return None

    active = active_of([published.active]) if published.active else None
    in_force = (load(active) if active else None) or world.book

    def find(digest: str) -> Rulebook:
        if digest not in known:
            known[digest] = load(digest) or in_force
        return known[digest]

    return find


def _in_words(tally: Tally) -> None:
    output.line(f"{tally.changed} of {tally.decisions} decisions would differ")
    if tally.unreadable:
        output.note(f"{tally.unreadable} records are no decisions that this version can read; they are left out")
    if not tally.by_rule:
        return
    output.table(("rule", "decisions"), sorted(tally.by_rule.items()))
    for rule, some in sorted(tally.examples.items()):
        for one in some:
            before, after = ", ".join(one.before) or "nobody", ", ".join(one.after) or "nobody"
            output.line(f"{rule}: tip {one.tip} version {one.version}: {before} -> {after}")
