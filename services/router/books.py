"""
The rulebook in use: what an operator published, proven once more before it decides anything.

A book that cannot be loaded or proven changes nothing: the one before stays,
and says so. No published book is ever lost, each lies under its digest.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from contracts.topics import ACTIVE, RULEBOOKS
from services.chassis.errors import Misconfigured
from services.chassis.hop import Record
from services.chassis.logs import logger
from services.router.decision import World
from services.router.proof import prove
from services.router.rulebook import Rulebook, parse_rulebook


@dataclass(frozen=True, slots=True)
class InUse:
    """The world that decides, and where in the topic its rulebook was named (None: it is a file's)."""

    world: World
    offset: int | None = None


class Published:
    """Every rulebook that the topic holds, by its digest."""

    def __init__(self) -> None:
        self.active: Record | None = None
        """The last activation."""
        self._texts: dict[str, bytes] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Take in records of the topic, in their order."""
        for record in records:
            if record.key == ACTIVE.encode():
                self.active = record
            elif record.key is not None and record.value is not None:
                self._texts[record.key.decode("utf-8", "replace")] = record.value

    def named(self, digest: str) -> Rulebook | None:
        """
        The book *digest*, or None where it was never published.

        Raises:
            Misconfigured: It cannot be loaded.
            ValueError: It is no text.
        """
        text = self._texts.get(digest)
        if text is None:
            return None
        book = parse_rulebook(text.decode(), published_as(digest))
        return book if book.digest == digest else None


class Books:
    """The rulebook in use, as the topic tells; other threads only read `current`."""

    def __init__(self, world: World) -> None:
        self.current = InUse(world)
        self.published = Published()
        self.wrong: str | None = None
        """Why the book that was activated last is not in use."""

    def apply(self, records: Sequence[Record]) -> None:
        """Take in records of the topic; of several activations only the last is carried out."""
        before = self.published.active
        self.published.take(records)
        last = self.published.active
        if last is not None and last is not before:
            self._activate(last)

    def _activate(self, record: Record) -> None:
        try:
            self.current = InUse(self._world_of(digest_in(record.value)), record.offset)
        except (Misconfigured, ValueError) as error:
            self.wrong = str(error)
            kept = short(self.current.world.book.digest)
            logger().warning("a rulebook is refused; the one before stays", reason=self.wrong, digest=kept)
        else:
            self.wrong = None
            digest = short(self.current.world.book.digest)
            logger().info("a rulebook is in use", digest=digest, offset=record.offset)

    def _world_of(self, digest: str) -> World:
        world = self.current.world
        if digest == world.book.digest:
            return world
        book = self.published.named(digest)
        if book is None:
            raise Misconfigured(f"{published_as(digest)}: no rulebook with this digest lies in topic {RULEBOOKS}")
        prove(book, world.atlas)
        return replace(world, book=book)


def published_as(digest: str) -> Path:
    """How complaints call a published rulebook."""
    return Path(RULEBOOKS) / short(digest)


def short(digest: str) -> str:
    """The first 12 hex digits, as logs and spans name a rulebook."""
    return digest.removeprefix("sha256:")[:12]


def activation(digest: str) -> bytes:
    """The value under the key ``active``."""
    return orjson.dumps({"digest": digest})


def active_of(records: Iterable[Record]) -> str | None:
    """The digest that *records* of the topic name last, or None where none of them names one."""
    found = None
    for record in records:
        if record.key == ACTIVE.encode():
            with suppress(Misconfigured, ValueError):
                found = digest_in(record.value)
    return found


def digest_in(value: bytes | None) -> str:
    """
    The digest that an activation names.

    Raises:
        Misconfigured: It names none.
        ValueError: It is no JSON.
    """
    data = orjson.loads(value or b"null")
    digest = data.get("digest") if isinstance(data, dict) else None
    if not isinstance(digest, str):
        raise Misconfigured(f"topic {RULEBOOKS}, key {ACTIVE}: names no digest; publish with `vidare rules activate`")
    return digest
