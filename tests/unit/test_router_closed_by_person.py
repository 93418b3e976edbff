"""A referral that a person at our side closed: the router's clocks stand down, and nobody is taken to have answered."""

from datetime import timedelta

import pytest

from tests.support.router_world import Room, actions, told
from tests.support.tips import a_tip


@pytest.fixture
def room() -> Room:
    """A router with the shipped rulebook and agencies."""
    return Room()


def police_of(room: Room) -> dict[str, object]:
    """The referral to the home police, which the takedown waits for."""
    return told(room.locate(a_tip("SE")))["police-se"]


def test_what_a_person_closed_releases_nothing(room: Room) -> None:
    """R06: the takedown still waits for the police or its day, since the police have not answered."""
    closed = room.answer(police_of(room), "closed_by_person")
    after_a_day = room.wait(timedelta(hours=25))

    assert {} == actions(closed)
    assert "takedown-se" in actions(after_a_day)
    assert "closed_by_person" == room.entry("outcome.taken").tally["what"]


def test_what_the_police_closed_releases_the_takedown(room: Room) -> None:
    """The other side of it: the agency's own answer lets the takedown go at once."""
    assert "takedown-se" in actions(room.answer(police_of(room), "closed"))


def test_what_a_person_closed_leads_nothing(room: Room) -> None:
    """A later tip about the same thing is a referral of its own: a closed one would swallow it as a sighting."""
    room.answer(police_of(room), "closed_by_person")
    later = room.locate(a_tip("SE", reference="E-later"))

    assert "new" == actions(later).get("police-se")
