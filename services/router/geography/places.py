"""From the gist of a tip to the facts that rules read: each country in the part it plays, as sure as its evidence."""

from collections.abc import Iterable, Iterator

from contracts.onboarding import Partner
from contracts.vocabulary import PartnerKind, Priority
from services.router.facts import Facts, History, Part, Place
from services.router.geography.atlas import NOWHERE, Atlas
from services.router.geography.countries import EU
from services.router.gist import Address, Gist, Somebody
from services.triage import Triage

TRUSTED = 0.5
"""A person's address counts as a country from this confidence on: below lie proxies, Tor exits and disagreement."""


def facts_of(gist: Gist, atlas: Atlas, partner: Partner | None) -> Facts:
    """The facts of a tip of *partner*, seen from the atlas's home and after its history."""
    history = gist.history
    places = tuple(_places(gist, atlas))
    people = countries(places, ("offender", "victim"))
    return Facts(
        kind=gist.kind,
        status=gist.status,
        signals=gist.signals,
        priority=level_of(gist.level, history),
        sender=partner.kind if partner else PartnerKind.PUBLIC,
        places=places,
        no_country=not countries(places, ("host", "offender", "victim", "scene")),
        proxied=any(one.proxied for one in gist.persons) and not countries(places, ("offender",)),
        eu_linked=gist.eu_linked,
        hash_only=gist.hash_only,
        addressed=gist.addressed,
        people_countries=len(people),
        people_all_eu=bool(people) and people <= EU,
        victim_countries=len(countries(places, ("victim",))),
        eu_states=len(countries(places, ("offender", "victim", "scene")) & EU),
        foreign_hotline=_foreign_hotline(partner, atlas),
        known_case=gist.known_case,
        consent=gist.consent,
        region_known=gist.region is not None,
        person_wanted=gist.person_wanted,
        investigation=history.investigation,
        event=history.event,
        moves=history.moves,
    )


def level_of(triage: Triage, history: History) -> Priority:
    """The more urgent lane's level, as a person or the tip's past changed it."""
    level = history.level or triage.level
    return min(level, history.at_least) if history.at_least else level


def countries(places: Iterable[Place], parts: tuple[Part, ...]) -> set[str]:
    """Countries that *places* name in one of *parts*; mere candidates are not among them."""
    return {p.standing.country for p in places if p.part in parts and p.standing.country and not p.candidate}


def _foreign_hotline(partner: Partner | None, atlas: Atlas) -> bool:
    return partner is not None and partner.kind is PartnerKind.HOTLINE and partner.agency not in atlas.home_hotlines()


def _places(gist: Gist, atlas: Atlas) -> Iterator[Place]:
    without = gist.history.excluded
    chosen = dict(gist.hotlines)
    for host in gist.hosts:
        yield from _host(host, atlas, without, chosen)
    for address in gist.persons:
        yield from _address_of_person(address, atlas, gist.history)
    for person in gist.people:
        yield from _person(person, atlas, without)
    if gist.place_country in atlas.registry:
        yield Place("scene", atlas.person(gist.place_country, without))


def _host(host: Address, atlas: Atlas, without: frozenset[str], chosen: dict[str, str]) -> Iterator[Place]:
    standing = atlas.host(host.country, without)
    yield Place(
        "host",
        standing,
        confidence=host.confidence,
        cdn=host.edge,
        hidden=host.hidden,
        conflict=bool(host.candidates),
        duty_service=host.duty_service,
        hotline=chosen.get(standing.hotline_country),
        operator=host.operator,
    )
    for named in host.candidates if not host.edge else ():
        standing = atlas.host(named, without)
        yield Place("host", standing, candidate=True, hotline=chosen.get(standing.hotline_country))


def _address_of_person(address: Address, atlas: Atlas, history: History) -> Iterator[Place]:
    country, sure, peer, without = address.country, address.confidence, address.peer, history.excluded
    if country and (sure >= TRUSTED or history.first_candidate):
        yield Place("offender", atlas.person(country, without), confidence=sure, peer=peer)
    elif address.candidates:
        yield Place("offender", NOWHERE, confidence=sure, conflict=True, peer=peer)
        for named in address.candidates:
            yield Place("offender", atlas.person(named, without), candidate=True, peer=peer)


def _person(person: Somebody, atlas: Atlas, without: frozenset[str]) -> Iterator[Place]:
    for country in person.nationalities:
        if country in atlas.registry:
            yield Place(person.part, atlas.person(country, without), nationality=True)
    if person.location in atlas.registry:
        yield Place(person.part, atlas.person(person.location, without))
