"""Levels: floors, raises and what may lower them, for either kind of destination."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import TipFacts
from contracts.vocabulary import AgencyKind, Kind, Label, Priority, Signal
from services.triage import acknowledge_by, actionability, codes_of, dispatch_target, triage
from services.triage.codes import ORDER
from services.triage.levels import urgent
from tests.support.intake import NOW

OLD = NOW - timedelta(days=3)


def facts(**given_facts: Any) -> TipFacts:
    """Facts of a tip with one URL."""
    return TipFacts.model_validate({"kind": "csam", "url_count": 1} | given_facts)


any_facts = st.builds(
    TipFacts,
    kind=st.sampled_from(list(Kind)),
    signals=st.lists(st.sampled_from(list(Signal)), max_size=6, unique=True).map(tuple),
    labels=st.lists(st.sampled_from(list(Label)), max_size=3, unique=True).map(tuple),
    observed_at=st.none() | st.datetimes(),
    immediate_danger=st.booleans(),
    danger_reason=st.booleans(),
    url_count=st.integers(0, 2),
    has_narrative=st.booleans(),
)


@pytest.mark.parametrize(
    ("changed", "person", "content"),
    [
        ({}, "P3", "P3"),
        ({"url_count": 0}, "P4", "P4"),
        ({"url_count": 0, "place_described": True}, "P3", "P3"),
        ({"kind": "grooming"}, "P1", "P1"),
        ({"kind": "live_abuse"}, "P0", "P0"),
        ({"kind": "live_abuse", "observed_at": OLD}, "P1", "P1"),
        ({"signals": ["live_streaming"], "observed_at": OLD}, "P1", "P1"),
        ({"status": "baseline"}, "P2", "P2"),
        ({"signals": ["access_to_children"]}, "P2", "P2"),
        ({"signals": ["access_to_children", "prior_reports"]}, "P1", "P1"),
        ({"status": "baseline", "signals": ["access_to_children", "prior_reports"]}, "P1", "P1"),
        ({"immediate_danger": True, "danger_reason": True}, "P0", "P0"),
        ({"immediate_danger": True}, "P1", "P1"),
        ({"signals": ["viral", "known_material"]}, "P4", "P4"),
        ({"signals": ["viral", "known_material"], "labels": ["A1"]}, "P4", "P2"),
        ({"signals": ["drawn", "commercial"]}, "P4", "P2"),
        ({"signals": ["minor_to_minor"], "kind": "sextortion"}, "P1", "P1"),
        ({"signals": ["minor_to_minor"], "preserve_until": NOW + timedelta(days=2)}, "P2", "P2"),
        ({"signals": ["generative_ai"], "status": "baseline"}, "P2", "P2"),
        ({"signals": ["spam"]}, "P3", "P3"),
        ({"signals": ["spam"], "url_count": 0}, "P4", "P4"),
    ],
)
def test_levels_follow_the_codes(changed: dict[str, Any], person: str, content: str) -> None:
    """Each lane gets the level that the codes which count there ask for."""
    found = triage(facts(**changed), vetted=True, now=NOW)
    assert (found.level_person, found.level_content) == (person, content)


def test_a_viral_file_is_little_news_for_police_and_still_has_to_go() -> None:
    """The reasons of each lane name what counted there and nothing else."""
    found = triage(facts(signals=["viral", "known_material"], labels=["A1"]), vetted=True, now=NOW)
    assert found.for_kind(AgencyKind.POLICE) == (Priority.P4, ("L1",))
    assert found.for_kind(AgencyKind.HOTLINE) == (Priority.P2, ("M1",))
    assert found.codes == ("M1", "L1")


def test_several_sources_raise_by_one_level() -> None:
    """N1 raises a standard tip to P2 and never beyond P1."""
    assert triage(facts(), vetted=True, now=NOW, given=("N1",)).level is Priority.P2
    assert triage(facts(kind="grooming"), vetted=True, now=NOW, given=("N1",)).level is Priority.P1


def test_the_public_flag_alone_is_never_p0() -> None:
    """An unvetted urgency flag is P1, with or without a reason; with a sign of its own it is P0."""
    flag = {"immediate_danger": True, "danger_reason": True}
    assert triage(facts(**flag), vetted=False, now=NOW).level is Priority.P1
    assert triage(facts(**flag, text_signals=["U1"]), vetted=False, now=NOW).level is Priority.P0


@given(tip=any_facts, vetted=st.booleans(), texts=st.sets(st.sampled_from(["U1", "U2", "U3"])))
def test_text_never_lowers(tip: TipFacts, vetted: bool, texts: set[str]) -> None:
    """Whatever a text says, no lane's level falls."""
    before = triage(tip, vetted=vetted, now=NOW)
    after = triage(tip.model_copy(update={"text_signals": tuple(texts)}), vetted=vetted, now=NOW)
    assert after.level_person <= before.level_person
    assert after.level_content <= before.level_content


@given(tip=any_facts, vetted=st.booleans(), seen_by_several=st.booleans())
def test_every_tip_has_a_level_and_ordered_codes(tip: TipFacts, vetted: bool, seen_by_several: bool) -> None:
    """Triage is total, codes come in one order, and where anybody may be in danger both lanes agree."""
    found = triage(tip, vetted=vetted, now=NOW, given=("N1",) if seen_by_several else ())
    assert list(found.codes) == sorted(found.codes, key=ORDER.index)
    assert Priority.PX not in (found.level_person, found.level_content)
    if any(code[0] in "UC" for code in found.codes):
        assert found.level_person == found.level_content <= Priority.P3
    assert found.level_content <= found.level_person
    assert urgent(tip, vetted=vetted, now=NOW) is triage(tip, vetted=vetted, now=NOW).level.urgent


@given(tip=any_facts, more=st.sampled_from(list(Signal)))
def test_only_named_signals_lower(tip: TipFacts, more: Signal) -> None:
    """Adding a signal never lowers, unless it is one of those that may."""
    lowering = {Signal.VIRAL, Signal.KNOWN_MATERIAL, Signal.MINOR_TO_MINOR, Signal.DRAWN}
    before = triage(tip, vetted=True, now=NOW)
    after = triage(tip.model_copy(update={"signals": (*tip.signals, more)}), vetted=True, now=NOW)
    assert more in lowering or after.level_person <= before.level_person


@pytest.mark.parametrize(
    ("changed", "score"),
    [
        ({"url_count": 0}, 0),
        ({}, 15),
        ({"hash_count": 2}, 25),
        ({"account_count": 1, "traceable": True, "contactable": True}, 70),
        ({"place_country": "SE"}, 35),
        ({"people": [{"role": "reporter", "location": "SE"}]}, 15),
        ({"people": [{"role": "victim", "location": "SE"}]}, 35),
    ],
)
def test_actionability_adds_up(changed: dict[str, Any], score: int) -> None:
    """Completeness is the sum of what an investigator can start from."""
    assert actionability(facts(**changed)) == score


def test_completeness_never_says_how_fast() -> None:
    """A located person adds to actionability and leaves the level alone."""
    before, after = (triage(facts(), vetted=True, now=NOW, located=located) for located in (False, True))
    assert (after.actionability - before.actionability, after.level) == (20, before.level)


def test_clocks_are_longer_for_lower_levels() -> None:
    """Every level but PX has a dispatch target and an acknowledgement time, in the order of the levels."""
    levels = [Priority.P0, Priority.P1, Priority.P2, Priority.P3, Priority.P4]
    by = [acknowledge_by(level, NOW) for level in levels]
    assert by == sorted(by, key=str)
    assert by[0] == NOW + timedelta(hours=1)
    assert acknowledge_by(Priority.PX, NOW) is None
    assert dispatch_target(Priority.P0) == timedelta(seconds=60)
    assert dispatch_target(Priority.PX) is None


def test_codes_are_the_same_for_both_lanes() -> None:
    """The full list of codes does not depend on the destination."""
    tip = facts(status="baseline", signals=["drawn"])
    assert triage(tip, vetted=True, now=NOW).codes == codes_of(tip, vetted=True, now=NOW)
