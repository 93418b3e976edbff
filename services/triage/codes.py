"""
Reason codes: which of the field's signs of urgency a tip shows.

U and C codes are about people in danger, M about material, D and T about the
place and its clock, N about how many saw it, L about what may wait.

Source: the triage model, after the Swedish police, KIRAT, NCMEC and ICAC practice.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from contracts.events import PersonFacts, TipFacts
from contracts.vocabulary import AssessmentStatus, Kind, Label, PersonRole, Signal

ORDER = (
    "U1", "U2", "U3", "U4", "U5", "C1", "C2", "C3", "C4", "M1", "M2", "M3", "D1", "T1", "N1", "L1", "L3", "L4", "L6",
)  # fmt: skip
"""
Every code in the order in which they are told.

L2 is the router's; L5 (generative AI alone) has no effect, by design.
"""

_RANK = {code: rank for rank, code in enumerate(ORDER)}

OF_SIGNAL = {
    Signal.CRISIS: "U3",
    Signal.ACCESS_TO_CHILDREN: "C2",
    Signal.PRIOR_REPORTS: "C3",
    Signal.NEW_MATERIAL: "M2",
    Signal.COMMERCIAL: "D1",
    Signal.MINOR_TO_MINOR: "L3",
    Signal.DRAWN: "L4",
    Signal.SPAM: "L6",
}
"""Codes that one signal shows, whatever else stands in the tip."""

FRESH = timedelta(hours=24)
EXPIRES_SOON = timedelta(days=14)
WEST_OF_UTC = timedelta(hours=12)
"""A time without zone may lie this much later in UTC; it counts as fresh as it can be."""

CONDUCT = frozenset({Kind.GROOMING, Kind.SEXTORTION, Kind.SOLICITATION})
"""Kinds that say ongoing contact themselves: C1 already."""

WORST = frozenset({Label.A1, Label.INFANT, Label.VIOLENCE, Label.BESTIALITY})


def codes_of(facts: TipFacts, *, vetted: bool, now: datetime, given: Collection[str] = ()) -> tuple[str, ...]:
    """
    Name every reason code that *facts* show, in the order of `ORDER`.

    Args:
        facts: What intake read of the tip.
        vetted: The sender's urgency flag is believed.
        now: UTC time of the decision.
        given: Codes that only the caller can know (``N1``: several independent sources).
    """
    shown = {OF_SIGNAL[signal] for signal in facts.signals if signal in OF_SIGNAL}
    shown.update([code for code, shows in _SHOWS.items() if shows(facts, now)])
    shown.update([code for code in (*facts.text_signals, *given) if code in _RANK])
    if facts.immediate_danger:
        shown.add("U4" if vetted else "U5")
    return tuple(sorted(shown, key=_RANK.__getitem__))


def fresh(facts: TipFacts, now: datetime) -> bool:
    """Tell whether the tip is undated or was observed in the last 24 hours."""
    seen = facts.observed_at
    if seen is None:
        return True
    utc = seen if seen.tzinfo else seen.replace(tzinfo=UTC) + WEST_OF_UTC
    return now - utc <= FRESH


def _live(facts: TipFacts) -> bool:
    return facts.kind is Kind.LIVE_ABUSE or Signal.LIVE_STREAMING in facts.signals


def _u1(facts: TipFacts, now: datetime) -> bool:
    contact = Signal.ONGOING_CONTACT in facts.signals and facts.kind not in CONDUCT
    return contact or (_live(facts) and fresh(facts, now))


def _abroad(person: PersonFacts, facts: TipFacts) -> bool:
    where = person.location or facts.place_country
    known = bool(person.nationalities) and where is not None
    return person.role is PersonRole.SUSPECT and known and where not in person.nationalities


def _u2(facts: TipFacts, _: datetime) -> bool:
    travels = facts.kind is Kind.TRAVELLING_OFFENDER and Signal.ONGOING_CONTACT in facts.signals
    return Signal.PLANNED_MEETING in facts.signals or (travels and any(_abroad(p, facts) for p in facts.people))


def _c1(facts: TipFacts, _: datetime) -> bool:
    return facts.kind in CONDUCT or facts.kind is Kind.TRAFFICKING


def _c4(facts: TipFacts, now: datetime) -> bool:
    older = facts.kind is Kind.LIVE_ABUSE and not fresh(facts, now)
    return facts.kind is Kind.TRAVELLING_OFFENDER or older


def _m1(facts: TipFacts, _: datetime) -> bool:
    return facts.status is AssessmentStatus.BASELINE or not WORST.isdisjoint(facts.labels)


def _m3(facts: TipFacts, now: datetime) -> bool:
    return Signal.LIVE_STREAMING in facts.signals and not fresh(facts, now)


def _t1(facts: TipFacts, now: datetime) -> bool:
    ends = facts.preserve_until
    return ends is not None and now <= ends <= now + EXPIRES_SOON


def _l1(facts: TipFacts, _: datetime) -> bool:
    return {Signal.VIRAL, Signal.KNOWN_MATERIAL} <= set(facts.signals)


_SHOWS: dict[str, Callable[[TipFacts, datetime], bool]] = {
    "U1": _u1,
    "U2": _u2,
    "C1": _c1,
    "C4": _c4,
    "M1": _m1,
    "M3": _m3,
    "T1": _t1,
    "L1": _l1,
}
"""Codes that need more than one signal."""
