"""The rulebook in use: a transaction keeps the one it began with, the next takes the new one."""

from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from contracts import topics
from services.chassis.errors import Poison
from services.chassis.hop import Input, Outcome, Record
from services.chassis.store.state import MemoryStore, Overlay
from services.router.hop import BOOK, RouterHop
from services.router.rules.books import Books, activation
from services.router.rules.rulebook import parse_rulebook
from tests.support.router_world import SETTINGS, shipped
from tests.support.tips import NOW, a_tip

TEXT = SETTINGS.rulebook_file.read_text(encoding="utf-8")
OTHER = TEXT.replace('title = "trafficking"', 'title = "trafficking of people"', 1)
DIGEST = parse_rulebook(OTHER, Path("other")).digest


def published(key: str, value: bytes, offset: int) -> Record:
    """A record of the topic of rulebooks."""
    return Record(topics.RULEBOOKS, 0, offset, key.encode(), value, (), 0)


def switch(books: Books) -> None:
    """Publish the other book and put it in force."""
    books.apply([published(DIGEST, OTHER.encode(), 6), published(topics.ACTIVE, activation(DIGEST), 7)])


def decided(hop: RouterHop, view: Overlay, reference: str) -> Outcome:
    """Decide one tip in the transaction of *view*."""
    body = a_tip("NL", reference=reference).model_dump_json(by_alias=True).encode()
    outcome = hop.decide(Input(uuid4(), NOW, record=Record(topics.LOCATED, 0, 0, b"k", body, (), 0)), view)
    view.put(outcome.puts)
    return outcome


def digests(outcome: Outcome) -> set[str]:
    """Digests in everything that one decision wrote and that names a rulebook."""
    bodies = [orjson.loads(emit.body) for emit in outcome.events]
    return {body["rulebook"]["digest"] for body in bodies if "rulebook" in body}


def test_a_switch_waits_for_the_end_of_the_transaction() -> None:
    """Two tasks in the midst of a transaction go on by the old book; what begins later has the new one, noted once."""
    books, store = Books(shipped()), MemoryStore()
    hop, one, two = RouterHop(books, 2), Overlay(store), Overlay(MemoryStore())
    old = shipped().book.digest
    assert digests(decided(hop, one, "T-1")) == digests(decided(hop, two, "T-2")) == {old}

    switch(books)

    assert digests(decided(hop, one, "T-3")) == {old}
    store.apply(one.changes, None)
    after = Overlay(store)
    first, second = decided(hop, after, "T-4"), decided(hop, after, "T-5")
    assert digests(first) == digests(second) == {DIGEST}
    assert orjson.loads(first.puts[BOOK] or b"") == {"digest": DIGEST, "offset": 7}
    assert BOOK not in second.puts
    assert digests(decided(hop, two, "T-6")) == {old}


def test_a_dead_letter_does_not_swallow_the_note_of_a_switch() -> None:
    """The first record that is decided after it notes the switch."""
    books = Books(shipped())
    switch(books)
    hop, view = RouterHop(books, 1), Overlay(MemoryStore())
    with pytest.raises(Poison):
        hop.decide(Input(uuid4(), NOW, record=Record(topics.LOCATED, 0, 0, b"k", b"{", (), 0)), view)

    assert BOOK in decided(hop, view, "T-1").puts


def test_a_file_that_was_never_published_leaves_no_note() -> None:
    """Where nobody activated anything, the store holds tips only."""
    assert BOOK not in decided(RouterHop(shipped(), 1), Overlay(MemoryStore()), "T-1").puts


def test_a_refused_rulebook_is_told_in_words_until_a_good_one_is_in_force() -> None:
    """Whoever put it there and however: the hop's warnings say what is wrong and what stays in use."""
    bad = OTHER.replace('{ fact = "scene.at", equals = "home" }', '{ fact = "scene.at", equals = "SE" }', 1)
    digest = parse_rulebook(OTHER, Path("other")).digest
    books = Books(shipped())
    hop = RouterHop(books, 1)
    assert hop.warnings() == []

    for records, reason in (
        ([published("sha256:bad", bad.encode(), 1)], "never is 'SE'"),
        ([published("sha256:bad", b"\xff\xfe", 2)], "not UTF-8"),
        ([published("sha256:other", OTHER.encode(), 3)], "is another one"),
        ([published(parse_rulebook(_dead(), Path("dead")).digest, _dead().encode(), 4)], "R03 is dead"),
        ([published(topics.ACTIVE, activation("sha256:bad"), 5)], "not UTF-8"),
        ([published(topics.ACTIVE, activation("sha256:nowhere"), 6)], "no rulebook with this digest"),
        ([published(topics.ACTIVE, b"{", 7)], "names no digest"),
        ([published(topics.ACTIVE, b"[]", 8)], "names no digest"),
    ):
        books.apply(records)
        (warning,) = hop.warnings()
        assert reason in warning
        assert f"{shipped().book.digest.removeprefix('sha256:')[:12]} stays in use" in warning
        assert books.current.world.book.digest == shipped().book.digest

    books.apply([published(digest, OTHER.encode(), 9), published(topics.ACTIVE, activation(digest), 10)])
    assert hop.warnings() == []
    assert books.current.world.book.digest == digest


def _dead() -> str:
    never = '{ all = [{ fact = "urgent", equals = true }, { fact = "priority", equals = "P3" }] }'
    return OTHER.replace('{ fact = "scene.at", equals = "home" }', never, 1)


def test_bad_books_before_the_last_activation_are_forgotten() -> None:
    """A process that starts reads the whole topic: what was put right long ago is no warning."""
    books = Books(shipped())

    books.apply(
        [
            published("sha256:bad", b"\xff", 1),
            published(topics.ACTIVE, activation("sha256:bad"), 2),
            published(DIGEST, OTHER.encode(), 3),
            published(topics.ACTIVE, activation(DIGEST), 4),
        ]
    )

    assert books.warnings() == []


def test_who_follows_says_so_until_the_topic_was_read() -> None:
    """Without a broker the door answers by the file's rulebook, and says that it may be another one's turn."""
    books = Books(shipped())
    books.followed = True

    assert "not read yet" in books.warnings()[0]
    books.read = True
    assert books.warnings() == []
