"""
The closed vocabulary of the rulebook: every fact that a condition may read, with all values it can have.

What is not here cannot be asked, which is what makes a rulebook provable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from contracts.vocabulary import AssessmentStatus, Kind, PartnerKind, Priority, Signal
from services.router.facts import PARTS

Type = Literal["word", "yes_no", "number", "set"]
Getter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: its type and, for words and sets, every value."""

    type: Type
    values: tuple[str, ...] = ()


def _words(*values: str) -> Fact:
    return Fact("word", values)


YES_NO = Fact("yes_no")
NUMBER = Fact("number")

OF_TIP: dict[str, Fact] = {
    "kind": _words(*Kind),
    "status": _words(*AssessmentStatus),
    "priority": _words(*(level for level in Priority if level is not Priority.PX)),
    "sender": _words(*PartnerKind),
    "event": _words("none", "origin_revealed", "moved"),
    "signals": Fact("set", tuple(Signal)),
    **dict.fromkeys(("people_countries", "victim_countries", "eu_states", "moves"), NUMBER),
    **dict.fromkeys(
        (
            *(
                "illegal",
                "urgent",
                "no_country",
                "proxied",
                "eu_linked",
                "hash_only",
                "addressed",
                "people_all_eu",
                "consent",
            ),
            *("foreign_hotline", "known_case", "region_known", "person_wanted", "investigation"),
            *("media", "sighting", "nothing_left"),
        ),
        YES_NO,
    ),
}
"""Facts of the tip itself; each is an attribute of `Facts`."""

OF_PLACE: dict[str, Fact] = {
    "at": _words("home", "abroad", "unknown"),
    "hotline": _words("available", "passed_over", "none"),
    "interpol": _words("member", "through_parent", "none"),
    "hotline_count": NUMBER,
    "confidence": NUMBER,
    **dict.fromkeys(("has_police", "eu", "cdn", "hidden", "conflict", "peer", "duty_service"), YES_NO),
}
"""Facts of one place; a rule that looks at each host reads ``host.at`` and so on."""

STANDING = frozenset({"at", "hotline", "interpol", "hotline_count", "has_police", "eu"})
"""Facts of a place that its country's standing holds."""

TARGETS = (
    *("police-home", "police-of", "hotline-of", "interpol-ncb", "interpol-iccam", "europol", "review"),
    *("cdn", "takedown", "crawler", "reporting-channel", "candidate-routes"),
)
"""What a rule may refer to; ``-of`` means: of the place that it looks at."""

PER = ("tip", *PARTS)


def fact(name: str, per: str) -> Fact | None:
    """The fact *name* as a rule that looks at each *per* may read it; None where it may not."""
    part, _, rest = name.rpartition(".")
    if not part:
        return OF_TIP.get(rest)
    return OF_PLACE.get(rest) if part == per else None


def getter(name: str) -> tuple[bool, Getter]:
    """Whether the fact *name* is a place's, and how it is read."""
    part, _, rest = name.rpartition(".")
    return bool(part), attrgetter(f"standing.{rest}" if part and rest in STANDING else rest)
