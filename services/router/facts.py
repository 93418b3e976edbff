"""
The flat facts that rules read, made from a located tip: no address, URL, hash, name or text is among them.

A tip has facts of its own and a list of *places*: each country (or address
without one) that it points at, in the part it plays: host, offender, victim,
scene. A rule looks at the tip alone or at each place of one part.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from contracts.events import PersonFacts, TipFacts, TipLocated, Verdict
from contracts.onboarding import Partner
from contracts.vocabulary import AddressRole, AssessmentStatus, Flag, Kind, PartnerKind, PersonRole, Priority, Signal
from services.router.atlas import NOWHERE, Atlas, Standing
from services.router.countries import EU, EU_TLDS, eu_language
from services.triage import Triage

Part = Literal["host", "offender", "victim", "scene"]
Event = Literal["none", "origin_revealed", "moved"]

ILLEGAL = (AssessmentStatus.BASELINE, AssessmentStatus.NATIONAL)
EDGES = {Flag.CDN, Flag.ANYCAST}
HIDDEN = {Flag.ONION, Flag.ONION_V2, Flag.I2P}
LOOK_TWICE = frozenset({"U5", "L6"})
"""Reason codes that ask for a person besides everything else."""

TRUSTED = 0.5
"""A person's address counts as a country from this confidence on: below lie proxies, Tor exits and disagreement."""


@dataclass(frozen=True, slots=True)
class Place:
    """A country in one part it plays, or an address that has none."""

    part: Part
    standing: Standing
    confidence: float = 1.0
    cdn: bool = False
    """An edge of a content network or an anycast address: the origin is not known."""
    hidden: bool = False
    """An onion or I2P name."""
    conflict: bool = False
    """Sources disagree without a majority."""
    candidate: bool = False
    """One of several countries that sources name for one address."""
    peer: bool = False
    nationality: bool = False
    duty_service: bool = False
    """Content of a service with a reporting duty of its own (R28)."""
    domain: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that conditions may ask of a tip, and its places by part."""

    kind: Kind
    status: AssessmentStatus
    signals: frozenset[Signal]
    priority: Priority
    sender: PartnerKind
    places: tuple[Place, ...]
    no_country: bool = False
    eu_linked: bool = False
    hash_only: bool = False
    addressed: bool = False
    """It names a URL or an address."""
    people_countries: int = 0
    people_all_eu: bool = False
    victim_countries: int = 0
    eu_states: int = 0
    foreign_hotline: bool = False
    """The sender is a hotline, but not the home country's."""
    known_case: bool = False
    consent: bool = False
    region_known: bool = False
    person_wanted: bool = False
    investigation: bool = False
    event: Event = "none"
    moves: int = 0
    media: bool = False
    sighting: bool = False
    nothing_left: bool = False

    @property
    def illegal(self) -> bool:
        """An analyst found it illegal."""
        return self.status in ILLEGAL

    @property
    def urgent(self) -> bool:
        """P0 or P1."""
        return self.priority.urgent

    def part(self, name: str) -> tuple[Place, ...]:
        """Places by the part they play; ``person`` is offenders and victims, ``address`` whatever a verdict is about."""
        parts = PARTS[name]
        return tuple(place for place in self.places if place.part in parts and _in(name, place))


PARTS: dict[str, tuple[Part, ...]] = {
    "host": ("host",),
    "offender": ("offender",),
    "victim": ("victim",),
    "scene": ("scene",),
    "nationality": ("offender",),
    "whereabouts": ("scene", "offender"),
    "person": ("offender", "victim"),
    "address": ("host", "offender"),
}
"""Names that a rule may look at each of."""


@dataclass(frozen=True, slots=True)
class History:
    """What happened to a tip before this decision."""

    excluded: frozenset[str] = frozenset()
    """Agencies that said it is not theirs, were removed or let it expire."""
    event: Event = "none"
    moves: int = 0
    hosting: str | None = None
    """Country that an agency (moved) or a person named for the content: it wins."""
    first_candidate: bool = False
    """Nobody decided in time: the first candidate is the verdict (R20)."""
    investigation: bool = False
    codes: tuple[str, ...] = ()
    """Reason codes that only the group knows (``N1``)."""
    at_least: Priority | None = None
    """Level below which it may not fall (ageing, or already sent as urgent)."""
    level: Priority | None = None
    """Level that a person set."""
    status: AssessmentStatus | None = None
    refer: tuple[str, ...] = ()
    """Agencies that a person named."""
    decided: bool = False
    """A person has looked: nobody is asked again for the same reasons."""
    closed: bool = False
    """A person closed it."""
    look: str | None = None
    """Rule in whose name a person must look, whatever else is decided."""


NEW = History()


def facts_of(
    located: TipLocated, *, triage: Triage, partner: Partner | None, atlas: Atlas, history: History, duty_services: Iterable[str]
) -> Facts:
    """The facts of a located tip, seen from the atlas's home and after its history."""
    tip = located.received.facts
    places = tuple(_places(located, atlas, history, frozenset(duty_services)))
    people = _countries(places, ("offender", "victim"))
    known = _countries(places, ("host", "offender", "victim", "scene"))
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
        victim_countries=len(_countries(places, ("victim",))),
        eu_states=len(_countries(places, ("offender", "victim", "scene")) & EU),
        foreign_hotline=_foreign_hotline(partner, atlas),
        known_case=bool(tip.known_to),
        consent=tip.share_with_police,
        region_known=region_named(tip, atlas) is not None,
        person_wanted=not history.decided and (Flag.LANG_UNKNOWN in tip.flags or not LOOK_TWICE.isdisjoint(triage.codes)),
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


def _foreign_hotline(partner: Partner | None, atlas: Atlas) -> bool:
    return partner is not None and partner.kind is PartnerKind.HOTLINE and partner.agency not in atlas.home_hotlines()


def _places(located: TipLocated, atlas: Atlas, history: History, duty: frozenset[str]) -> Iterator[Place]:
    tip, where = located.received.facts, located.jurisdiction
    for verdict in _told(where.hosting, history):
        yield from _host(verdict, atlas, history, duty)
    for verdict in where.persons:
        yield from _address_of_person(verdict, atlas, history)
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


def _address_of_person(verdict: Verdict, atlas: Atlas, history: History) -> Iterator[Place]:
    country, conflict = _settled(verdict, history)
    peer = verdict.role is AddressRole.PEER
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


def _in(name: str, place: Place) -> bool:
    if name == "nationality":
        return place.nationality
    return not (name == "whereabouts" and place.nationality)


def _countries(places: Iterable[Place], parts: tuple[Part, ...]) -> set[str]:
    return {p.standing.country for p in places if p.part in parts and p.standing.country and not p.candidate}


def _eu_linked(located: TipLocated, home: str) -> bool:
    if eu_language(located.received.facts.language, home):
        return True
    domains = (verdict.domain for verdict in located.jurisdiction.hosting if verdict.domain)
    return any(domain.rpartition(".")[2] in EU_TLDS for domain in domains)
