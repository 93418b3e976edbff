"""
``vidare rules activate``: prove a rulebook, publish it under its digest, name it the one in force.

One writer at a time: who begins later fences the one before, so that each
activation names what was really in force before it.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid5

from contracts import headers as h
from contracts.topics import ACTIVE, RULEBOOKS, mesh_topics
from contracts.vocabulary import EntryKind
from services.chassis.broker.broker_port import Broker, Out
from services.chassis.codec import epoch_ms
from services.chassis.errors import Fenced, Misconfigured
from services.chassis.hop import NAMESPACE
from services.chassis.settings import Settings
from services.chassis.tomlfile import bytes_of, text_of
from services.cli import output
from services.cli.context import with_broker
from services.cli.kafka_io import all_records, connected, only_writer
from services.cli.signed import Signed, entry, whoever
from services.router.rules.books import activation, active_of
from services.router.rules.rulebook import Rulebook, parse_rulebook

NO = 1
TOML = [(h.CONTENT_TYPE, b"application/toml")]
ROOM = 4 * 1024
"""Bytes of a record that are not the book: its key, its headers, the batch around it."""


def activate(settings: Settings, file: Path, *, by: str | None = None, json: bool = False) -> int:
    """
    Prove *file* and put it in force; 1 if somebody else was quicker. What cannot be proven is not published.

    Raises:
        Misconfigured: It cannot be loaded or proven; says file, line and reason.
    """
    from services.cli.commands.rules import proven  # noqa: PLC0415 - keeps `vidare --help` quick

    book, proof = proven(settings, file)
    text = publishable(file, book)
    person, settings = whoever(by), with_broker(settings)

    async def publish() -> str | None:
        async with connected(settings.kafka or "") as broker:
            return await put_in_force(broker, book, text, person)

    try:
        before = asyncio.run(publish())
    except Fenced:
        output.note(
            "somebody else activated a rulebook at the same moment: yours is not published; look, and try again"
        )
        return NO
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
        Fenced: Somebody else began to activate meanwhile; nothing was written.
    """
    if RULEBOOKS not in await broker.partitions([RULEBOOKS]):
        raise Misconfigured(f"topic {RULEBOOKS} is missing: run `vidare topics apply`")
    async with only_writer(broker, "rules-activate") as writer:
        before = active_of([record async for record in all_records(broker, RULEBOOKS)])
        if before != book.digest:
            await writer.commit(published(book, text, before, by, datetime.now(UTC)), {}, "")
    return before


def publishable(file: Path, book: Rulebook) -> bytes:
    """
    The text of *book*, which was proven, as it is published.

    Raises:
        Misconfigured: *file* holds something else by now, or more than a record of the topic may hold.
    """
    text = bytes_of(file)
    most = next(topic.max_message_bytes for topic in mesh_topics(1) if topic.name == RULEBOOKS) - ROOM
    if len(text) > most:
        raise Misconfigured(
            f"{file}: {len(text)} bytes; a record of topic {RULEBOOKS} holds at most {most}: shorten it"
        )
    if parse_rulebook(text_of(file, text), file).digest != book.digest:
        raise Misconfigured(f"{file}: changed while it was proven: run the command again")
    return text


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
        Out(RULEBOOKS, 0, ACTIVE.encode(), activation(book.digest, before), [(h.CONTENT_TYPE, h.JSON)], at),
        entry(act),
    ]
