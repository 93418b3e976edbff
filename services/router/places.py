"""From a located tip to the facts that rules read: each country in the part it plays, as sure as its evidence."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from contracts.events import PersonFacts, TipFacts, TipLocated, Verdict
from contracts.onboarding import Partner
from contracts.vocabulary import AddressRole, Flag, PartnerKind, PersonRole, Priority
from services.router.atlas import NOWHERE, Atlas
from services.router.countries import EU, EU_TLDS, eu_language
from services.router.facts import Facts, History, Part, Place
from services.triage import Triage

EDGES = {Flag.CDN, Flag.ANYCAST}
HIDDEN = {Flag.ONION, Flag.ONION_V2, Flag.I2P}
LOOK_TWICE = frozenset({"U5", "L6"})
"""Reason codes that ask for a person besides everything else."""

TRUSTED = 0.5
"""A person's address counts as a country from this confidence on: below lie proxies, Tor exits and disagreement."""


@dataclass(frozen=True, slots=True)
class Seen:
    """From where a tip is seen."""

    atlas: Atlas
    partner: Partner | None
    history: History
    duty_services: frozenset[str]


def facts_of(located: TipLocated, triage: Triage, seen: Seen) -> Facts:
    """The facts of a located tip, seen from the atlas's home and after its history."""
    atlas, partner, history = seen.atlas, seen.partner, seen.history
    tip = located.received.facts
    places = tuple(_places(located, atlas, history, seen.duty_services))
    people = countries(places, ("offender", "victim"))
    known = countries(places, ("host", "offender", "victim", "scene"))
    status = history.status or tip.status
    return Facts(
        kind=tip.kind,
        status=status,
        signals=frozenset(tip.signals),
        priority=level_of(triage, history),
        sender=partner.kind if partner else PartnerKind.PUBLIC,
        places=places,
        no_country=not known,
        eu_linked=_eu_linked(located, atlas.home),
        hash_only=bool(tip.hash_count) and not (tip.url_count or tip.address_roles or tip.account_count),
        addressed=bool(tip.url_count or tip.address_roles),
        people_countries=len(people),
        people_all_eu=bool(people) and people <= EU,
        victim_countries=len(countries(places, ("victim",))),
        eu_states=len(countries(places, ("offender", "victim", "scene")) & EU),
        foreign_hotline=_foreign_hotline(partner, atlas),
        known_case=bool(tip.known_to),
        consent=tip.share_with_police,
        region_known=region_named(tip, atlas) is not None,
        person_wanted=_person_wanted(tip, triage) and not history.decided,
        investigation=history.investigation,
        event=history.event,
        moves=history.moves,
    )


def level_of(triage: Triage, history: History) -> Priority:
    """The more urgent lane's level, as a person or the tip's past changed it."""
    level = history.level or triage.level
    return min(level, history.at_least) if history.at_least else level


def region_named(tip: TipFacts, atlas: Atlas) -> str | None:
    """The home police region that the tip's place names, as the onboarding record spells it."""
    record = atlas.agencies.get(atlas.police_home)
    if record is None or not tip.place_region or tip.place_country not in (None, atlas.home):
        return None
    wanted = tip.place_region.strip().casefold().removeprefix("region ")
    return next((region.name for region in record.regions if region.name.casefold() == wanted), None)


def _person_wanted(tip: TipFacts, triage: Triage) -> bool:
    return Flag.LANG_UNKNOWN in tip.flags or not LOOK_TWICE.isdisjoint(triage.codes)


def _foreign_hotline(partner: Partner | None, atlas: Atlas) -> bool:
    return partner is not None and partner.kind is PartnerKind.HOTLINE and partner.agency not in atlas.home_hotlines()


def _places(located: TipLocated, atlas: Atlas, history: History, duty: frozenset[str]) -> Iterator[Place]:
    tip, where = located.received.facts, located.jurisdiction
    for verdict in _told(where.hosting, history):
        yield from _host(verdict, atlas, history, duty)
    for verdict in where.persons:
        peer = verdict.role is AddressRole.PEER and tip.traceable
        yield from _address_of_person(verdict, atlas, history, peer=peer)
    for person in tip.people:
        yield from _person(person, atlas, history)
    if tip.place_country in atlas.registry:
        yield Place("scene", atlas.person(tip.place_country, history.excluded))


def _told(hosting: tuple[Verdict, ...], history: History) -> tuple[Verdict, ...]:
    """Hosting verdicts, or the one that an agency or a person told instead of them."""
    if history.hosting is None:
        return hosting
    domain = min((v.domain for v in hosting if v.domain), default=None)
    return (Verdict(target="/told", role=AddressRole.HOSTING, country=history.hosting, confidence=0.99, domain=domain),)


def _host(verdict: Verdict, atlas: Atlas, history: History, duty: frozenset[str]) -> Iterator[Place]:
    country, conflict = _settled(verdict, history)
    edge = country is None and not EDGES.isdisjoint(verdict.flags)
    yield Place(
        "host",
        atlas.host(country, history.excluded),
        confidence=verdict.confidence,
        cdn=edge,
        hidden=not HIDDEN.isdisjoint(verdict.flags),
        conflict=conflict,
        duty_service=verdict.domain in duty,
        domain=verdict.domain,
        operator=verdict.operator,
    )
    if conflict and not edge:
        for named in verdict.candidates:
            yield Place("host", atlas.host(named, history.excluded), candidate=True, domain=verdict.domain)


def _address_of_person(verdict: Verdict, atlas: Atlas, history: History, *, peer: bool) -> Iterator[Place]:
    country, conflict = _settled(verdict, history)
    if country and (verdict.confidence >= TRUSTED or history.first_candidate):
        yield Place("offender", atlas.person(country, history.excluded), confidence=verdict.confidence, peer=peer)
    elif conflict:
        yield Place("offender", NOWHERE, confidence=verdict.confidence, conflict=True, peer=peer)
        for named in verdict.candidates:
            yield Place("offender", atlas.person(named, history.excluded), candidate=True, peer=peer)


def _settled(verdict: Verdict, history: History) -> tuple[str | None, bool]:
    """The country of a verdict, and whether its sources still disagree."""
    conflict = verdict.country is None and bool(verdict.candidates)
    if conflict and history.first_candidate:
        return verdict.candidates[0], False
    return verdict.country, conflict


def _person(person: PersonFacts, atlas: Atlas, history: History) -> Iterator[Place]:
    if person.role is PersonRole.REPORTER:
        return
    part: Part = "victim" if person.role is PersonRole.VICTIM else "offender"
    for country in person.nationalities:
        if country in atlas.registry:
            yield Place(part, atlas.person(country, history.excluded), nationality=True)
    if person.location in atlas.registry:
        yield Place(part, atlas.person(person.location, history.excluded))


def countries(places: Iterable[Place], parts: tuple[Part, ...]) -> set[str]:
    """Countries that *places* name in one of *parts*; mere candidates are not among them."""
    return {p.standing.country for p in places if p.part in parts and p.standing.country and not p.candidate}


def _eu_linked(located: TipLocated, home: str) -> bool:
    if eu_language(located.received.facts.language, home):
        return True
    domains = (verdict.domain for verdict in located.jurisdiction.hosting if verdict.domain)
    return any(domain.rpartition(".")[2] in EU_TLDS for domain in domains)
