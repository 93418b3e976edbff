"""
Groups: tips about one thing. Who gets a referral of its own, and what is only a sighting of an earlier one.

Grouping must never hide a new fact: another account or person is always new
for the police, another address or hash for those who remove content.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from contracts.events import TipLocated
from contracts.vocabulary import AgencyKind, Priority
from services.router.decision import Decision, Destination
from services.router.following.rows import GroupRow, Lead, Shelf, stamp
from services.triage.levels import CONTENT_KINDS

FactLane = Literal["c", "p"]
"""``c``: those who remove content; ``p``: those who look for people."""

SEVERAL_SOURCES = timedelta(hours=24)
MOST_PARTNERS = 20

_CONTENT = ("url:", "hash:")
_STEPS = frozenset({2, *(10**power for power in range(1, 10))})
"""Counts at which an agency is told: 2, 10, 100 ..."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a tip is at one agency: its group's lead, one of its own beside it, or a sighting."""

    as_what: Literal["lead", "own", "sighting"]
    lead: Lead | None = None


def lane_of(kind: AgencyKind | None) -> FactLane:
    """Which facts are news for an agency of *kind*."""
    return "c" if kind in CONTENT_KINDS else "p"


def told_by(located: TipLocated, decision: Decision, lane: FactLane) -> Iterator[str]:
    """The facts of a tip that are news for a lane, as words that tell nothing: keyed digests, codes, countries."""
    facts = located.received.facts
    for fingerprint in facts.fingerprints:
        if lane == "p" or fingerprint.startswith(_CONTENT):
            yield fingerprint
    yield f"status:{decision.facts.status.value}"
    yield from (f"label:{label.value}" for label in facts.labels)
    yield from (f"code:{code}" for code in decision.triage.codes if code[0] in "UC")
    for place in decision.facts.places:
        if place.standing.country and (lane == "p" or place.part == "host"):
            yield f"{place.part}:{place.standing.country}"


def judge(group: GroupRow, destination: Destination, *, news: bool, partner: str) -> Standing:
    """
    Say what the tip is for *destination*.

    Args:
        group: The tip's group.
        destination: Where it must go.
        news: The tip tells something that this destination's lane does not know.
        partner: Who sent the tip.
    """
    lead = group.leads.get(destination.id)
    if lead is None:
        return Standing("lead")
    flood = lead.acknowledged and (partner in lead.partners or partner in lead.beside)
    if news or (destination.priority is Priority.P0 and not flood):
        return Standing("own", lead)
    return Standing("sighting", lead)


def is_news(shelf: Shelf, group: str, lane: FactLane, facts: list[str]) -> bool:
    """Tell whether the lane does not know one of *facts*, and remember them all."""
    unknown = [fact for fact in facts if not shelf.seen(group, lane, fact)]
    for fact in unknown:
        shelf.see(group, lane, fact)
    return bool(unknown)


def stands_beside(lead: Lead, partner: str) -> None:
    """Note that *partner* has a referral of its own: once the agency has acknowledged the group, more are a flood."""
    if partner not in lead.beside:
        lead.beside = [*lead.beside, partner][-MOST_PARTNERS:]


def count(lead: Lead, partner: str) -> bool:
    """Count one more sighting; True when the agency is told of it."""
    lead.count += 1
    if partner not in lead.partners:
        lead.partners = [*lead.partners, partner][-MOST_PARTNERS:]
    return lead.count in _STEPS


def several_sources(group: GroupRow, partner: str, now: datetime) -> bool:
    """Tell whether another sender told of the same thing within 24 hours (N1), and remember this one."""
    since = now - SEVERAL_SOURCES
    others = any(name != partner and datetime.fromisoformat(at) >= since for name, at in group.senders.items())
    group.senders = dict(list({**group.senders, partner: stamp(now)}.items())[-MOST_PARTNERS:])
    return others


def related(group: GroupRow, agency: str, own: str) -> tuple[str, ...]:
    """Referrals about the same thing that *agency* has already."""
    lead = group.leads.get(agency)
    return (lead.referral,) if lead and lead.referral != own else ()
