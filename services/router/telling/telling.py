"""Parts of a decision in JSON: what events, the command line and the door tell alike."""

from typing import Any

from services.router.asking import REVIEW
from services.router.decision import Decision
from services.router.geography.atlas import Atlas
from services.router.rules.names import OF_PLACE, OF_TIP, getter


def kind_told(atlas: Atlas, agency: str) -> str:
    """An agency's kind, as senders are told."""
    record = atlas.agencies.get(agency)
    return record.kind.value if record else REVIEW


def truth_told(decision: Decision) -> list[dict[str, Any]]:
    """Every rule: matched, or the first condition that failed."""
    return [{"rule": said.rule, "matched": said.matched, "failed": said.failed} for said in decision.truth]


def later_told(decision: Decision) -> list[dict[str, str]]:
    """What waits for the police or its time."""
    return [{"id": one.to.id, "rule": one.to.rules[0], "after": one.after} for one in decision.later]


def suppressed_told(decision: Decision) -> list[dict[str, str]]:
    """What a rule had asked for and another took away."""
    return [{"id": agency, "rule": rule} for agency, rule in decision.suppressed]


def why_not_told(decision: Decision) -> list[dict[str, str]]:
    """Agencies that a rule would have had, and why not."""
    return [{"id": miss.agency, "rule": miss.rule, "reason": miss.reason} for miss in decision.why_not]


_TIP_GETTERS = tuple((name, getter(name)[1]) for name in OF_TIP)
_PLACE_GETTERS = tuple((name, getter(f"host.{name}")[1]) for name in OF_PLACE)


def facts_told(decision: Decision) -> dict[str, Any]:
    """The flat facts by their names in the rulebook's vocabulary."""
    facts = decision.facts
    told: dict[str, Any] = {
        name: sorted(found) if isinstance(found := read(facts), frozenset) else found for name, read in _TIP_GETTERS
    }
    told["places"] = [
        {
            "part": place.part,
            "country": place.standing.country,
            "candidate": place.candidate,
            "nationality": place.nationality,
            "operator": place.operator,
        }
        | {name: read(place) for name, read in _PLACE_GETTERS}
        for place in facts.places
    ]
    return told
