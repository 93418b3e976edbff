"""``vidare explain --replay``: recorded decisions taken again, by the rulebook of then; the bytes must be the same."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from contracts.events import DecisionRecorded
from contracts.topics import DECISIONS, RULEBOOKS
from services.chassis.broker.broker_port import Broker
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.cli import output
from services.cli.commands.submit import Given, read_files
from services.cli.context import with_broker
from services.cli.kafka_io import all_records, connected
from services.cli.wronguse import WrongUse
from services.router.decision import World
from services.router.geography.world import load_world
from services.router.rules.books import Published, short
from services.router.rules.rulebook import Rulebook, load_rulebook
from services.router.telling.record import NotAgain, again

Find = Callable[[str], Rulebook | None]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recorded decision, taken again."""

    where: str
    record: bytes
    bytes: bytes | None
    reason: str | None
    """Why it is not the same; None: byte for byte the same."""


def replay(settings: Settings, named: Sequence[str], *, json: bool = False) -> int:
    """
    Take the decisions of tips (by id, from the broker) or of files of ``decision/1`` again; 1 if one differs.

    Raises:
        WrongUse: A file cannot be read, or holds something else.
        Misconfigured: A tip is named and no broker runs.
    """
    world = load_world(settings)
    ids = [name for name in named if _is_tip(name)]
    given = read_files([name for name in named if not _is_tip(name)])
    published = Published()
    with suppress(Misconfigured):
        settings = with_broker(settings)
    if ids:
        settings = with_broker(settings)
    if settings.kafka:
        given = [*given, *asyncio.run(_read(settings.kafka, ids, published))]
    find = finder(published, world, settings)
    code = 0 if given else 1
    if not given:
        output.note("nothing is recorded of it: never decided here, or longer ago than decisions are kept (30 days)")
    for one in given:
        told = replayed(one, world, find)
        code |= told.reason is not None
        _say(told, json=json)
    return code


def replayed(given: Given, world: World, find: Find) -> Replayed:
    """
    Take one recorded decision again.

    Raises:
        WrongUse: It is none.
    """
    try:
        kept = DecisionRecorded.model_validate_json(given.data)
    except ValidationError:
        msg = f"{given.where} is no decision/1: --replay takes tip ids and files of recorded decisions"
        raise WrongUse(msg) from None
    digest = kept.rulebook.digest
    book = find(digest)
    if book is None:
        reason = f"its rulebook {short(digest)} is neither a file's nor in topic {RULEBOOKS}"
        return Replayed(given.where, given.data, None, reason)
    then = world if book.digest == world.book.digest else replace(world, book=book)
    try:
        made = again(kept, then)
    except NotAgain as error:
        return Replayed(given.where, given.data, None, str(error))
    differs = "; ".join(_why(kept, orjson.loads(made), given, then)) if made != given.data else None
    return Replayed(given.where, given.data, made, differs)


def _why(kept: DecisionRecorded, made: dict[str, Any], given: Given, world: World) -> Iterator[str]:
    was = orjson.loads(given.data)
    names = [name for name in dict.fromkeys([*was, *made]) if was.get(name) != made.get(name)]
    yield f"differs in {', '.join(names)}" if names else "the same values, written in other bytes"
    if kept.world != world.digest:
        yield "registry, agencies.toml or partners.toml are not those of then"


def finder(published: Published, world: World, settings: Settings) -> Find:
    """The very rulebook of a digest, wherever it still lies; none stands in for it."""
    shipped = load_rulebook(settings.model_copy(update={"rulebook": None}).rulebook_file)
    known: dict[str, Rulebook | None] = {shipped.digest: shipped, world.book.digest: world.book}

    def find(digest: str) -> Rulebook | None:
        if digest not in known:
            known[digest] = None
            with suppress(Misconfigured):
                known[digest] = published.named(digest)
        return known[digest]

    return find


async def _read(kafka: str, ids: Sequence[str], published: Published) -> list[Given]:
    async with connected(kafka) as broker:
        published.take([record async for record in all_records(broker, RULEBOOKS)])
        return await decisions_of(broker, ids) if ids else []


async def decisions_of(broker: Broker, ids: Sequence[str]) -> list[Given]:
    """Every recorded decision of the tips *ids*, by version."""
    wanted = {str(UUID(name)) for name in ids}
    found: list[tuple[str, int, bytes]] = []
    async for record in all_records(broker, DECISIONS):
        if record.value is not None and any(name.encode() in record.value for name in wanted):
            with suppress(ValidationError):  # somebody else's record; it is nobody's decision
                kept = DecisionRecorded.model_validate_json(record.value)
                if str(kept.tip_id) in wanted:
                    found.append((str(kept.tip_id), kept.version, record.value))
    return [Given(f"tip {tip} version {version}", data) for tip, version, data in sorted(found)]


def _say(told: Replayed, *, json: bool) -> None:
    if json:
        sys.stdout.buffer.write((told.bytes or b"null") + b"\n")
        sys.stdout.buffer.flush()
    if told.reason is not None:
        output.note(f"{told.where}: {told.reason}")
    elif not json:
        digest = short(str(orjson.loads(told.record)["rulebook"]["digest"]))
        output.line(f"{told.where}: the same, byte for byte ({len(told.record)} bytes, rulebook {digest})")


def _is_tip(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
