"""
From reason codes to levels: floors raise, lowering needs a structured field and no one in danger.

There are two lanes of destinations. *person* is police, Interpol and Europol,
who look for somebody; *content* is hotlines, providers and takedown, who
remove something that is still there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from contracts.events import TipFacts
from contracts.vocabulary import AgencyKind, Priority
from services.triage.actionability import actionability
from services.triage.codes import codes_of

LaneKind = Literal["person", "content"]

FLOORS = {
    "U1": Priority.P0,
    "U2": Priority.P0,
    "U3": Priority.P0,
    "U5": Priority.P1,
    "C1": Priority.P1,
    "C4": Priority.P1,
    "M1": Priority.P2,
    "M2": Priority.P2,
    "M3": Priority.P1,
    "D1": Priority.P2,
    "T1": Priority.P2,
}
"""Least level that a code asks for. U4 is P0 only with a reason text, so it is not a constant."""

RAISES = frozenset({"C2", "C3", "N1"})
"""Each raises by one level, to P1 at most."""

LOWERS = frozenset({"L1", "L3", "L4"})
BEATEN = frozenset("MDN")
"""Families that a lowering code beats in the person lane: the live copy still has to go."""

LADDER = (Priority.P0, Priority.P1, Priority.P2, Priority.P3, Priority.P4)
CONTENT_KINDS = frozenset({AgencyKind.HOTLINE, AgencyKind.PROVIDER, AgencyKind.TAKEDOWN, AgencyKind.CRAWLER})


@dataclass(frozen=True, slots=True)
class Triage:
    """A tip's two levels, every code it shows, and which of them count in each lane."""

    level_person: Priority
    level_content: Priority
    codes: tuple[str, ...]
    actionability: int
    reasons_person: tuple[str, ...] = ()
    reasons_content: tuple[str, ...] = ()

    @property
    def level(self) -> Priority:
        """The more urgent of the two lanes: how the tip itself travels."""
        return min(self.level_person, self.level_content)

    def for_kind(self, kind: AgencyKind) -> tuple[Priority, tuple[str, ...]]:
        """Level and reasons for a destination of *kind*."""
        if kind in CONTENT_KINDS:
            return self.level_content, self.reasons_content
        return self.level_person, self.reasons_person


def triage(
    facts: TipFacts, *, vetted: bool, now: datetime, located: bool = False, given: Collection[str] = ()
) -> Triage:
    """
    Say how urgent the tip of *facts* is for either lane, why, and how complete it is.

    Args:
        facts: What intake read of the tip.
        vetted: The sender's urgency flag is believed.
        now: UTC time of the decision.
        located: A person's address was placed in a country (adds to actionability only).
        given: Codes that only the caller can know (``N1``).
    """
    codes = codes_of(facts, vetted=vetted, now=now, given=given)
    complete = actionability(facts, located=located)
    return _triage(codes, complete, identified=identifies(facts), reason=facts.danger_reason)


@lru_cache(maxsize=1024)
def _triage(codes: tuple[str, ...], complete: int, *, identified: bool, reason: bool) -> Triage:
    """Both lanes; few combinations of codes occur, and each is judged once."""
    person = _counting(codes, "person", identified=identified)
    content = _counting(codes, "content", identified=identified)
    return Triage(
        level_person=_level(person, identified=identified, reason=reason),
        level_content=_level(content, identified=identified, reason=reason),
        codes=codes,
        actionability=complete,
        reasons_person=person,
        reasons_content=content,
    )


def urgent(facts: TipFacts, *, vetted: bool, now: datetime) -> bool:
    """Tell whether the tip travels in the urgent lane."""
    return triage(facts, vetted=vetted, now=now).level.urgent


def identifies(facts: TipFacts) -> bool:
    """Tell whether anything in the tip identifies content, an account, a person or a place."""
    somebody = any(p.named or p.location or p.nationalities for p in facts.people)
    somewhere = facts.place_country or facts.place_region or facts.place_described
    things = facts.url_count + facts.hash_count + facts.account_count + len(facts.address_roles)
    return bool(somebody or somewhere or things)


def _counting(codes: tuple[str, ...], lane: LaneKind, *, identified: bool) -> tuple[str, ...]:
    """Codes that have a say in *lane*: danger silences what lowers, and what lowers silences material."""
    if any(code[0] in "UC" for code in codes):
        return tuple(code for code in codes if code[0] != "L")
    lowered = not LOWERS.isdisjoint(codes)
    silent = BEATEN if lane == "person" and lowered else frozenset[str]()
    counting = tuple(code for code in codes if code[0] not in silent and (code != "L6" or not identified))
    floor = any(code in FLOORS for code in counting)
    return tuple(code for code in counting if not (floor and code in LOWERS))


def _level(codes: tuple[str, ...], *, identified: bool, reason: bool) -> Priority:
    base = Priority.P4 if not LOWERS.isdisjoint(codes) or not identified else Priority.P3
    level = min([base, *(_floor(code, reason=reason) for code in codes)])
    steps = sum(code in RAISES for code in codes)
    return level if level <= Priority.P1 else LADDER[max(1, LADDER.index(level) - steps)]


def _floor(code: str, *, reason: bool) -> Priority:
    if code == "U4":
        return Priority.P0 if reason else Priority.P1
    return FLOORS.get(code, Priority.P4)
