"""Routing edge cases by their numbers, as far as one decision answers them (E43 to E61, E67)."""

from collections import Counter

import pytest

from contracts.events import KnownCase, TipLocated
from contracts.vocabulary import AddressRole, AssessmentStatus, Flag, Kind, Priority, Signal
from services.router.facts import History
from tests.support.router_world import a_world, decide, ids, rules_of
from tests.support.tips import URGENT, a_tip, host, of_person, suspect, unsure, victim

UNASSESSED = AssessmentStatus.UNASSESSED


@pytest.mark.parametrize(
    ("case", "tip", "destinations"),
    [
        (
            "E35 own police where listed, Interpol through the parent",
            a_tip(persons=[of_person("HK")]),
            {"interpol-ncb-se"},
        ),
        ("E35 no hotline of its own: the parent's", a_tip("RE"), {"hotline-fr", "interpol-iccam"}),
        (
            "E38 the uploader's country, not the server's alone",
            a_tip("US", persons=[of_person("SE")], partner="ncmec"),
            {"police-se", "interpol-iccam"},
        ),
        (
            "E39 a proxy says nothing",
            a_tip(persons=[of_person("SE", confidence=0.3, flags=(Flag.POSSIBLE_PROXY,))]),
            {"review"},
        ),
        (
            "E41 every country of a person's addresses",
            a_tip(
                persons=[of_person("NO"), of_person("DK", AddressRole.LOGIN), of_person("US", AddressRole.REGISTRATION)]
            ),
            {"police-no", "police-dk", "interpol-ncb-se"},
        ),
        ("E43 nothing Swedish", a_tip("NL"), {"hotline-nl", "interpol-iccam"}),
        ("E44 a Swedish child", a_tip("NL", people=(victim("SE"),)), {"hotline-nl", "interpol-iccam", "police-se"}),
        ("E45 hosted at home: the takedown waits", a_tip("SE"), {"police-se"}),
        ("E46 no hotline there", a_tip("VN"), {"interpol-ncb-se"}),
        ("E47 a hotline, but no bureau", a_tip("TW"), {"hotline-tw-web547", "interpol-iccam"}),
        ("E48 no bureau and no partner", a_tip("XK"), {"police-se", "review"}),
        (
            "E51 a citizen abroad",
            a_tip(
                kind=Kind.TRAVELLING_OFFENDER, people=(suspect("SE", location="TH"),), signals=(Signal.ONGOING_CONTACT,)
            ),
            {"police-se", "interpol-ncb-se"},
        ),
        (
            "E52 a foreigner at home",
            a_tip(kind=Kind.TRAVELLING_OFFENDER, people=(suspect("US", location="SE"),)),
            {"police-se", "interpol-ncb-se"},
        ),
        ("E56 nothing matches", a_tip(people=(victim("US"),)), {"review"}),
        (
            "E58 illegal at home only",
            a_tip("NL", status=AssessmentStatus.NATIONAL, signals=(Signal.DRAWN,)),
            {"hotline-nl"},
        ),
        ("E61 an empty file's hash identifies nothing", a_tip(hash_count=0, flags=(Flag.NULL_HASH,)), {"review"}),
    ],
)
def test_the_edge_case_goes_where_it_must(case: str, tip: TipLocated, destinations: set[str]) -> None:
    """
    Exactly the destinations of the case, no more and no less.
    """
    assert ids(tip) == destinations, case


def test_e46_says_why_there_is_no_hotline() -> None:
    """
    The reason is recorded where a country has no member.
    """
    missing = [(miss.agency, miss.reason) for miss in decide(a_tip("VN")).why_not]

    assert ("hotline-vn", "no_inhope_member") in missing


def test_e47_never_asks_interpol_about_a_country_without_a_bureau() -> None:
    """
    A tip about Taiwan never goes to a bureau, whatever part the country plays.
    """
    for tip in (a_tip("TW"), a_tip("TW", **URGENT), a_tip(persons=[of_person("TW")])):
        assert "interpol-ncb-se" not in ids(tip)


def test_e49_one_domain_has_one_hotline_and_many_domains_are_shared_out() -> None:
    """
    A thousand tips on one domain meet one hotline; a thousand domains are spread over all three.
    """
    same = Counter(
        name for n in range(200) for name in ids(a_tip(host("DE"), reference=f"S-{n}")) if name.startswith("hotline-de")
    )
    spread = Counter(
        name
        for n in range(1_000)
        for name in ids(a_tip(host("DE", domain=f"h{n}.example")))
        if name.startswith("hotline-de")
    )

    assert list(same.values()) == [200]
    assert len(spread) == 3
    assert all(260 < count < 410 for count in spread.values())


def test_e49_weights_decide_the_shares() -> None:
    """
    A hotline without weight is not chosen while others have some.
    """
    world = a_world(changed={"hotline-de-eco": {"weight": 0}, "hotline-de-fsm": {"weight": 3}})

    found = Counter(
        name
        for n in range(800)
        for name in ids(a_tip(host("DE", domain=f"h{n}.example")), world)
        if name.startswith("hotline-de")
    )

    assert "hotline-de-eco" not in found
    assert 2.3 < found["hotline-de-fsm"] / found["hotline-de-jugendschutz"] < 4


@pytest.mark.parametrize(("country", "reason"), [("RU", "low_certainty"), ("NL", "inactive")])
def test_e50_a_doubtful_or_inactive_hotline_is_not_used(country: str, reason: str) -> None:
    """
    Its tips take the way without a hotline, and the reason is kept.
    """
    decision = decide(a_tip(country), a_world(changed={"hotline-nl": {"active": False}}))

    assert f"hotline-{country.lower()}" not in decision.ids
    assert "interpol-ncb-se" in decision.ids
    assert reason in {miss.reason for miss in decision.why_not}


def test_e51_is_urgent_and_asks_no_hotline_of_the_place() -> None:
    """
    Somebody abroad with a child in reach is P0.
    """
    decision = decide(
        a_tip(kind=Kind.TRAVELLING_OFFENDER, people=(suspect("SE", location="TH"),), signals=(Signal.ONGOING_CONTACT,))
    )

    assert decision.priority is Priority.P0
    assert "hotline-th" not in decision.ids


def test_e53_one_referral_keeps_every_rule_that_asked() -> None:
    """
    Six rules that ask for the same police are one destination with six ids.
    """
    decision = decide(
        a_tip(
            "SE",
            place_country="SE",
            people=(victim("SE"), suspect("SE", location="NO")),
            kind=Kind.TRAFFICKING,
            **URGENT,
        )
    )

    assert {"R02", "R03", "R04", "R05", "R06", "R23", "R24"} <= rules_of(decision, "police-se")
    assert decision.ids.count("police-se") == 1


def test_e55_a_decision_is_the_same_whenever_it_is_made() -> None:
    """
    The same rulebook and facts give the same decision, and the book has a digest to name it by.
    """
    tip = a_tip("NL", people=(victim("SE"),))

    assert decide(tip) == decide(tip)
    assert a_world().book.digest.startswith("sha256:")


def test_e57_two_hotlines_do_not_play_ping_pong() -> None:
    """
    A tip of the German hotline about a German server does not come back to it.
    """
    tips = [a_tip(host("DE", domain=f"h{n}.example"), partner="inhope-peer") for n in range(60)]

    assert all("hotline-de-eco" not in ids(tip) for tip in tips)


def test_e58_not_illegal_at_home_but_baseline_is_the_senders_word() -> None:
    """
    Baseline goes on to Interpol's references; what is illegal at home only does not.
    """
    assert "interpol-iccam" in ids(a_tip("NL"))
    assert "interpol-iccam" not in ids(a_tip("NL", status=AssessmentStatus.NATIONAL, signals=(Signal.DRAWN,)))


def test_e59_a_hold_explains_itself_and_spares_the_home_police() -> None:
    """
    A held destination is named with its rule; at P0 the home police know.
    """
    decision = decide(a_tip("NL", **URGENT), a_world(hold=["NL"]))

    assert {"review", "police-se"} <= set(decision.ids)
    assert ("hotline-nl", "R16") in decision.suppressed


def test_e67_what_an_analyst_named_wins_and_the_conflict_stays_visible() -> None:
    """
    A verdict with a country routes although its flag says that sources disagreed.
    """
    decision = decide(a_tip(host("NL", confidence=0.99, flags=(Flag.CONFLICT, Flag.CDN))))

    assert "hotline-nl" in decision.ids
    assert "review" not in decision.ids


def test_priority_is_per_kind_of_destination() -> None:
    """
    A viral file that is still up waits at the police and hurries at the hotline.
    """
    decision = decide(a_tip("NL", people=(victim("SE"),), signals=(Signal.VIRAL, Signal.KNOWN_MATERIAL)))
    level = {to.id: to.priority for to in decision.destinations}

    assert level == {"hotline-nl": Priority.P2, "interpol-iccam": Priority.P2, "police-se": Priority.P4}


def test_e19_a_test_tip_stays_on_this_machine() -> None:
    """
    It runs the whole way to local endpoints; a live agency is left out, and if none is left the tip is closed.
    """
    outside = {"webhook": {"url": "https://agency.example/in"}, "channels": ("webhook",)}
    record = a_world().atlas.agencies.records["hotline-nl"].model_dump() | outside
    live = a_world(more=[type(a_world().atlas.agencies.records["hotline-nl"]).model_validate(record)])

    assert "hotline-nl" in ids(a_tip("NL", is_test=True))
    assert ids(a_tip("NL", is_test=True), live) == {"interpol-iccam"}
    assert decide(a_tip("NL", status=UNASSESSED, is_test=True), live).px == "test"


def test_a_withdrawn_tip_asks_nobody() -> None:
    """
    Its decision ends with the reason.
    """
    assert decide(a_tip(withdrawn=True)).px == "withdrawn"


def test_a_person_can_close_refer_and_name_the_country() -> None:
    """
    What a person decided goes through the same rules, and nobody is asked twice.
    """
    named = decide(a_tip(unsure("NL", "CA")), history=History(decided=True, hosting="NL"))
    added = decide(a_tip(), history=History(decided=True, refer=("europol",)))

    assert set(named.ids) == {"hotline-nl", "interpol-iccam"}
    assert added.ids == ("europol",)
    assert ids(a_tip(), history=History(decided=True)) == {"review"}
    assert decide(a_tip("NL"), history=History(decided=True, closed=True)).px == "closed_by_person"


def test_a_known_case_changes_no_destination() -> None:
    """
    Deconfliction is a mark on referrals.
    """
    known = a_tip("NL", known_to=(KnownCase(agency="police-no"),))

    assert ids(known) == ids(a_tip("NL"))


def test_i2p_is_hidden_like_an_onion() -> None:
    """
    Names without a country have the same route.
    """
    assert "crawler-arachnid" in ids(a_tip(host(None, flags=(Flag.I2P,))))


def test_an_invalid_onion_name_goes_to_a_person() -> None:
    """
    A wrong checksum is nobody's address (E25).
    """
    assert ids(a_tip(host(None, flags=(Flag.ONION_INVALID,)))) == {"review"}
