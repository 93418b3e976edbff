"""A decision in the words that ``vidare explain`` and the door tell: the same JSON for both."""

from collections.abc import Iterable
from typing import Any

from contracts.events import TipLocated
from services.router.decision import Decision
from services.router.rules.rulebook import Rulebook
from services.router.telling.telling import later_told, suppressed_told, why_not_told


def explained(located: TipLocated, decision: Decision, *, rules: bool = False) -> dict[str, Any]:
    """
    Tell where a tip would go and why.

    Args:
        located: The tip that was decided.
        decision: What was decided.
        rules: Add every rule, matched or not, and the condition that failed first.
    """
    tip = located.received
    told: dict[str, Any] = {
        "reference": tip.reference,
        "accepted": True,
        "refusal": None,
        "tip_id": str(tip.tip_id),
        "group_id": tip.group_id,
        "priority": decision.priority.value,
        "priority_reasons": list(decision.priority_reasons),
        "actionability": decision.triage.actionability,
        "jurisdiction": jurisdiction_told(located, decision),
        "destinations": [
            {"id": to.id, "rules": list(to.rules), "priority": to.priority.value, "region": to.region}
            for to in decision.destinations
        ],
        "later": sorted(later_told(decision), key=_by_id),
        "suppressed": sorted(suppressed_told(decision), key=_by_id),
        "px": decision.px,
        "why_not": why_not_told(decision),
    }
    if rules:
        told["rules"] = [{"id": said.rule, "matched": said.matched, "failed": said.failed} for said in decision.truth]
    return told


def refused(reference: str | None, reason: str, pointer: str | None) -> dict[str, Any]:
    """Tell that intake would not take it."""
    return {"reference": reference, "accepted": False, "refusal": {"reason": reason, "pointer": pointer}}


def named(book: Rulebook) -> dict[str, str]:
    """Which rulebook decided."""
    return {"id": book.id, "digest": book.digest}


def jurisdiction_told(located: TipLocated, decision: Decision) -> dict[str, Any]:
    """Countries by the part they play, and every flag of every indicator and of the tip itself."""
    where = located.jurisdiction
    hosting: dict[str, float] = {}
    for verdict in where.hosting:
        if verdict.country:
            hosting[verdict.country] = max(verdict.confidence, hosting.get(verdict.country, 0.0))
    verdicts = (*where.hosting, *where.persons)
    flags = (*where.flags, *(flag for verdict in verdicts for flag in verdict.flags), *located.received.facts.flags)
    return {
        "hosting": [{"country": country, "confidence": sure} for country, sure in hosting.items()],
        "candidates": _unique(country for verdict in verdicts if not verdict.country for country in verdict.candidates),
        "offender": _countries(decision, "offender"),
        "victim": _countries(decision, "victim"),
        "place": located.received.facts.place_country,
        "flags": _unique(flag.value for flag in flags),
    }


def _countries(decision: Decision, part: str) -> list[str]:
    places = decision.facts.part(part)
    return _unique(place.standing.country for place in places if place.standing.country and not place.candidate)


def _by_id(told: dict[str, str]) -> tuple[str, str]:
    return told["id"], told["rule"]


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
