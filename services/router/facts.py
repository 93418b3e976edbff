"""
The flat facts that rules read, made from a located tip: no address, URL, hash, name or text is among them.

A tip has facts of its own and a list of *places*: each country (or address
without one) that it points at, in the part it plays: host, offender, victim,
scene. A rule looks at the tip alone or at each place of one part.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from contracts.vocabulary import AssessmentStatus, Kind, PartnerKind, Priority, Signal
from services.router.geography.atlas import Standing

Part = Literal["host", "offender", "victim", "scene"]
Event = Literal["none", "origin_revealed", "moved"]

ILLEGAL = (AssessmentStatus.BASELINE, AssessmentStatus.NATIONAL)


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
    """A file sharer's address, with the port and the time that tell who it was (R27)."""
    nationality: bool = False
    duty_service: bool = False
    """Content of a service with a reporting duty of its own (R28)."""
    hotline: str | None = None
    """Which of the country's several hotlines answers for the tip's domain (R10)."""
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
    proxied: bool = False
    """A person's address is known behind a proxy, VPN or Tor exit only, and no offender's country outvotes it."""
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
        """Places by the part they play; ``person`` is offenders and victims, ``address`` what verdicts are about."""
        return tuple(place for place in self.places if name in NAMES_OF[place.part, place.nationality])


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


def _plays(name: str, part: Part, *, nationality: bool) -> bool:
    """Tell whether a place of *part* is among those that a rule looking at each *name* sees."""
    if part not in PARTS[name]:
        return False
    return nationality if name == "nationality" else not (name == "whereabouts" and nationality)


NAMES_OF = {
    (part, nationality): tuple(name for name in PARTS if _plays(name, part, nationality=nationality))
    for part in get_args(Part)
    for nationality in (False, True)
}
"""By part, and whether it is a nationality: every name under which a rule may look at a place."""


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
