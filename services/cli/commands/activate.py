"""``vidare rules activate``: prove a rulebook, publish it under its digest, name it the one in force."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid5

from contracts import headers as h
from contracts.topics import ACTIVE, RULEBOOKS
from contracts.vocabulary import EntryKind
from services.chassis.broker_port import Broker, Out
from services.chassis.codec import epoch_ms
from services.chassis.errors import Misconfigured
from services.chassis.hop import NAMESPACE
from services.chassis.settings import Settings
from services.cli import output
from services.cli.context import with_broker
from services.cli.kafka_io import all_records, connected, write
from services.cli.signed import Signed, entry, whoever
from services.router.books import activation, active_of
from services.router.rulebook import Rulebook

TOML = [(h.CONTENT_TYPE, b"application/toml")]


def activate(settings: Settings, file: Path, *, by: str | None = None, json: bool = False) -> int:
    """
    Prove *file* and put it in force; what cannot be proven is not published.

    Raises:
        Misconfigured: It cannot be loaded or proven; says file, line and reason.
    """
    from services.cli.commands.rules import proven  # noqa: PLC0415 - keeps `vidare --help` quick

    book, proof = proven(settings, file)
    person, settings, text = whoever(by), with_broker(settings), file.read_bytes()

    async def publish() -> str | None:
        async with connected(settings.kafka or "") as broker:
            return await put_in_force(broker, book, text, person)

    before = asyncio.run(publish())
    if json:
        said = {"id": book.id, "digest": book.digest}
        output.as_json({"rulebook": said, "before": before, "changed": before != book.digest})
        return 0
    for warning in proof.warnings:
        output.note(f"warning: {warning}")
    if before == book.digest:
        output.line(f"{book.id} {book.digest} is in force already")
    else:
        output.line(f"{book.id} {book.digest} is in force; before: {before or 'the file that each router was given'}")
    return 0


async def put_in_force(broker: Broker, book: Rulebook, text: bytes, by: str) -> str | None:
    """
    Publish *book* with its custody entry in one transaction; return the digest that was in force before.

    Raises:
        Misconfigured: The topic is missing.
    """
    if RULEBOOKS not in await broker.partitions([RULEBOOKS]):
        raise Misconfigured(f"topic {RULEBOOKS} is missing: run `vidare topics apply`")
    before = active_of([record async for record in all_records(broker, RULEBOOKS)])
    if before != book.digest:
        await write(broker, published(book, text, before, by, datetime.now(UTC)), writer="rules-activate")
    return before


def published(book: Rulebook, text: bytes, before: str | None, by: str, now: datetime) -> list[Out]:
    """Return the book under its digest, then the digest under ``active``, then who did it."""
    at = epoch_ms(now)
    act = Signed(
        EntryKind.POLICY_CHANGED.value,
        uuid5(NAMESPACE, f"rulebook/{book.digest}/{now.isoformat()}"),
        by,
        "which rulebook decides",
        now,
        {"rulebook": book.id, "before": before, "after": book.digest},
    )
    return [
        Out(RULEBOOKS, 0, book.digest.encode(), text, TOML, at),
        Out(RULEBOOKS, 0, ACTIVE.encode(), activation(book.digest), [(h.CONTENT_TYPE, h.JSON)], at),
        entry(act),
    ]
