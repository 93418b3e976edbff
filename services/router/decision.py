"""
Which agencies must have a tip, and why: values in, one value out.

All matching rows are heard (collect), destinations are a set, suppressors come
after, the default looks at what is left, and only then a row may close the
tip. A decision ends as destinations, as ``px`` with a reason, or (in the hop,
which knows the groups) as a sighting; never as nothing.

Rules are heard once for each sort of tip (`services.router.gist`): a decision
is remembered by the gist that led to it, and that is all that it can see.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from uuid import UUID

import orjson

from contracts.events import TipLocated
from contracts.onboarding import Partner
from contracts.vocabulary import Priority
from services.router.asking import REVIEW, Ask, Asking, Miss, lane_kind
from services.router.facts import NEW, Facts, History
from services.router.geography import regions
from services.router.geography.atlas import Atlas
from services.router.geography.places import facts_of
from services.router.gist import Gist, gist_of
from services.router.rules.fingerprint import fingerprint
from services.router.rules.hearing import hear, keep_from_live
from services.router.rules.rule import Truth
from services.router.rules.rulebook import Rulebook
from services.triage import Triage, triage

ROUTINE = (Priority.P3, Priority.P4)
HOME_ONLY = "home-only"

BY_NO_RULE = ("withdrawn", "closed_by_person", "test")
"""Ends of a tip that no rule decides."""

REMEMBERED = 1024
"""Sorts of tips whose decision is kept, the least used forgotten first: a few kilobytes each."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One agency that must have the tip, or ``review``."""

    id: str
    rules: tuple[str, ...]
    why: tuple[tuple[str, str], ...]
    """Rule id and text, as the agency reads it."""
    priority: Priority
    reasons: tuple[str, ...]
    region: str | None = None
    duty: bool = False
    legality: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """One agency that must have it once the police have acknowledged, or after a time."""

    to: Destination
    police: str
    police_only: bool
    """No timer: only the police release it (P0 and P1)."""

    @property
    def after(self) -> str:
        """In words."""
        return f"released by {self.police}" if self.police_only else f"acknowledged by {self.police}, or 24 h"


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything decided for one version of a tip."""

    facts: Facts
    triage: Triage
    destinations: tuple[Destination, ...]
    later: tuple[Later, ...]
    suppressed: tuple[tuple[str, str], ...]
    why_not: tuple[Miss, ...]
    truth: tuple[Truth, ...]
    priority: Priority
    priority_reasons: tuple[str, ...]
    px: str | None = None
    deconflict: bool = False
    candidate: str | None = None
    """First country of a disagreement that a person must settle (R20), else the clock does."""
    ids: tuple[str, ...] = ()
    """Destination ids, sorted."""
    rules: tuple[str, ...] = ()
    """Every rule that asked for one of them, sorted."""
    gist: Gist | None = field(default=None, repr=False)
    """All that it saw of the tip."""
    told: dict[str, orjson.Fragment] = field(default_factory=dict, compare=False, repr=False)
    """JSON that is the same for every tip that is decided like this, made when it is first told."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What is the same for every tip, and what was decided in it."""

    atlas: Atlas = field(repr=False)
    book: Rulebook = field(repr=False)
    partners: Mapping[str, Partner] = field(repr=False)
    duty: frozenset[str] = field(init=False, repr=False)
    """Services with a reporting duty of their own (R28)."""
    digest: str = field(init=False, repr=False)
    """Of all this but the rulebook, which has a digest of its own."""
    decided: Callable[[Gist], Decision] = field(init=False, repr=False)
    """`decide` in this world, which remembers."""

    def __post_init__(self) -> None:
        """Begin with nothing remembered: another rulebook is another world."""
        object.__setattr__(self, "duty", frozenset(self.book.duty_services))
        object.__setattr__(self, "digest", fingerprint(self.atlas, self.partners))
        remembering = lru_cache(maxsize=REMEMBERED)(partial(decide, self.atlas, self.book, self.partners))
        object.__setattr__(self, "decided", remembering)


def route(located: TipLocated, world: World, history: History = NEW, *, now: datetime) -> Decision:
    """
    Decide where a located tip must go.

    Args:
        located: The tip and where its indicators point.
        world: Registry, agencies, partners and rulebook.
        history: What happened to this tip before.
        now: UTC time of the decision.
    """
    tip = located.received
    partner = world.partners.get(tip.partner)
    vetted = partner is not None and partner.vetted
    placed = any(verdict.country for verdict in located.jurisdiction.persons)
    level = triage(tip.facts, vetted=vetted, now=now, located=placed, given=history.codes)
    if world.atlas.testing and not tip.facts.is_test:
        history = replace(history, excluded=history.excluded | world.atlas.testing)
    decision = world.decided(gist_of(located, level, world.atlas, history, world.duty))
    return _spread(decision, tip.tip_id, world.atlas)


def decide(atlas: Atlas, book: Rulebook, partners: Mapping[str, Partner], gist: Gist) -> Decision:
    """Let every row of *book* be heard on a tip of which no more is known than its *gist*."""
    history, partner = gist.history, partners.get(gist.partner)
    asking = Asking(facts_of(gist, atlas, partner), atlas, book, history.excluded)
    truth, suppressed, closed = hear(asking, book, partner, history)
    px = "withdrawn" if gist.withdrawn else "closed_by_person" if history.closed else closed
    if px is None and gist.is_test:
        px = keep_from_live(asking)
    return _decision(_Heard(gist, asking), tuple(truth), suppressed, px)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A tip after every row was heard."""

    gist: Gist
    asking: Asking


def _decision(
    heard: _Heard, truth: tuple[Truth, ...], suppressed: Sequence[tuple[str, str]], px: str | None
) -> Decision:
    asking, level = heard.asking, heard.gist.level
    asks = [] if px else asking.asks
    by_agency: dict[str, list[Ask]] = {}
    for ask in asks:
        by_agency.setdefault(ask.agency, []).append(ask)
    chosen = tuple(_destination(heard, agency, by_agency[agency]) for agency in sorted(by_agency))
    urgent = min(chosen, key=lambda one: one.priority, default=None)
    return Decision(
        facts=asking.facts,
        triage=level,
        destinations=chosen,
        later=() if px else tuple(_later(heard, by_agency)),
        suppressed=tuple(dict.fromkeys(pair for pair in suppressed if pair[0] not in by_agency)),
        why_not=tuple(miss for miss in asking.misses if miss.agency not in by_agency),
        truth=truth,
        priority=urgent.priority if urgent else Priority.PX,
        priority_reasons=urgent.reasons if urgent else level.codes,
        px=px,
        deconflict=asking.facts.known_case,
        candidate=_candidate(asking, by_agency),
        ids=tuple(to.id for to in chosen),
        rules=tuple(sorted({rule for to in chosen for rule in to.rules})),
        gist=heard.gist,
    )


def _destination(heard: _Heard, agency: str, asks: Sequence[Ask]) -> Destination:
    atlas = heard.asking.atlas
    why = tuple(sorted({(ask.rule, ask.text) for ask in asks}))
    priority, reasons = _priority(heard, agency)
    at_home = agency == atlas.police_home
    noted = heard.asking.fired.get("R31", ())
    home_only = any(ask.target == "hotline-of" and ask.place in noted for ask in asks)
    return Destination(
        agency,
        tuple(sorted({rule for rule, _ in why})),
        why,
        priority,
        reasons,
        region=heard.gist.region if at_home else None,
        duty=at_home and priority is Priority.P0 and heard.gist.rings,
        legality=HOME_ONLY if home_only else None,
    )


def _priority(heard: _Heard, agency: str) -> tuple[Priority, tuple[str, ...]]:
    kind, level, history = lane_kind(heard.asking.atlas, agency), heard.gist.level, heard.gist.history
    found, reasons = (level.level, level.codes) if kind is None else level.for_kind(kind)
    found = history.level or found
    return (min(found, history.at_least) if history.at_least else found), reasons


def _later(heard: _Heard, now: Mapping[str, Sequence[Ask]]) -> Iterator[Later]:
    asking = heard.asking
    for ask in asking.later:
        if ask.agency not in now:
            yield Later(_destination(heard, ask.agency, [ask]), asking.atlas.police_home, asking.facts.urgent)


def _candidate(asking: Asking, now: Mapping[str, Sequence[Ask]]) -> str | None:
    if not any(ask.rule == "R20" for ask in now.get(REVIEW, ())):
        return None
    return next((place.standing.country for place in asking.facts.places if place.candidate), None)


def _spread(decision: Decision, tip: UUID, atlas: Atlas) -> Decision:
    """Share routine tips without a known region out over the home police's regions, by the tip's id (R38)."""
    if not any(unplaced(to, decision, atlas) for to in decision.destinations):
        return decision
    region = regions.by_id(tip, atlas.agencies.records[atlas.police_home].regions)
    return replace(
        decision,
        destinations=tuple(
            replace(to, region=region) if unplaced(to, decision, atlas) else to for to in decision.destinations
        ),
    )


def unplaced(to: Destination, decision: Decision, atlas: Atlas) -> bool:
    """Tell whether *to* is the home police, and their region is not the rules' to say."""
    return to.id == atlas.police_home and to.priority in ROUTINE and not decision.facts.region_known
