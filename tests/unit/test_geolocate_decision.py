"""Evidence to verdict: the confidence rules (edge cases E31-E36, E39, E67)."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Evidence
from contracts.vocabulary import CountryBy, Flag
from services.geolocate.decision import (
    ANALYST,
    DISAGREE,
    EDGE,
    MAJORITY,
    PAIR,
    SINGLE,
    UNANIMOUS,
    Claim,
    Found,
    Looked,
    is_country,
    weigh,
)
from services.geolocate.networks import NetworkKind, Operator

BUILT = "2026-06-01"
SAYS = st.lists(st.sampled_from(["NL", "SE", "US", "EU", "T1", "", "nl"]), max_size=5)


def said(*countries: str, kind: NetworkKind | None = None) -> Looked:
    """What sources say of one address, in their order."""
    evidence = tuple(Evidence(source=f"s{n}", says=country, built=BUILT) for n, country in enumerate(countries))
    return Looked(evidence, operator=Operator("o", kind) if kind else None)


@pytest.mark.parametrize(
    ("countries", "country", "confidence", "candidates", "flags"),
    [
        (("NL", "NL", "NL"), "NL", UNANIMOUS, (), ()),
        (("NL", "NL", "SC"), "NL", MAJORITY, (), (Flag.CONFLICT,)),
        (("NL", "SC", "NL"), "NL", MAJORITY, (), (Flag.CONFLICT,)),
        (("NL", "NL"), "NL", PAIR, (), ()),
        (("NL", "SC"), None, DISAGREE, ("NL", "SC"), (Flag.CONFLICT,)),
        (("MU", "CA", "US"), None, DISAGREE, ("MU", "CA", "US"), (Flag.CONFLICT,)),
        (("NL",), "NL", SINGLE, (), ()),
        ((), None, 0.0, (), ()),
        (("NL", "NL", "NL", "NL"), "NL", UNANIMOUS, (), ()),
        (("NL", "NL", "NL", "SC"), "NL", MAJORITY, (), (Flag.CONFLICT,)),
        (("NL", "SC", "NL", "SC"), None, DISAGREE, ("NL", "SC"), (Flag.CONFLICT,)),
        (("XK", "XK"), "XK", PAIR, (), ()),
    ],
)
def test_e33_agreement_decides(
    countries: tuple[str, ...],
    country: str | None,
    confidence: float,
    candidates: tuple[str, ...],
    flags: tuple[Flag, ...],
) -> None:
    """E33: unanimous, majority, pair, single, or nobody; candidates stand in the order of the sources."""
    found = weigh([said(*countries)])

    assert (country, confidence, candidates, flags) == (found.country, found.confidence, found.candidates, found.flags)
    assert tuple(item.says for item in found.evidence) == countries


@pytest.mark.parametrize("code", ["EU", "AP", "A1", "A2", "XX", "ZZ", "", "nl", "NLD", "??", "Å1"])
def test_e34_what_is_no_country_is_no_vote(code: str) -> None:
    """E34: such a code is evidence, never a country; alone it is flagged, beside others it abstains."""
    alone, beside = weigh([said(code)]), weigh([said(code, "NL", "NL")])

    assert not is_country(code)
    assert (alone.country, Flag.NOT_A_COUNTRY in alone.flags) == (None, True)
    assert (beside.country, beside.confidence) == ("NL", PAIR)


def test_e34_the_code_for_tor_flags_the_exit() -> None:
    """E34: ``T1`` says Tor."""
    assert Flag.TOR_EXIT in weigh([said("T1")]).flags


@pytest.mark.parametrize(("kind", "flag"), [("cdn", Flag.CDN), ("anycast", Flag.ANYCAST)])
@pytest.mark.parametrize("countries", [("US", "US", "US"), ("US", "CA", "US"), ("US", "CA", "MX")])
def test_e31_e32_an_edge_has_no_country(kind: NetworkKind, flag: Flag, countries: tuple[str, ...]) -> None:
    """E31, E32: whatever the sources say of an edge, no country, no candidates, at most 0.3."""
    found = weigh([said(*countries, kind=kind)])

    assert (found.country, found.candidates, found.flags) == (None, (), (flag,))
    assert found.confidence <= EDGE
    assert len(found.evidence) == len(countries)


def test_e39_an_exit_or_a_proxy_means_little() -> None:
    """E39: the country stays, the confidence is capped."""
    for found in (weigh([said("DE", "DE", "DE", kind="tor_exit")]), weigh([said("DE", "DE", "DE")], proxy=True)):
        assert (found.country, found.confidence) == ("DE", EDGE)


def test_nobody_hosts_at_a_reserved_address() -> None:
    """Reserved: unroutable, no country, no confidence."""
    found = weigh([Looked(reserved="private")])

    assert (found.country, found.confidence, found.flags) == (None, 0.0, (Flag.UNROUTABLE,))


def test_e67_a_vetted_analyst_wins_and_both_are_recorded() -> None:
    """E67: 0.99, the databases' view beside it, and the conflict said."""
    found = weigh([said("US", "US", "US")], claim=Claim("NL", CountryBy.ANALYST, vetted=True))

    assert (found.country, found.confidence) == ("NL", ANALYST)
    assert [item.says for item in found.evidence] == ["NL", "US", "US", "US"]
    assert found.flags == (Flag.CONFLICT,)


def test_an_analyst_who_agrees_makes_no_conflict() -> None:
    """The same country from both sides is only surer."""
    assert weigh([said("NL", "NL")], claim=Claim("NL", CountryBy.ANALYST, vetted=True)).flags == ()


@pytest.mark.parametrize(
    "claim",
    [
        Claim("NL", CountryBy.TOOL, vetted=True),
        Claim("NL", CountryBy.ANALYST, vetted=False),
        Claim("NL", None, vetted=True),
    ],
)
def test_other_claims_are_context_only(claim: Claim) -> None:
    """A tool's country, and one from a sender who is not vetted, never change the verdict."""
    with_claim, without = weigh([said("US", "US")], claim=claim), weigh([said("US", "US")])

    assert (with_claim.country, with_claim.confidence) == (without.country, without.confidence)
    assert with_claim.evidence[0] == Evidence(source="sender", says="NL")


def test_an_analyst_may_know_the_origin_behind_an_edge() -> None:
    """R18: the flag stays, the country is the analyst's."""
    found = weigh([said("US", "US", "US", kind="cdn")], claim=Claim("NL", CountryBy.ANALYST, vetted=True))

    assert (found.country, found.confidence, Flag.CDN in found.flags) == ("NL", ANALYST, True)


def test_an_analyst_cannot_claim_what_is_no_country() -> None:
    """``EU`` is recorded and decides nothing."""
    assert weigh([said("NL", "NL")], claim=Claim("EU", CountryBy.ANALYST, vetted=True)).country == "NL"


@pytest.mark.parametrize(
    ("today", "stale"), [(date(2026, 7, 6), False), (date(2026, 7, 7), True), (date(2027, 1, 1), True)]
)
def test_e36_age_is_said_and_changes_nothing(today: date, stale: bool) -> None:
    """E36: over 35 days adds ``stale_geodata``; country and confidence stay."""
    found = weigh([said("NL", "NL", "NL")], today=today)

    assert stale == (Flag.STALE_GEODATA in found.flags)
    assert (found.country, found.confidence) == ("NL", UNANIMOUS)


def test_e29_several_answers_are_evidence_of_one_host() -> None:
    """E29: addresses in one country agree; in several they are a conflict, not a pick."""
    same = weigh([said("NL", "NL", "NL"), said("NL")])
    many = weigh([said("NL", "NL"), said("US", "US"), said("SE")])

    assert (same.country, same.confidence) == ("NL", SINGLE)
    assert (many.country, many.confidence, many.candidates) == (None, DISAGREE, ("NL", "US", "SE"))
    assert Flag.CONFLICT in many.flags


@given(each=st.lists(SAYS, max_size=4))
def test_a_verdict_is_never_half_made(each: list[list[str]]) -> None:
    """Whatever is said: a country or candidates, never both; confidence between 0 and 1; candidates are countries."""
    found: Found = weigh([said(*countries) for countries in each])

    assert not (found.country and found.candidates)
    assert 0 <= found.confidence <= 1
    assert all(is_country(code) for code in (*found.candidates, *filter(None, [found.country])))
    assert (Flag.CONFLICT in found.flags) >= bool(found.candidates)


def test_more_agreement_is_never_less_sure() -> None:
    """The steps of the rule are in order."""
    assert all(a < b for a, b in pairwise((EDGE, DISAGREE, SINGLE, MAJORITY, PAIR, UNANIMOUS, ANALYST)))
