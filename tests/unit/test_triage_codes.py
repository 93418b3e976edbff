"""Reason codes: which fields of a tip show which of the field's signs of urgency."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.events import PersonFacts, TipFacts
from services.triage import codes_of
from tests.support.intake import NOW

OLD = NOW - timedelta(days=3)
FRESH = NOW - timedelta(hours=23)


def codes(*, vetted: bool = True, given: tuple[str, ...] = (), **facts: Any) -> tuple[str, ...]:
    """Codes of a tip with *facts*."""
    return codes_of(TipFacts.model_validate({"kind": "csam"} | facts), vetted=vetted, now=NOW, given=given)


def suspect(*nationalities: str, location: str | None = None) -> PersonFacts:
    """A suspect."""
    return PersonFacts.model_validate({"role": "suspect", "nationalities": nationalities, "location": location})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ()),
        ({"kind": "live_abuse"}, ("U1",)),
        ({"kind": "live_abuse", "observed_at": FRESH}, ("U1",)),
        ({"kind": "live_abuse", "observed_at": OLD}, ("C4",)),
        ({"signals": ["live_streaming"]}, ("U1",)),
        ({"signals": ["live_streaming"], "observed_at": OLD}, ("M3",)),
        ({"signals": ["ongoing_contact"]}, ("U1",)),
        ({"signals": ["ongoing_contact"], "kind": "grooming"}, ("C1",)),
        ({"signals": ["ongoing_contact"], "kind": "sextortion"}, ("C1",)),
        ({"signals": ["ongoing_contact"], "kind": "solicitation"}, ("C1",)),
        ({"signals": ["ongoing_contact"], "kind": "trafficking"}, ("U1", "C1")),
        ({"text_signals": ["U1"]}, ("U1",)),
        ({"signals": ["planned_meeting"]}, ("U2",)),
        ({"signals": ["crisis"]}, ("U3",)),
        ({"kind": "travelling_offender"}, ("C4",)),
        ({"signals": ["access_to_children"]}, ("C2",)),
        ({"signals": ["prior_reports"]}, ("C3",)),
        ({"status": "baseline"}, ("M1",)),
        ({"status": "national"}, ()),
        ({"labels": ["A1"]}, ("M1",)),
        ({"labels": ["infant"]}, ("M1",)),
        ({"labels": ["violence"]}, ("M1",)),
        ({"labels": ["bestiality"]}, ("M1",)),
        ({"labels": ["A2", "B1", "B2"]}, ()),
        ({"signals": ["new_material"]}, ("M2",)),
        ({"signals": ["commercial"]}, ("D1",)),
        ({"preserve_until": NOW + timedelta(days=14)}, ("T1",)),
        ({"preserve_until": NOW + timedelta(days=15)}, ()),
        ({"preserve_until": NOW - timedelta(days=1)}, ()),
        ({"signals": ["viral"]}, ()),
        ({"signals": ["known_material"]}, ()),
        ({"signals": ["viral", "known_material"]}, ("L1",)),
        ({"signals": ["minor_to_minor"]}, ("L3",)),
        ({"signals": ["drawn"]}, ("L4",)),
        ({"signals": ["generative_ai"]}, ()),
        ({"signals": ["spam"]}, ("L6",)),
    ],
)
def test_each_field_shows_its_codes(facts: dict[str, Any], expected: tuple[str, ...]) -> None:
    """A tip shows exactly the codes that its fields ask for."""
    assert codes(**facts) == expected


@pytest.mark.parametrize(
    ("people", "place", "expected"),
    [
        ([suspect("SE", location="TH")], None, ("U1", "U2", "C4")),
        ([suspect("SE")], "TH", ("U1", "U2", "C4")),
        ([suspect("SE", location="SE")], None, ("U1", "C4")),
        ([suspect(location="TH")], None, ("U1", "C4")),
        ([], "TH", ("U1", "C4")),
    ],
)
def test_e51_an_offender_abroad_with_contact_is_u2(
    people: list[PersonFacts], place: str | None, expected: tuple[str, ...]
) -> None:
    """E51: only a suspect known to be outside the country of nationality, in contact with a child, adds U2."""
    shown = codes(kind="travelling_offender", signals=["ongoing_contact"], people=people, place_country=place)
    assert shown == expected


def test_the_urgency_flag_is_believed_of_vetted_senders_only() -> None:
    """The same flag is U4 from a vetted partner and U5 from the public."""
    assert codes(immediate_danger=True, vetted=True) == ("U4",)
    assert codes(immediate_danger=True, vetted=False) == ("U5",)


def test_a_time_without_zone_counts_as_fresh_as_it_can_be() -> None:
    """A local time of 30 hours ago may be 24 hours ago somewhere, one of 37 hours may not."""
    naive = NOW.replace(tzinfo=None)
    assert codes(kind="live_abuse", observed_at=naive - timedelta(hours=30)) == ("U1",)
    assert codes(kind="live_abuse", observed_at=naive - timedelta(hours=37)) == ("C4",)


def test_codes_that_only_the_caller_knows_are_told_in_order() -> None:
    """N1 is given by the router and stands between the material and what lowers."""
    assert codes(status="baseline", signals=["drawn"], given=("N1", "nonsense")) == ("M1", "N1", "L4")
