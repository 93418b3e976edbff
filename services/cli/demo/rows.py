"""What became of each tip, folded from what the hops wrote; a pure function of documents."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]

HEADS = ("partner", "reference", "kind", "priority", "jurisdiction", "destinations (rules): delivery", "trace")
_RANK = {
    "receipt_ignored": 0,
    "dispatched": 1,
    "attempted": 2,
    "parked": 2,
    "expired": 2,
    "escalated": 3,
    "delivered": 4,
    "acknowledged": 6,
}
_LATER = 7
"""Whatever an agency says after its acknowledgement counts for more."""


@dataclass(slots=True)
class Story:
    """One tip, as far as it has come."""

    tip: str
    partner: str = ""
    reference: str = ""
    kind: str = ""
    priority: str = ""
    where: str = ""
    trace: str = ""
    destinations: list[tuple[str, str]] = field(default_factory=list)
    """Agency and the rules that asked for it."""
    ending: str = ""
    """What became of a tip that asks nothing new of anybody."""
    delivery: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """Agency to the furthest state of the last version: version, rank, word."""

    def row(self) -> tuple[str, ...]:
        """The row that the demo prints."""
        sent = [f"{agency} ({rules}): {self._state(agency)}" for agency, rules in self.destinations]
        return (
            self.partner,
            self.reference,
            self.kind,
            self.priority,
            self.where,
            "; ".join(sent) or self.ending,
            self.trace,
        )

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        destinations = [
            {"id": agency, "rules": rules.split(", "), "delivery": self._state(agency)}
            for agency, rules in self.destinations
        ]
        return {
            "tip_id": self.tip, "partner": self.partner, "reference": self.reference, "kind": self.kind,
            "priority": self.priority, "jurisdiction": self.where, "destinations": destinations,
            "ending": self.ending or None, "trace_id": self.trace,
        }  # fmt: skip

    def _state(self, agency: str) -> str:
        if agency == "review":
            return "a person decides"
        return self.ending or (self.delivery[agency][2] if agency in self.delivery else "queued")


class Stories:
    """Folds documents in the order in which they lie."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_tip: dict[str, Story] = {}

    def located(self, document: Document) -> None:
        """Take a ``tip-located/1``: who, what, where."""
        tip = document["received"]
        story = self._story(tip["tip_id"])
        story.partner, story.reference, story.kind = tip["partner"], tip["reference"], tip["facts"]["kind"]
        story.where = where(document["jurisdiction"])

    def decided(self, document: Document) -> None:
        """Take a ``decision/1``; the last version counts."""
        story = self._story(document["tip_id"])
        story.priority = document["priority"]
        story.destinations = [(d["id"], ", ".join(d["rules"])) for d in document.get("destinations", ())]
        story.ending = _ending(document)

    def delivered(self, document: Document) -> None:
        """Take a ``delivery/1``; within a version a state never falls back."""
        states, agency, word = self._story(document["tip_id"]).delivery, document["destination"], document["what"]
        state = (int(document["version"]), _RANK.get(word, _LATER), word)
        if state[:2] >= states.get(agency, (0, 0, ""))[:2]:
            states[agency] = state

    def entered(self, document: Document) -> None:
        """Take a ``custody/1`` entry: the trace."""
        tip = document.get("tip")
        if tip and document.get("trace") and document["kind"] == "tip.accepted":
            self._story(tip).trace = document["trace"]

    def in_order(self, asked: Iterable[tuple[str, str | None]]) -> list[Story]:
        """Stories in the order in which their references were published, each once."""
        by_reference = {(story.partner, story.reference): story for story in self._by_tip.values()}
        named = [by_reference[pair] for pair in asked if pair in by_reference]
        return list({story.tip: story for story in [*named, *self._by_tip.values()]}.values())

    def _story(self, tip: str) -> Story:
        return self._by_tip.setdefault(tip, Story(tip))


def where(jurisdiction: Document) -> str:
    """Name the countries in short: hosting first, then persons; a flag where there is none."""
    hosting = [_country(verdict) for verdict in jurisdiction.get("hosting", ())]
    persons = [f"person {_country(verdict)}" for verdict in jurisdiction.get("persons", ())]
    return ", ".join(dict.fromkeys([*hosting, *persons])) or "none"


def _country(verdict: Document) -> str:
    if verdict.get("country"):
        return f"{verdict['country']} {verdict['confidence']:.2f}"
    candidates = "/".join(verdict.get("candidates", ()))
    return f"? {candidates or ' '.join(verdict.get('flags', ())) or 'unknown'}"


def _ending(document: Document) -> str:
    if document.get("px"):
        return f"not referable: {document['px']}"
    if document.get("sighting_of"):
        return "a sighting"
    return ""


def refusals(statuses: Iterable[tuple[str, Document]]) -> list[tuple[str, str, str, str]]:
    """Partner, reference, reason and place of every refusal among *statuses*."""
    return [
        (partner, status.get("reference") or "-", status["refusal"]["reason"], status["refusal"].get("pointer") or "-")
        for partner, status in statuses
        if status["status"] == "refused"
    ]
