"""Each rule of the shipped rulebook, by its id."""

from typing import Any

import pytest

from contracts.events import KnownCase, TipLocated
from contracts.onboarding import Agency
from contracts.vocabulary import AddressRole, AssessmentStatus, Flag, Kind, Priority, Signal
from services.router.facts import History
from tests.support.router_world import a_world, decide, ids, rules_of, shipped
from tests.support.tips import URGENT, a_tip, edge, host, of_person, suspect, unsure, victim

UNASSESSED = AssessmentStatus.UNASSESSED


def onboarded(agency: str, kind: str, country: str, **more: Any) -> Agency:
    """One more agency on this machine."""
    record = {"id": agency, "name": "Invented (demo endpoint)", "kind": kind, "country": country, "profile": kind}
    return Agency.model_validate({**record, "basis": "test", "channels": ["topic"], **more})


@pytest.mark.parametrize(
    ("rule", "tip", "destination"),
    [
        ("R02", a_tip("NL", **URGENT), "police-se"),
        ("R03", a_tip("NL", place_country="SE"), "police-se"),
        ("R04", a_tip("NL", people=(victim("SE"),)), "police-se"),
        ("R04", a_tip("NL", people=(victim(location="SE"),)), "police-se"),
        ("R05", a_tip("NL", people=(suspect("SE"),)), "police-se"),
        ("R05", a_tip("US", persons=[of_person("SE")]), "police-se"),
        ("R06", a_tip("SE"), "police-se"),
        ("R07", a_tip("SE", status=UNASSESSED), "review"),
        ("R08", a_tip("NL"), "hotline-nl"),
        ("R08", a_tip("NL", status=UNASSESSED), "hotline-nl"),
        ("R09", a_tip("NL"), "interpol-iccam"),
        ("R09", a_tip("NL", status=AssessmentStatus.NATIONAL), "interpol-iccam"),
        ("R12", a_tip(persons=[of_person("NO")]), "police-no"),
        ("R12", a_tip(persons=[of_person("US")]), "interpol-ncb-se"),
        ("R12", a_tip(persons=[of_person("DE")]), "europol"),
        ("R12", a_tip(persons=[of_person("DE")]), "interpol-ncb-se"),
        ("R14", a_tip("VN"), "interpol-ncb-se"),
        ("R15", a_tip("KP"), "police-se"),
        ("R15", a_tip("KP"), "review"),
        ("R15", a_tip("HK"), "interpol-ncb-se"),
        ("R17", a_tip(edge()), "cdn-cloudflare"),
        ("R17", a_tip(edge()), "review"),
        ("R17", a_tip(edge(), **URGENT), "police-se"),
        ("R19", a_tip(host(None, flags=(Flag.ONION,))), "police-se"),
        ("R19", a_tip(host(None, flags=(Flag.ONION,))), "interpol-ncb-se"),
        ("R19", a_tip(host(None, flags=(Flag.ONION_V2,))), "crawler-arachnid"),
        ("R20", a_tip(unsure("MU", "CA")), "review"),
        ("R21", a_tip(), "review"),
        ("R21", a_tip(language="de"), "europol"),
        ("R21", a_tip(host(None, domain="host.nl", flags=(Flag.NO_ADDRESS,))), "europol"),
        ("R21", a_tip(**URGENT), "interpol-ncb-se"),
        ("R22", a_tip(kind=Kind.TRAVELLING_OFFENDER, people=(suspect("NO"),), place_country="TH"), "police-no"),
        ("R22", a_tip(kind=Kind.TRAVELLING_OFFENDER, people=(suspect("NO"),), place_country="TH"), "interpol-ncb-se"),
        ("R22", a_tip(kind=Kind.TRAVELLING_OFFENDER, people=(suspect("US"),), place_country="SE"), "police-se"),
        ("R23", a_tip(kind=Kind.TRAFFICKING, place_country="NO"), "police-se"),
        ("R23", a_tip(kind=Kind.TRAFFICKING, place_country="NO"), "police-no"),
        ("R23", a_tip(kind=Kind.TRAFFICKING, place_country="DE", people=(victim("RO"),)), "europol"),
        ("R24", a_tip(people=(victim("FI"), suspect("DK"))), "police-fi"),
        ("R24", a_tip(people=(victim("FI"), suspect("DK"))), "europol"),
        ("R24", a_tip(people=(victim("FI"), suspect("US"))), "interpol-ncb-se"),
        ("R25", a_tip(kind=Kind.GROOMING, account_count=1), "police-se"),
        ("R25", a_tip(kind=Kind.SEXTORTION, people=(victim("NO"),)), "police-no"),
        ("R26", a_tip(hash_count=1), "interpol-iccam"),
        ("R26", a_tip(hash_count=1), "review"),
        ("R27", a_tip(persons=[of_person("DK", AddressRole.PEER)], traceable=True), "police-dk"),
        ("R30", a_tip("NL", status=AssessmentStatus.HARMFUL), "takedown-se"),
        ("R33", a_tip("NL", signals=(Signal.SELF_REPORT,), share_with_police=True), "police-se"),
        ("R33", a_tip("VN", signals=(Signal.SELF_REPORT,)), "takedown-se"),
        (
            "R33",
            a_tip("NL", signals=(Signal.SELF_REPORT,), people=(victim("NO"),), share_with_police=True),
            "police-no",
        ),
        ("R34", a_tip("SE", partner="inhope-peer"), "police-se"),
        ("R34", a_tip("SE", partner="inhope-peer", status=UNASSESSED), "review"),
    ],
)
def test_a_rule_asks_for_its_destination(rule: str, tip: TipLocated, destination: str) -> None:
    """
    The destination keeps the id of the rule that asked for it.
    """
    decision = decide(tip)

    assert rule in rules_of(decision, destination), decision.ids


@pytest.mark.parametrize(
    ("tip", "unwanted"),
    [
        (a_tip("NL", status=UNASSESSED), "interpol-iccam"),
        (a_tip("SE", status=UNASSESSED), "police-se"),
        (a_tip(host("SE", confidence=0.6)), "police-se"),
        (a_tip(edge()), "hotline-us"),
        (a_tip(edge()), "police-se"),
        (a_tip(host(None, flags=(Flag.ONION,)), status=UNASSESSED), "interpol-ncb-se"),
        (a_tip(language="en"), "europol"),
        (a_tip(language="sv"), "europol"),
        (a_tip(persons=[of_person("NL", AddressRole.PEER)]), "hotline-nl"),
        (a_tip(persons=[of_person("SE", confidence=0.3)]), "police-se"),
        (a_tip("NL", status=AssessmentStatus.HARMFUL), "hotline-nl"),
        (a_tip("NL", people=(victim("SE"),), status=AssessmentStatus.HARMFUL), "police-se"),
        (a_tip(unsure("NL", "CA")), "hotline-nl"),
        (a_tip("VN", signals=(Signal.SELF_REPORT,)), "police-se"),
    ],
)
def test_a_rule_asks_for_no_more_than_it_says(tip: TipLocated, unwanted: str) -> None:
    """
    What a rule's conditions leave out gets nothing.
    """
    assert unwanted not in ids(tip)


def test_r01_media_never_reaches_the_router() -> None:
    """
    The row stands in the book for completeness: the door has refused media long before.
    """
    said = next(truth for truth in decide(a_tip("NL")).truth if truth.rule == "R01")

    assert not said.matched


def test_r02_sets_the_duty_flag_of_the_home_police_only() -> None:
    """
    At P0 the home police's duty desk is called, nobody else's.
    """
    decision = decide(a_tip("NL", **URGENT))

    assert {to.id for to in decision.destinations if to.duty} == {"police-se"}


def test_r06_lets_the_takedown_wait() -> None:
    """
    The police come first; the takedown waits for them or a day, and at P0 and P1 for them alone.
    """
    routine, urgent = decide(a_tip("SE")), decide(a_tip("SE", **URGENT))

    assert [(one.to.id, one.after) for one in routine.later] == [("takedown-se", "acknowledged by police-se, or 24 h")]
    assert [one.police_only for one in urgent.later] == [True]


def test_r10_chooses_one_hotline_and_the_same_for_a_domain() -> None:
    """
    One of several hotlines gets the tip, also where two servers lie in the country.
    """
    one = a_tip(host("DE", domain="a.example"), host("DE", domain="b.example"))

    chosen = {name for name in ids(one) if name.startswith("hotline-")}

    assert len(chosen) == 1
    assert chosen == {name for name in ids(a_tip(host("DE", domain="a.example"))) if name.startswith("hotline-")}


def test_r11_takes_the_next_hotline_and_then_the_way_without() -> None:
    """
    A hotline that is left out is replaced by the next one, and where there is none by R13 or R14, with the reason.
    """
    german = {"hotline-de-eco", "hotline-de-fsm", "hotline-de-jugendschutz"}
    first = next(name for name in ids(a_tip("DE")) if name in german)

    second = ids(a_tip("DE"), history=History(excluded=frozenset({first})))
    none = decide(a_tip("DE"), history=History(excluded=frozenset(german)))

    assert len(second & german) == 1
    assert first not in second
    assert set(none.ids) == {"interpol-ncb-se"}
    assert german <= {miss.agency for miss in none.why_not}


def test_r13_prefers_police_that_are_onboarded() -> None:
    """
    Without a hotline, onboarded police get the tip, and Interpol the reference if it is illegal.
    """
    world = a_world(more=[onboarded("police-vn", "police", "VN")])

    assert ids(a_tip("VN"), world) == {"police-vn", "interpol-iccam"}
    assert ids(a_tip("VN", status=UNASSESSED), world) == {"police-vn"}


def test_r16_keeps_a_tip_from_a_country_under_hold() -> None:
    """
    Nothing goes there; a person decides, and the home police know if it is urgent.
    """
    world = a_world(hold=["NL", "VN"])

    assert ids(a_tip("NL"), world) == {"interpol-iccam", "review"}
    assert ids(a_tip("VN"), world) == {"review"}
    assert ids(a_tip("NL", **URGENT), world) == {"interpol-iccam", "police-se", "review"}


def test_r16_keeps_a_tip_from_one_agency_under_hold() -> None:
    """
    A hold on one record works like a hold on its country.
    """
    decision = decide(a_tip("NL"), a_world(changed={"hotline-nl": {"hold": True}}))

    assert set(decision.ids) == {"interpol-iccam", "review"}
    assert ("hotline-nl", "R16") in decision.suppressed


def test_r17_has_no_desk_for_an_anycast_address() -> None:
    """
    An anycast address without an operator goes to a person only.
    """
    assert ids(a_tip(host(None, confidence=0.3, flags=(Flag.ANYCAST,)))) == {"review"}


def test_r18_and_r35_are_events_that_show_in_the_truth() -> None:
    """
    A revealed origin and a move are decided like any tip, and say what caused them.
    """
    moved = decide(a_tip("NL"), history=History(event="moved", hosting="FR", moves=1))
    revealed = decide(a_tip("NL"), history=History(event="origin_revealed"))

    assert "hotline-fr" in moved.ids
    assert "hotline-nl" not in moved.ids
    assert [t.matched for t in moved.truth if t.rule == "R35"] == [True]
    assert [t.matched for t in revealed.truth if t.rule == "R18"] == [True]


def test_r20_at_p0_asks_for_the_union_of_all_candidates() -> None:
    """
    In danger each candidate counts as hosting, in the name of R20; otherwise a person decides.
    """
    urgent = decide(a_tip(unsure("NL", "VN", "SE"), **URGENT))

    assert {"hotline-nl", "interpol-ncb-se", "police-se"} <= set(urgent.ids)
    assert rules_of(urgent, "hotline-nl") == {"R20"}
    assert decide(a_tip(unsure("NL", "VN"))).candidate == "NL"


def test_r20_takes_the_first_candidate_when_nobody_decided() -> None:
    """
    After four hours the first candidate is the verdict.
    """
    assert "hotline-ca" in ids(a_tip(unsure("CA", "MU")), history=History(first_candidate=True))


def test_r28_sends_content_of_a_service_with_a_duty_to_the_reporting_channel() -> None:
    """
    Domains of such services are data; a clearing house's own report does not go back into the channel.
    """
    book = shipped().book
    duty = type(book)(book.id, book.digest, book.rows, book.fallback, ("host.example",), book.stages, book.file)
    world = a_world(book=duty)

    assert "R28" in rules_of(decide(a_tip("NL"), world), "hotline-us")
    assert "hotline-us" not in ids(a_tip("NL", partner="ncmec"), world)


def test_r29_closes_what_is_not_illegal_unless_it_is_urgent() -> None:
    """
    Not illegal and P3 or lower: no referral, with the reason; a child in danger is another matter.
    """
    closed = decide(a_tip("NL", status=AssessmentStatus.NOT_ILLEGAL))
    urgent = decide(a_tip("NL", status=AssessmentStatus.NOT_ILLEGAL, **URGENT))

    assert (closed.ids, closed.px, closed.priority) == ((), "not_illegal", Priority.PX)
    assert urgent.px is None
    assert "police-se" in urgent.ids


def test_r30_spares_the_police_of_a_child_in_danger() -> None:
    """
    Harmful but not criminal is a notice only, unless R02 asked for the police.
    """
    assert ids(a_tip("NL", status=AssessmentStatus.HARMFUL, **URGENT)) == {"police-se", "takedown-se"}


def test_r31_makes_no_claim_to_foreign_police() -> None:
    """
    Drawn material that is illegal at home only: the hotline there with the note, no police and no Interpol reference.
    """
    decision = decide(a_tip("NL", status=AssessmentStatus.NATIONAL, signals=(Signal.DRAWN,)))
    no_hotline = ids(
        a_tip("VN", status=AssessmentStatus.NATIONAL, signals=(Signal.DRAWN,)),
        a_world(more=[onboarded("police-vn", "police", "VN")]),
    )

    assert [(to.id, to.legality) for to in decision.destinations] == [("hotline-nl", "home-only")]
    assert no_hotline == {"review"}


def test_r32_marks_a_known_case() -> None:
    """
    The destinations stay; the referrals say that an agency has a case.
    """
    known = decide(a_tip("NL", known_to=(KnownCase(agency="police-se", case="X-1"),)))

    assert known.deconflict
    assert known.ids == decide(a_tip("NL")).ids


def test_r33_is_never_for_a_provider_alone() -> None:
    """
    A child that reports for itself without consent has a person looking after it.
    """
    assert "review" in ids(a_tip("VN", signals=(Signal.SELF_REPORT,)))


def test_r36_never_bounces_a_tip_to_its_sender() -> None:
    """
    The sender's own agency is left out and named; what else was asked stays.
    """
    decision = decide(a_tip("US", partner="ncmec"))

    assert decision.ids == ("interpol-iccam",)
    assert decision.suppressed == (("hotline-us", "R36"),)


def test_r38_names_the_region_or_spreads_routine_tips() -> None:
    """
    A named region counts at every level; without one P3 and P4 get a region and the others stay with the national desk.
    """
    named = decide(a_tip("NL", place_country="SE", place_region="väst", **URGENT))
    routine = decide(a_tip(place_country="SE", status=UNASSESSED))
    urgent = decide(a_tip(place_country="SE", **URGENT))

    assert [to.region for to in named.destinations if to.id == "police-se"] == ["Väst"]
    assert [to.region is None for to in routine.destinations if to.id == "police-se"] == [False]
    assert [to.region for to in urgent.destinations if to.id == "police-se"] == [None]


def test_r39_leaves_only_the_police_during_an_investigation() -> None:
    """
    The takedown is held, other destinations go to a person.
    """
    decision = decide(a_tip("SE", host("NL", domain="b.example")), history=History(investigation=True))

    assert set(decision.ids) == {"police-se", "review"}
    assert decision.later == ()
    assert ("takedown-se", "R39") in decision.suppressed


def test_r40_catches_what_nothing_else_routes() -> None:
    """
    A victim abroad and nothing else asks nobody: a person looks.
    """
    decision = decide(a_tip(people=(victim("US"),)))

    assert decision.ids == ("review",)
    assert rules_of(decision, "review") == {"R40"}


def test_r40_asks_for_a_person_for_spam_only_where_nothing_identifies() -> None:
    """
    L6 with a URL goes on without a person, and so does danger; spam about nothing is looked at.
    """
    spam = (Signal.SPAM,)

    assert ids(a_tip("NL", signals=spam)) == {"hotline-nl", "interpol-iccam"}
    assert ids(a_tip(place_country="SE", signals=spam)) == {"police-se"}
    assert ids(a_tip(url_count=0, kind=Kind.TRAFFICKING, signals=spam)) == ids(
        a_tip(url_count=0, kind=Kind.TRAFFICKING)
    )
    assert "R40" in rules_of(decide(a_tip(url_count=0, signals=spam)), "review")


def test_r40_asks_for_a_person_where_triage_wants_one() -> None:
    """
    An urgency flag from somebody unknown is looked at, besides its routes.
    """
    assert {"hotline-nl", "review"} <= ids(a_tip("NL", partner="public", immediate_danger=True))
