"""A recorded decision is taken again byte for byte, whatever was activated since; and says why where it is not."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from contracts import topics
from contracts.events import DecisionRecorded, TipLocated
from services.chassis.settings import Settings
from services.cli.commands.replay import finder, replay, replayed
from services.cli.commands.submit import Given
from services.cli.wronguse import WrongUse
from services.router.decision import World
from services.router.rules.books import Books, Published, activation
from services.router.rules.rulebook import parse_rulebook
from services.router.telling.record import again
from tests.support.router_world import SETTINGS, Room, a_world, shipped
from tests.support.tips import URGENT, a_tip, edge, of_person, suspect, unsure, victim
from tests.unit.test_router_books import DIGEST, OTHER, published
from tests.unit.test_router_properties import tips

ALIKE: Sequence[TipLocated] = (
    a_tip("NL", reference="1"),
    a_tip("SE", reference="2"),
    a_tip("DE", "IT", people=(victim("SE", location="NO"), suspect("TH")), reference="3"),
    a_tip(unsure("NL", "FI"), reference="4"),
    a_tip(unsure("DE", "VN"), reference="5", **URGENT),
    a_tip(edge(), persons=[of_person("US")], place_country="SE", place_region="Region Väst", reference="6"),
    a_tip(reference="7", language="de", withdrawn=True),
)


def decided(room: Room) -> list[bytes]:
    """Every record that the room's hop wrote."""
    return [emit.body for emit in room.events if emit.topic == topics.DECISIONS]


def lived(world: World | None = None) -> Room:
    """A room in which tips were decided, answered, looked at by a person, and aged."""
    room = Room(world or shipped())
    for tip in ALIKE:
        for referral in [orjson.loads(emit.body) for emit in room.locate(tip)][:1]:
            room.answer(referral, "nack", nack="not_ours")
    room.wait(timedelta(hours=5))
    for review in room.bodies(topics.REVIEWS)[:3]:
        room.person(review, ("anna", "bo"), reason="looked", country="NL", priority="P3")
    room.wait(timedelta(days=31))
    return room


def test_every_decision_of_a_long_life_is_taken_again_byte_for_byte() -> None:
    """First decisions, after answers, after people, after time: the recorded gist is all that they read."""
    records = decided(lived())

    assert len(records) >= 2 * len(ALIKE)
    for record in records:
        assert again(DecisionRecorded.model_validate_json(record), a_world()) == record


@given(tip=tips())
@settings(max_examples=150, deadline=None)
def test_any_decision_is_taken_again_byte_for_byte(tip: TipLocated) -> None:
    """Whatever the tip, another process decides the same bytes from the record alone."""
    room = Room()
    room.locate(tip)

    (record,) = decided(room)

    assert again(DecisionRecorded.model_validate_json(record), a_world()) == record


def test_a_later_activation_changes_nothing_about_a_recorded_decision() -> None:
    """The rulebook of then is found by its digest in the topic; another one that is in force decides nothing."""
    books = Books(shipped())
    room = Room(shipped())
    room.locate(ALIKE[0])
    books.apply([published(DIGEST, OTHER.encode(), 6), published(topics.ACTIVE, activation(DIGEST), 7)])
    room.world = books.current.world
    room.locate(ALIKE[2])
    before, after = (Given("here", record) for record in decided(room))

    find = finder(books.published, shipped(), SETTINGS)

    for one, digest in ((before, shipped().book.digest), (after, DIGEST)):
        assert orjson.loads(one.data)["rulebook"]["digest"] == digest
        assert replayed(one, books.current.world, find) == replayed(one, shipped(), find)
        assert replayed(one, shipped(), find).reason is None
        assert replayed(one, shipped(), find).bytes == one.data
    lost = replayed(after, shipped(), finder(Published(), shipped(), SETTINGS))
    assert lost.reason is not None
    assert "neither a file's nor in topic rulebooks" in lost.reason


def _changed(record: bytes, **fields: Any) -> Given:
    return Given("here", orjson.dumps(orjson.loads(record) | fields))


def test_what_is_not_the_same_is_named() -> None:
    """A touched record, other onboarding records, a record of an older version: each in words, none passes."""
    room = Room(shipped())
    room.locate(ALIKE[0])
    (record,) = decided(room)
    find = finder(Published(), shipped(), SETTINGS)

    touched = replayed(_changed(record, destinations=[], px="not_illegal"), shipped(), find)
    elsewhere = replayed(Given("here", record), a_world(changed={"hotline-nl": {"active": False}}), find)
    older = replayed(_changed(record, gist={}), shipped(), find)

    assert touched.reason == "differs in destinations, px"
    assert elsewhere.reason is not None
    assert "agencies.toml" in elsewhere.reason
    assert older.reason == "an older version recorded it without all that it had read"


def test_the_command_replays_files(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Exit 0 and the bytes themselves for programs; 1 where one differs; wrong use where it is no record."""
    records = decided(lived())
    file, bad = tmp_path / "decisions.jsonl", tmp_path / "bad.jsonl"
    file.write_bytes(b"\n".join(records))
    bad.write_bytes(records[0].replace(b'"P2"', b'"P3"'))
    mine = Settings(home=tmp_path)

    assert replay(mine, [str(file)], json=True) == 0
    assert capfdbinary.readouterr().out.splitlines() == records
    assert replay(mine, [str(bad)]) == 1
    assert b"differs in" in capfdbinary.readouterr().err
    bad.write_bytes(b'{"reference": "no decision"}')
    with pytest.raises(WrongUse):
        replay(mine, [str(bad)])


def test_the_other_book_is_another_one() -> None:
    """The two books of these tests differ, or nothing above would show anything."""
    assert parse_rulebook(OTHER, Path("other")).digest != shipped().book.digest
