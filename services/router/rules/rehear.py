"""
Facts heard again: what a decision recorded, or an example tells, is enough to ask any rulebook.

No content is needed. Two things are not recorded, because they would tell
content: the domain by which one of several hotlines is chosen, and the
services that a book lists for R28; neither differs between two books heard
on the same facts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_args

from contracts.onboarding import Partner
from contracts.vocabulary import AssessmentStatus, Kind, PartnerKind, Priority, Signal
from services.router.asking import Asking
from services.router.facts import NEW, Facts, History, Part, Place
from services.router.geography.atlas import Atlas
from services.router.geography.countries import EU
from services.router.geography.places import countries
from services.router.rules.hearing import hear
from services.router.rules.rulebook import Rulebook

_TIP = frozenset(one.name for one in fields(Facts)) - {"kind", "status", "priority", "sender", "signals", "places"}
_PLACE = ("confidence", "cdn", "hidden", "conflict", "candidate", "peer", "nationality", "duty_service", "operator")
TIP = _TIP | {"kind", "status", "priority", "sender", "signals"}
"""Facts of a tip that may be told; what follows from them (``urgent``, ``illegal``) may not."""
PLACE = frozenset({"part", "country", *_PLACE})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rulebook says of some facts."""

    to: frozenset[tuple[str, str]]
    """Agency and rule of everything that is asked for now."""
    later: frozenset[tuple[str, str]]
    px: str | None
    matched: frozenset[str]

    @property
    def ids(self) -> tuple[str, ...]:
        """Destinations, sorted."""
        return tuple(sorted({agency for agency, _ in self.to}))

    @property
    def later_ids(self) -> tuple[str, ...]:
        """Destinations that wait, sorted; who has it now waits for nothing."""
        return tuple(sorted({agency for agency, _ in self.later} - set(self.ids)))


def facts_from(told: Mapping[str, Any], atlas: Atlas, excluded: frozenset[str] = frozenset()) -> Facts:
    """
    Facts as ``decision/1`` records them; what follows from the places need not be told.

    Raises:
        ValueError: A word that is none of its list.
    """
    places = tuple(_place(one, atlas, excluded) for one in told.get("places", ()))
    return Facts(
        kind=Kind(told.get("kind", Kind.CSAM)),
        status=AssessmentStatus(told.get("status", AssessmentStatus.UNASSESSED)),
        signals=frozenset(map(Signal, told.get("signals", ()))),
        priority=Priority(told.get("priority", Priority.P3)),
        sender=PartnerKind(told.get("sender", PartnerKind.HOTLINE)),
        places=places,
        **(_following(places) | {name: told[name] for name in _TIP if name in told}),
    )


def ask(
    facts: Facts, book: Rulebook, atlas: Atlas, *, partner: Partner | None = None, history: History = NEW
) -> Answer:
    """Let *book* decide on *facts*."""
    asking = Asking(facts, atlas, book, history.excluded)
    truth, _, px = hear(asking, book, partner, history)
    return Answer(
        to=frozenset() if px else frozenset((ask.agency, ask.rule) for ask in asking.asks),
        later=frozenset() if px else frozenset((ask.agency, ask.rule) for ask in asking.later),
        px=px,
        matched=frozenset(said.rule for said in truth if said.matched),
    )


def _place(told: Mapping[str, Any], atlas: Atlas, excluded: frozenset[str]) -> Place:
    if told["part"] not in get_args(Part):
        raise ValueError(f"part {told['part']!r} is none of {', '.join(get_args(Part))}")
    of_content = told["part"] == "host"
    standing = (atlas.host if of_content else atlas.person)(told.get("country"), excluded)
    return Place(told["part"], standing, **{name: told[name] for name in _PLACE if name in told})


def _following(places: Sequence[Place]) -> dict[str, Any]:
    people = countries(places, ("offender", "victim"))
    return {
        "no_country": not countries(places, ("host", "offender", "victim", "scene")),
        "addressed": any(place.part == "host" for place in places),
        "people_countries": len(people),
        "people_all_eu": bool(people) and people <= EU,
        "victim_countries": len(countries(places, ("victim",))),
        "eu_states": len(countries(places, ("offender", "victim", "scene")) & EU),
    }
