"""One in twenty of the tips that rules closed is looked at by a person, always the same ones."""

from typing import Any
from uuid import UUID, uuid5

from contracts.vocabulary import AssessmentStatus
from services.router.following.sampling import sampled
from tests.support.router_world import Room
from tests.support.tips import ROOM, a_tip

TIPS = [uuid5(ROOM, str(number)) for number in range(20_000)]
IN = next(tip for tip in TIPS if sampled(tip))
OUT = next(tip for tip in TIPS if not sampled(tip))


def closed(room: Room, tip: UUID, **more: Any) -> list[dict[str, Any]]:
    """Decide a tip about legal content; return the questions to a person."""
    facts: dict[str, Any] = {"status": AssessmentStatus.NOT_ILLEGAL, "signals": ()} | more
    room.locate(a_tip("NL", tip_id=tip, **facts))
    return room.bodies("reviews")


def test_the_share_is_one_in_twenty() -> None:
    """Over many ids it is 5 %, and the same id is always in or always out."""
    assert 900 < sum(map(sampled, TIPS)) < 1100
    assert [sampled(tip) for tip in TIPS[:50]] == [sampled(tip) for tip in TIPS[:50]]


def test_a_sampled_tip_ends_and_is_asked_about_under_a_reason_of_its_own() -> None:
    """The decision stays px; the question has two weeks, and what a person finds continues the tip."""
    room = Room()
    (question,) = closed(room, IN)
    assert (question["reasons"], question["priority"], question["state"]) == (["qa_sample"], "P4", "open")
    assert (room.bodies("decisions")[0]["px"], room.entries[-1].tally["review"]) == ("not_illegal", False)

    found = room.person(question, ("anna",), reason="it is illegal", status="baseline")

    assert {emit.key for emit in found} == {"hotline-nl", "interpol-iccam"}


def test_a_person_who_agrees_is_not_asked_again() -> None:
    """The sample is drawn once for each revision, not for each decision."""
    room = Room()
    (question,) = closed(room, IN)
    room.person(question, ("anna",), reason="rightly closed")

    assert room.bodies("decisions")[-1]["px"] == "not_illegal"
    assert len(room.bodies("reviews")) == 1


def test_others_and_withdrawals_are_not_asked_about() -> None:
    """Nineteen in twenty simply end; so does what its sender took back."""
    assert closed(Room(), OUT) == []
    assert closed(Room(), IN, withdrawn=True) == []
