"""
The rulebook in use: what an operator published, proven once more before it decides anything.

A book that cannot be loaded or proven changes nothing: the one before stays,
and says so, in a process that starts as in one that runs. No published book
is ever lost, each lies under its digest.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from contracts.topics import ACTIVE, RULEBOOKS
from services.chassis.errors import Misconfigured
from services.chassis.hop import Record
from services.chassis.telemetry.logs import logger
from services.chassis.tomlfile import text_of
from services.router.decision import World
from services.router.rules.proof import prove
from services.router.rules.rulebook import Rulebook, parse_rulebook

DIGEST, BEFORE = "digest", "before"
"""What an activation names: the book that decides from now on, and the one that it replaced."""


class InEarlierForce(NamedTuple):
    """A book that decided once, and where in the topic that is said."""

    digest: str
    offset: int


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
        self.newer: list[str] = []
        """Keys of books that were published after it."""
        self._earlier: dict[str, int] = {}
        """Digests that were in force before, the latest last, and the offsets that name them."""
        self._texts: dict[str, bytes] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Take in records of the topic, in their order."""
        for record in records:
            if record.key == ACTIVE.encode():
                self._remember(self.active)
                self.active = record
                self.newer.clear()
            elif record.key is not None and record.value is not None:
                self._texts[record.key.decode("utf-8", "replace")] = record.value
                self.newer.append(record.key.decode("utf-8", "replace"))

    def earlier(self) -> Iterator[InEarlierForce]:
        """
        What was in force before the last activation, the latest first.

        The topic is compacted: where it has forgotten earlier activations, the last one still names the one before.
        """
        told = dict(self._earlier)
        before = _named_in(self.active, BEFORE)
        if before is not None and self.active is not None:
            told.setdefault(before, self.active.offset)
        for digest in reversed(told):
            yield InEarlierForce(digest, told[digest])

    def _remember(self, record: Record | None) -> None:
        for name in (BEFORE, DIGEST):
            digest = _named_in(record, name)
            if digest is not None and record is not None:
                self._earlier.pop(digest, None)
                self._earlier[digest] = record.offset

    def named(self, digest: str) -> Rulebook | None:
        """
        The book *digest*, or None where it was never published.

        Raises:
            Misconfigured: It cannot be loaded, or is not what its key says.
        """
        text = self._texts.get(digest)
        if text is None:
            return None
        name = published_as(digest)
        book = parse_rulebook(text_of(name, text), name)
        if book.digest != digest:
            raise Misconfigured(
                f"{name}: the text under this key is another one ({short(book.digest)}): "
                "publish with `vidare rules activate`"
            )
        return book


class Books:
    """The rulebook in use, as the topic tells; other threads only read `current`."""

    def __init__(self, world: World) -> None:
        self.current = InUse(world)
        self.published = Published()
        self.followed = False
        """Somebody keeps these up with the topic."""
        self.read = False
        """The topic was read to its end once."""
        self.wrong: str | None = None
        """Why the book that was published or activated last is not fit for use; stays until a good one is in force."""

    @property
    def waiting(self) -> bool:
        """True until the topic was read to its end, where somebody follows it."""
        return self.followed and not self.read

    def warnings(self) -> list[str]:
        """What an operator should know, in words."""
        unread = ["the rulebooks of the broker are not read yet: the file's is in use"] if self.waiting else []
        if self.wrong is None:
            return unread
        return [*unread, f"a rulebook is refused, {short(self.current.world.book.digest)} stays in use: {self.wrong}"]

    def apply(self, records: Sequence[Record]) -> None:
        """Take in records of the topic; of several activations only the last is carried out."""
        before = self.published.active
        self.published.take(records)
        last = self.published.active
        if last is not None and last is not before and not self._activate(last) and self.current.offset is None:
            self._fall_back()
        for key in self.published.newer:
            self._look_at(key)
        self.published.newer.clear()

    def _look_at(self, key: str) -> None:
        """Say at once that a book which somebody published could never be put in force."""
        try:
            book = self.published.named(key)
            if book is not None:
                prove(book, self.current.world.atlas)
        except Misconfigured as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        self.wrong = str(error)
        kept = short(self.current.world.book.digest)
        logger().warning("a rulebook is refused; the one before stays", reason=self.wrong, digest=kept)

    def _activate(self, record: Record) -> bool:
        try:
            self._use(digest_in(record.value), record.offset)
        except Misconfigured as error:
            self._refuse(error)
            return False
        self.wrong = None
        return True

    def _fall_back(self) -> None:
        """Begin by the last book that was fit for use, as every process that was there when it was activated."""
        for digest, offset in self.published.earlier():
            with suppress(Misconfigured):
                self._use(digest, offset)
                return

    def _use(self, digest: str, offset: int) -> None:
        self.current = InUse(self._world_of(digest), offset)
        logger().info("a rulebook is in use", digest=short(self.current.world.book.digest), offset=offset)

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


def activation(digest: str, before: str | None = None) -> bytes:
    """The value under the key ``active``: the book in force, and the one *before* it."""
    return orjson.dumps({DIGEST: digest, BEFORE: before} if before else {DIGEST: digest})


def active_of(records: Iterable[Record]) -> str | None:
    """The digest that *records* of the topic name last, or None where none of them names one."""
    found = None
    for record in records:
        if record.key == ACTIVE.encode():
            with suppress(Misconfigured):
                found = digest_in(record.value)
    return found


def digest_in(value: bytes | None) -> str:
    """
    The digest that an activation names.

    Raises:
        Misconfigured: It names none.
    """
    digest = _word(value, DIGEST)
    if digest is None:
        raise Misconfigured(f"topic {RULEBOOKS}, key {ACTIVE}: names no digest; publish with `vidare rules activate`")
    return digest


def _named_in(record: Record | None, name: str) -> str | None:
    return None if record is None else _word(record.value, name)


def _word(value: bytes | None, name: str) -> str | None:
    """The text that an activation gives as *name*; None where it gives none."""
    data: Any = None
    with suppress(orjson.JSONDecodeError):
        data = orjson.loads(value or b"null")
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, str) else None
