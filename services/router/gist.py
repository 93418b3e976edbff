"""
What a decision reads of a tip, and nothing else: two tips with the same gist are decided the same.

Ids, times, addresses, names and texts are left behind here. What remains has
few values, so most tips are of a sort that was decided before, and the
decision is remembered (`services.router.decision.World`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from contracts.events import PersonFacts, TipFacts, TipLocated, Verdict
from contracts.vocabulary import AddressRole, AssessmentStatus, Flag, Kind, PersonRole, Signal
from services.router.facts import History, Part
from services.router.geography.atlas import Atlas, Standing
from services.router.geography.choice import choose
from services.router.geography.countries import EU_TLDS, eu_language
from services.router.geography.regions import by_place
from services.triage import Triage

EDGES = frozenset({Flag.CDN, Flag.ANYCAST})
HIDDEN = frozenset({Flag.ONION, Flag.ONION_V2, Flag.I2P})
PROXIES = frozenset({Flag.POSSIBLE_PROXY, Flag.TOR_EXIT})
LOOK_TWICE = frozenset({"U5", "L6"})
"""Reason codes that ask for a person besides everything else, where they count: spam only if nothing identifies."""


class Address(NamedTuple):
    """A verdict, as a decision reads it: a server, or what somebody uploaded, logged in or shared from."""

    country: str | None
    confidence: float
    candidates: tuple[str, ...] = ()
    """Countries between which nobody has decided."""
    edge: bool = False
    hidden: bool = False
    duty_service: bool = False
    operator: str | None = None
    peer: bool = False
    proxied: bool = False
    """Somebody may stand behind it who is elsewhere."""


class Somebody(NamedTuple):
    """A child or an offender."""

    part: Part
    nationalities: tuple[str, ...]
    location: str | None


class Gist(NamedTuple):
    """Everything that decides on a tip, in one value that can be compared and remembered."""

    partner: str
    level: Triage
    history: History
    kind: Kind
    status: AssessmentStatus
    signals: frozenset[Signal]
    hosts: tuple[Address, ...]
    persons: tuple[Address, ...]
    people: tuple[Somebody, ...]
    place_country: str | None
    region: str | None
    """The home police region that the tip names."""
    hotlines: tuple[tuple[str, str], ...]
    """Which of several hotlines of a country answers for the tip's domain there (R10)."""
    eu_linked: bool
    hash_only: bool
    addressed: bool
    known_case: bool
    consent: bool
    person_wanted: bool
    withdrawn: bool
    is_test: bool
    rings: bool
    """False where the sender's urgent budget is spent: another tip's notice speaks for this one."""


def gist_of(located: TipLocated, level: Triage, atlas: Atlas, history: History, duty: frozenset[str]) -> Gist:
    """The gist of a located tip of *level*, after its *history*; *duty* are services with a reporting duty."""
    received, where = located.received, located.jurisdiction
    tip = received.facts
    verdicts = told(where.hosting, history)
    hosts = tuple([_host(verdict, history, duty) for verdict in verdicts])
    addresses = tip.address_roles
    return Gist(
        received.partner,
        level,
        history,
        tip.kind,
        history.status or tip.status,
        frozenset(tip.signals),
        hosts,
        tuple([_of_person(verdict, tip, history) for verdict in where.persons]) if where.persons else (),
        tuple(_people(tip.people)) if tip.people else (),
        tip.place_country,
        region_named(tip, atlas) if tip.place_region or tip.place_area else None,
        _hotlines(verdicts, hosts, atlas, history) if _several(hosts, atlas) else (),
        eu_language(tip.language, atlas.home) or _eu_domain(where.hosting),
        bool(tip.hash_count) and not (tip.url_count or addresses or tip.account_count),
        bool(tip.url_count or addresses),
        bool(tip.known_to),
        tip.share_with_police,
        (Flag.LANG_UNKNOWN in tip.flags or not LOOK_TWICE.isdisjoint(level.reasons_person)) and not history.decided,
        tip.withdrawn,
        tip.is_test,
        received.notice is None or received.notice.count > 0,
    )


def told(hosting: tuple[Verdict, ...], history: History) -> tuple[Verdict, ...]:
    """Hosting verdicts, or the one that an agency or a person told instead of them."""
    if history.hosting is None:
        return hosting
    domain = min((v.domain for v in hosting if v.domain), default=None)
    return (Verdict(target="/told", role=AddressRole.HOSTING, country=history.hosting, confidence=0.99, domain=domain),)


def region_named(tip: TipFacts, atlas: Atlas) -> str | None:
    """The home police region that the tip's place names or lies in, as the onboarding record spells it."""
    record = atlas.agencies.get(atlas.police_home)
    if record is None or tip.place_country not in (None, atlas.home):
        return None
    return by_place(record.regions, tip.place_region, tip.place_area)


def _host(verdict: Verdict, history: History, duty: frozenset[str]) -> Address:
    country, candidates = _settled(verdict, history)
    flags = verdict.flags
    return Address(
        country,
        verdict.confidence,
        candidates,
        edge=bool(flags) and country is None and not EDGES.isdisjoint(flags),
        hidden=bool(flags) and not HIDDEN.isdisjoint(flags),
        duty_service=verdict.domain in duty,
        operator=verdict.operator,
    )


def _of_person(verdict: Verdict, tip: TipFacts, history: History) -> Address:
    country, candidates = _settled(verdict, history)
    return Address(
        country,
        verdict.confidence,
        candidates,
        peer=verdict.role is AddressRole.PEER and tip.traceable,
        proxied=not PROXIES.isdisjoint(verdict.flags),
    )


def _settled(verdict: Verdict, history: History) -> tuple[str | None, tuple[str, ...]]:
    """The country of a verdict, else those that its sources name while they disagree."""
    if verdict.country is not None or not verdict.candidates:
        return verdict.country, ()
    return (verdict.candidates[0], ()) if history.first_candidate else (None, verdict.candidates)


def _people(people: Iterable[PersonFacts]) -> Iterator[Somebody]:
    for one in people:
        if one.role is not PersonRole.REPORTER:
            part: Part = "victim" if one.role is PersonRole.VICTIM else "offender"
            yield Somebody(part, one.nationalities, one.location)


def _eu_domain(hosting: Sequence[Verdict]) -> bool:
    return any(verdict.domain.rpartition(".")[2] in EU_TLDS for verdict in hosting if verdict.domain)


def _several(hosts: Sequence[Address], atlas: Atlas) -> bool:
    """Tell whether a server may lie where several hotlines are."""
    return any(one.country in atlas.several or not atlas.several.isdisjoint(one.candidates) for one in hosts)


def _hotlines(
    verdicts: Sequence[Verdict], hosts: Sequence[Address], atlas: Atlas, history: History
) -> tuple[tuple[str, str], ...]:
    """
    For each country with several hotlines the one that answers.

    Chosen by the first of the tip's domains there (candidates count only where nothing is settled), so that no
    other gets a copy.
    """
    settled: dict[str, list[str]] = {}
    possible: dict[str, list[str]] = {}
    standing: dict[str, Standing] = {}
    for verdict, one in zip(verdicts, hosts, strict=True):
        for country in (one.country,) if one.country else () if one.edge else one.candidates:
            found = atlas.host(country, history.excluded)
            if found.hotline_count > 1:
                standing[found.hotline_country] = found
                (settled if one.country else possible).setdefault(found.hotline_country, []).append(
                    verdict.domain or ""
                )
    domains = {country: min(settled.get(country) or possible[country]) for country in sorted(standing)}
    return tuple((country, choose(standing[country].hotlines, country, domains[country]).id) for country in domains)
