"""Two people for lowering a P0, attacked: one person twice, a name in other clothes, borrowed consent, replays."""

from typing import Any

import orjson
import pytest

from contracts import topics
from contracts.events import ReviewAsked
from services.chassis.errors import Poison
from services.router.following.signers import different
from tests.support.router_world import Room, actions, told
from tests.support.tips import URGENT, a_tip, edge

LOWER: dict[str, Any] = {"reason": "a mistake", "priority": "P3"}
CLOSE: dict[str, Any] = {"reason": "a mistake", "close": True}


@pytest.fixture
def room() -> Room:
    """A router with one P0 that waits for a person."""
    made = Room()
    made.locate(a_tip(edge(), **URGENT))
    return made


def question(room: Room) -> dict[str, Any]:
    """The newest record about the question."""
    return room.bodies(topics.REVIEWS)[-1]


def level(room: Room) -> str:
    """Level of the newest decision."""
    return str(room.bodies(topics.DECISIONS)[-1]["priority"])


@pytest.mark.parametrize(
    "names",
    [
        ("anna",),
        ("anna", "anna"),
        ("anna", "Anna"),
        ("anna", " anna "),
        ("anna berg", "Anna   Berg"),
        ("anna berg", "anna\u00a0berg"),
        ("anna berg", "anna\tberg\n"),
        ("anna", "a\u200bnna"),
        ("anna", "\u202eanna"),
        ("anna", "\uff41\uff4e\uff4e\uff41"),
        ("r\u00e5sa", "ra\u030asa"),
        ("stra\u00dfe", "STRASSE"),
        ("anna", ""),
        ("anna", "   ", "\u200b"),
    ],
)
@pytest.mark.parametrize("wanted", [LOWER, CLOSE])
def test_one_person_in_any_spelling_lowers_nothing(room: Room, names: tuple[str, ...], wanted: dict[str, Any]) -> None:
    """Case, blanks, invisible characters and other forms of a letter make no second person."""
    assert room.person(question(room), names, **wanted) == []

    assert level(room) == "P0"
    waiting = ReviewAsked.model_validate(question(room))
    assert (waiting.state, waiting.reasons[-1], len(waiting.decided_by)) == ("open", "second_person", 1)
    assert room.entry("review.decided").tally["waits_for"] == "second_person"


def test_two_people_count_as_two() -> None:
    """Each by the first spelling, cleaned of what does not show."""
    assert different(("anna ", "Bo\n Ek", "ANNA", "", "bo ek")) == ("anna", "Bo Ek")


@pytest.mark.parametrize("names", [(), ("",), (" ", "\u200b")])
def test_nobody_decides_nothing(room: Room, names: tuple[str, ...]) -> None:
    """A decision without a name is none, whatever it wants."""
    with pytest.raises(Poison):
        room.person(question(room), names, reason="x", refer=["europol"])


def test_a_second_person_confirms_what_the_first_proposed(room: Room) -> None:
    """Each signs a record of their own; together they lower it, and both stand in the books."""
    asked = question(room)
    room.person(asked, ("anna",), **LOWER)

    sent = room.person(asked, ("bo",), reason="I agree", priority="P3")

    assert told(sent)["cdn-cloudflare"]["priority"] == "P3"
    assert level(room) == "P3"
    assert room.entry("review.decided").actor == "anna and bo"


@pytest.mark.parametrize(
    "other",
    [CLOSE, {"reason": "x", "priority": "P4"}, {**LOWER, "refer": ["europol"]}, {**LOWER, "status": "harmful"}],
)
def test_nobody_agrees_to_what_another_adds(room: Room, other: dict[str, Any]) -> None:
    """Who proposed to lower has not agreed to close, nor to anything besides: that waits for a second person too."""
    asked = question(room)
    room.person(asked, ("anna",), **LOWER)

    assert room.person(asked, ("bo",), **other) == []

    assert level(room) == "P0"
    assert question(room)["decided_by"] == ["bo"]
    room.person(asked, ("anna",), **other)
    assert room.bodies(topics.DECISIONS)[-1]["version"] == 2


def test_a_proposal_is_taken_back_by_deciding_something_else(room: Room) -> None:
    """What the first person does instead goes on alone; the old proposal lends its name to nobody later."""
    asked = question(room)
    room.person(asked, ("anna",), **LOWER)
    room.person(asked, ("anna",), reason="it is real after all", refer=["europol"])
    assert room.entry("review.decided").actor == "anna"
    assert level(room) == "P0"

    room.locate(a_tip(edge(), revision=2, **URGENT))
    again = question(room)
    assert again["version"] > asked["version"]
    assert room.person(again, ("bo",), **LOWER) == []
    assert level(room) == "P0"


def test_a_proposal_does_not_outlive_a_correction(room: Room) -> None:
    """New facts: whoever agreed has agreed to something else."""
    room.person(question(room), ("anna",), **LOWER)
    room.locate(a_tip(edge(), revision=2, **URGENT))

    assert room.person(question(room), ("bo",), **LOWER) == []
    assert level(room) == "P0"


def test_replays_of_one_persons_word_never_become_two(room: Room) -> None:
    """The same record again and again, and after the decision: nothing more follows."""
    asked = question(room)
    for _ in range(3):
        assert room.person(asked, ("anna",), **LOWER) == []
    assert level(room) == "P0"
    room.person(asked, ("anna", "bo"), **LOWER)
    versions = len(room.bodies(topics.DECISIONS))

    for names in (("anna",), ("bo",), ("anna", "bo")):
        assert room.person(asked, names, **CLOSE) == []

    assert len(room.bodies(topics.DECISIONS)) == versions
    assert room.entry("review.decided").tally["ignored"] == "no such open review"


def test_lowering_again_after_a_raise_needs_two_again(room: Room) -> None:
    """Consent is spent with its version; raising needs one."""
    room.person(question(room), ("anna", "bo"), **LOWER)
    room.locate(a_tip(edge(), revision=2, **URGENT))
    assert level(room) == "P0"

    assert room.person(question(room), ("anna",), **LOWER) == []
    assert room.person(question(room), ("anna",), **CLOSE) == []
    assert level(room) == "P0"


def test_nobody_makes_a_referral_of_no_level(room: Room) -> None:
    """PX is the end of a tip, not a level of a referral: closing says it."""
    low = Room()
    low.locate(a_tip(edge()))
    for each in (room, low):
        with pytest.raises(Poison):
            each.person(question(each), ("anna", "bo"), reason="x", priority="PX")


def test_one_person_may_raise_and_refer(room: Room) -> None:
    """Only lowering and closing need two."""
    sent = room.person(question(room), ("anna",), reason="they ask for it", refer=["europol"])

    assert actions(sent)["europol"] == "new"
    low = Room()
    low.locate(a_tip(edge()))
    low.person(question(low), ("anna",), reason="a child is in danger", priority="P0")
    assert level(low) == "P0"


def test_a_row_of_an_earlier_version_is_read(room: Room) -> None:
    """Stores written before proposals were kept are as good."""
    key, row = next((key, row) for key, row in room.store.scan("tip/"))
    old = {name: value for name, value in orjson.loads(row).items() if name != "proposed"}
    room.store.apply({key: orjson.dumps(old)}, None)

    assert room.person(question(room), ("anna",), **LOWER) == []
