"""What holds of every decision, whatever the tip (hypothesis)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events import KnownCase, PersonFacts, TipLocated, Verdict
from contracts.onboarding import Partner
from contracts.vocabulary import (
    AddressRole,
    AssessmentStatus,
    Flag,
    Kind,
    Label,
    PartnerKind,
    PersonRole,
    Priority,
    Signal,
)
from services.chassis.onboarding import Agencies
from services.router.decision import World
from services.router.facts import History
from services.router.geography import regions
from services.router.geography.atlas import Atlas
from services.router.rules.names import OF_PLACE, OF_TIP, getter
from tests.support.router_world import a_world, decide, registry, rulebook, shipped, shipped_agencies
from tests.support.tips import NOW, a_tip, host

DRAWN = ("SE", "NL", "DE", "US", "VN", "TW", "XK", "KP", "HK", "GI", "NO", "IT", "RU", "TH")
COUNTRIES = st.sampled_from(DRAWN)
DOMAINS = st.sampled_from(["a.example", "b.example", "c.test", None])


PARTNERS = {
    **shipped().partners,
    "police-in": Partner(id="police-in", name="invented", kind=PartnerKind.POLICE, agency="police-no", vetted=True),
    "esp": Partner(id="esp", name="invented", kind=PartnerKind.PLATFORM, agency="hotline-us"),
}
"""Senders of every kind; two of them are agencies that rules ask for."""


@st.composite
def servers(draw: st.DrawFn) -> Verdict:
    """A verdict on a server of any sort."""
    sort = draw(st.sampled_from(["known", "edge", "anycast", "onion", "unsure", "nothing", "claimed"]))
    domain = draw(DOMAINS)
    if sort == "known":
        return host(draw(COUNTRIES), confidence=draw(st.sampled_from([0.6, 0.75, 0.95])), domain=domain)
    if sort == "edge":
        evidence_says = draw(COUNTRIES)
        edge = host(None, confidence=0.3, operator=draw(st.sampled_from(["cdn-cloudflare", None])), flags=(Flag.CDN,))
        return edge.model_copy(update={"evidence": (edge.evidence[0].model_copy(update={"says": evidence_says}),)})
    if sort == "unsure":
        return host(
            None, confidence=0.4, candidates=tuple(draw(st.lists(COUNTRIES, min_size=2, max_size=3, unique=True)))
        )
    flags = {
        "anycast": (Flag.ANYCAST,),
        "onion": (Flag.ONION,),
        "nothing": (Flag.NO_ADDRESS,),
        "claimed": (Flag.CONFLICT,),
    }[sort]
    return host(
        draw(COUNTRIES) if sort == "claimed" else None,
        confidence=0.99 if sort == "claimed" else 0.0,
        flags=flags,
        domain=domain,
    )


@st.composite
def somebodys(draw: st.DrawFn) -> Verdict:
    """A verdict on a person's address: known, unsure, behind a proxy, or nothing."""
    sort = draw(st.sampled_from(["known", "proxy", "unsure", "nothing"]))
    role = draw(st.sampled_from([AddressRole.UPLOAD, AddressRole.LOGIN, AddressRole.REGISTRATION, AddressRole.PEER]))
    if sort == "unsure":
        candidates = tuple(draw(st.lists(COUNTRIES, min_size=2, max_size=3, unique=True)))
        return Verdict(target="/addresses/0", role=role, confidence=0.4, candidates=candidates, flags=(Flag.CONFLICT,))
    country = None if sort == "nothing" else draw(COUNTRIES)
    if sort == "proxy":
        flags = draw(st.sampled_from([(Flag.POSSIBLE_PROXY,), (Flag.TOR_EXIT,)]))
        return Verdict(target="/addresses/0", role=role, country=country, confidence=0.3, flags=flags)
    return Verdict(target="/addresses/0", role=role, country=country, confidence=0.9)


@st.composite
def people(draw: st.DrawFn) -> PersonFacts:
    """Somebody."""
    return PersonFacts(
        role=draw(st.sampled_from(PersonRole)),
        nationalities=tuple(draw(st.lists(COUNTRIES, max_size=2))),
        location=draw(st.none() | COUNTRIES),
    )


@st.composite
def tips(draw: st.DrawFn) -> TipLocated:
    """Any tip."""
    persons = draw(st.lists(somebodys(), max_size=2))
    facts: dict[str, Any] = {
        "kind": draw(st.sampled_from(Kind)),
        "status": draw(st.sampled_from(AssessmentStatus)),
        "signals": tuple(draw(st.lists(st.sampled_from(Signal), max_size=4, unique=True))),
        "labels": tuple(draw(st.lists(st.sampled_from(Label), max_size=2, unique=True))),
        "people": tuple(draw(st.lists(people(), max_size=3))),
        "place_country": draw(st.none() | COUNTRIES),
        "language": draw(st.sampled_from([None, "sv", "de", "en"])),
        "hash_count": draw(st.integers(0, 1)),
        "account_count": draw(st.integers(0, 1)),
        "immediate_danger": draw(st.booleans()),
        "danger_reason": draw(st.booleans()),
        "share_with_police": draw(st.booleans()),
        "known_to": (KnownCase(agency="police-se"),) if draw(st.booleans()) else (),
        "is_test": draw(st.sampled_from([False, False, False, True])),
        "withdrawn": draw(st.sampled_from([False, False, False, True])),
        "traceable": draw(st.booleans()),
        "place_region": draw(st.sampled_from([None, None, "Väst", "region stockholm", "Nowhere"])),
        "text_signals": tuple(draw(st.lists(st.sampled_from(["U1", "U2", "U3"]), max_size=1))),
        "flags": draw(st.sampled_from([(), (), (Flag.LANG_UNKNOWN,)])),
        "observed_at": draw(st.sampled_from([None, NOW, NOW - timedelta(days=30)])),
        "preserve_until": draw(st.sampled_from([None, NOW + timedelta(days=3)])),
    }
    partner = draw(
        st.sampled_from(["ecpat-se", "ncmec", "arachnid", "inhope-peer", "public", "police-in", "esp", "nobody"])
    )
    return a_tip(*draw(st.lists(servers(), max_size=3)), persons=persons, partner=partner, **facts)


FATES = st.dictionaries(
    st.sampled_from(
        sorted(
            name
            for name, record in shipped_agencies().records.items()
            if name != "police-se" and record.country in (None, *DRAWN)
        )
    ),
    st.sampled_from(["gone", "off", "hold"]),
    max_size=12,
)
"""Agencies that are left out, inactive or on hold: of those that a tip of these tests may meet."""

HELD = st.lists(COUNTRIES.filter(lambda country: country != "SE"), max_size=2)


def world_of(fates: dict[str, str], held: list[str]) -> World:
    """The shipped world with other fates for some agencies."""
    changes = {"off": {"active": False}, "hold": {"hold": True}}
    records = {
        name: record.model_copy(update=changes.get(fates.get(name, ""), {}))
        for name, record in shipped_agencies().records.items()
        if fates.get(name) != "gone"
    }
    return World(Atlas("SE", registry(), Agencies(records, frozenset(held))), rulebook(), PARTNERS)


@given(tip=tips(), fates=FATES, held=HELD)
@settings(max_examples=300, deadline=None)
def test_no_tip_ends_nowhere_and_nobody_without_a_record_gets_one(
    tip: TipLocated, fates: dict[str, str], held: list[str]
) -> None:
    """
    There is a destination or a stated reason; every destination is onboarded, active, not held, and not the sender.
    """
    world = world_of(fates, held)
    decision = decide(tip, world)
    sender = world.partners.get(tip.received.partner)

    assert bool(decision.destinations) != bool(decision.px)
    for to in decision.destinations:
        if to.id != "review":
            record = world.atlas.agencies.records[to.id]
            assert record.active
            assert not record.hold
            assert record.country not in world.atlas.agencies.hold_countries or record.kind not in ("hotline", "police")
            assert sender is None or to.id != sender.agency
    assert list(decision.ids) == sorted(set(decision.ids))


@given(tip=tips())
@settings(max_examples=150, deadline=None)
def test_a_decision_is_determined_by_its_facts_in_any_order(tip: TipLocated) -> None:
    """
    Deciding twice, or with everything that is listed in another order, gives the same destinations by the same rules.
    """
    where, received = tip.jurisdiction, tip.received
    lists = ("people", "signals", "labels", "text_signals", "known_to", "flags", "fingerprints", "address_roles")
    facts = {name: getattr(received.facts, name)[::-1] for name in lists}
    facts["people"] = tuple(
        one.model_copy(update={"nationalities": one.nationalities[::-1]}) for one in facts["people"]
    )
    turned = tip.model_copy(
        update={
            "jurisdiction": where.model_copy(update={"hosting": where.hosting[::-1], "persons": where.persons[::-1]}),
            "received": received.model_copy(update={"facts": received.facts.model_copy(update=facts)}),
        }
    )

    # Each in a world of its own: nothing is remembered.
    assert decide(tip, a_world()) == decide(tip, a_world())
    assert decide(tip, a_world()).destinations == decide(turned, a_world()).destinations


@given(
    where=st.lists(st.tuples(st.sampled_from(["DE", "IT", "TW", "NL"]), DOMAINS), min_size=2, max_size=4),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_the_order_of_servers_chooses_no_hotline(where: list[tuple[str, str | None]], data: st.DataObject) -> None:
    """
    Of a country's several hotlines the same one answers for a tip, in whatever order its servers are named.
    """
    servers = [host(country, domain=domain) for country, domain in where]
    turned = data.draw(st.permutations(servers))

    assert decide(a_tip(*servers), a_world()).destinations == decide(a_tip(*turned), a_world()).destinations


@given(tip=tips(), other=st.uuids(), at=st.integers(0, 23))
@settings(max_examples=150, deadline=None)
def test_a_remembered_decision_is_the_one_that_would_be_taken(tip: TipLocated, other: UUID, at: int) -> None:
    """
    A tip that differs only in what no rule reads finds the decision of the first; heard anew, it is the same.
    """
    received = tip.received.model_copy(update={"tip_id": other, "reference": "other", "received_at": NOW})
    alike = tip.model_copy(update={"received": received, "located_at": NOW + timedelta(hours=at)})
    world = a_world()

    first, second = decide(tip, world), decide(alike, world)

    assert second.told is first.told
    assert second == decide(alike, a_world())
    assert first == decide(tip, a_world())


def test_the_tips_of_these_tests_have_every_fact_with_every_value() -> None:
    """
    What is never drawn is never tested: each word, each yes and no of the vocabulary occurs, of tips and of places.
    """
    seen: dict[str, set[Any]] = {}
    worlds = [world_of({}, []), world_of({"hotline-nl": "off", "hotline-de-eco": "gone"}, [])]

    @given(tip=tips(), event=st.sampled_from(["none", "origin_revealed", "moved"]), busy=st.booleans())
    @settings(max_examples=1_500, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    def draw(tip: TipLocated, event: Any, *, busy: bool) -> None:
        facts = decide(tip, worlds[busy], History(event=event, investigation=busy, moves=3 * busy)).facts
        for name, known in OF_TIP.items():
            found = getter(name)[1](facts)
            seen.setdefault(name, set()).update(found if known.type == "set" else [found])
        for place in facts.places:
            for name in OF_PLACE:
                seen.setdefault(f"host.{name}", set()).add(getter(f"host.{name}")[1](place))

    draw()

    never = {"media", "sighting", "nothing_left", "host.duty_service"}
    for name, known in [*OF_TIP.items(), *((f"host.{name}", known) for name, known in OF_PLACE.items())]:
        wanted = {False, True} if known.type == "yes_no" and name not in never else set(known.values)
        assert wanted <= seen[name], f"{name} is never {wanted - seen[name]}"


@given(country=COUNTRIES, tip=tips())
@settings(max_examples=100, deadline=None)
def test_an_edges_country_reaches_no_hotline(country: str, tip: TipLocated) -> None:
    """
    Whatever databases say of an edge, no hotline is asked because of it.
    """
    edge = host(None, confidence=0.3, flags=(Flag.CDN,)).model_copy(
        update={"evidence": (host(country).evidence[0].model_copy(update={"says": country}),)}
    )
    only = tip.model_copy(update={"jurisdiction": tip.jurisdiction.model_copy(update={"hosting": (edge,)})})

    assert not any(name.startswith("hotline-") for name in decide(only).ids)


@given(tip=tips())
@settings(max_examples=150, deadline=None)
def test_a_child_in_danger_always_reaches_the_home_police(tip: TipLocated) -> None:
    """
    At P0 the home police get it with the duty flag, in addition to everything else.
    """
    decision = decide(tip)

    if decision.facts.priority is Priority.P0 and not tip.received.facts.withdrawn:
        assert [to.duty for to in decision.destinations if to.id == "police-se"] == [True]


@given(tip=tips())
@settings(max_examples=100, deadline=None)
def test_one_country_has_one_hotline_per_tip(tip: TipLocated) -> None:
    """
    The others never get a copy.
    """
    decision = decide(tip)
    countries = [name.split("-")[1] for name in decision.ids if name.startswith("hotline-")]

    assert len(countries) == len(set(countries))


@given(tip=tips(), moves=st.integers(0, 6), investigation=st.booleans(), first=st.booleans(), decided=st.booleans())
@settings(max_examples=100, deadline=None)
def test_history_never_empties_a_decision(
    tip: TipLocated, *, moves: int, investigation: bool, first: bool, decided: bool
) -> None:
    """
    Whatever happened before, a tip still ends somewhere.
    """
    history = History(moves=moves, investigation=investigation, first_candidate=first, decided=decided)

    decision = decide(tip, history=history)

    assert bool(decision.destinations) != bool(decision.px)


def test_e82_the_clockless_spread_of_twenty_thousand_tips_follows_the_weights() -> None:
    """
    By id alone each region gets its share within two percentage points; by counting, within 2 % of itself.
    """
    record = shipped_agencies().records["police-se"]
    total, count = sum(region.weight for region in record.regions), 20_000
    by_id = dict.fromkeys((region.name for region in record.regions), 0)
    counted: dict[str, int] = {}
    for n in range(count):
        by_id[regions.by_id(UUID(int=n * 2654435761), record.regions) or ""] += 1
        name = regions.furthest_behind(counted, record.regions) or ""
        counted[name] = counted.get(name, 0) + 1

    for region in record.regions:
        share = region.weight / total
        assert abs(by_id[region.name] / count - share) < 0.02
        assert abs(counted[region.name] / (count * share) - 1) < 0.02


def test_time_alone_changes_no_destination() -> None:
    """
    A decision made a day later names the same agencies.
    """
    tip = a_tip("NL")

    assert decide(tip).ids == decide(tip, now=NOW + timedelta(days=1)).ids
