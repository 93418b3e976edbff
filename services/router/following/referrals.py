"""
The bytes of ``referral-routed/1``, ``decision/1``, ``review/1`` and ``tip-status/1``.

Built by hand, because a model per event costs more than the decision; the
tests read every one with the contract's models.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson

from contracts.events import TipLocated
from contracts.vocabulary import Action, Priority
from services.chassis.hop import referral_id
from services.router.decision import Decision, Destination, World
from services.router.telling.record import Heading, recorded
from services.router.telling.telling import kind_told
from services.triage import acknowledge_by

EMPTY = orjson.Fragment(b"{}")

URL_TARGET = "/urls/"
"""How the pointer of a verdict about a URL begins."""

LOOK_WITHIN = {
    Priority.P0: timedelta(minutes=15),
    Priority.P1: timedelta(minutes=30),
    Priority.P2: timedelta(hours=4),
    Priority.P3: timedelta(hours=72),
    Priority.P4: timedelta(days=14),
}
"""By when a person should have looked; P1 is the field's rule for public urgency flags, the others are ours."""


@dataclass(frozen=True, slots=True)
class Step:
    """One referral to write."""

    destination: Destination
    action: Action
    referral: UUID
    replaces: str | None = None
    related: Sequence[str] = ()
    sightings: int = 1
    via: Sequence[str] = ()


class Words:
    """Writes what one version of a tip becomes."""

    def __init__(self, located: TipLocated, decision: Decision, version: int, *, world: World, now: datetime) -> None:
        self.located, self.decision, self.version = located, decision, version
        self.now, self.atlas, self.world = now, world.atlas, world
        self.tip = str(located.received.tip_id)
        self._ids: dict[str, UUID] = {}
        self._book = {"id": world.book.id, "digest": world.book.digest}
        self._shared = self._same_for_all()
        self._urls = _urls_of_operators(located)
        self._content = orjson.Fragment(located.received.content.model_dump_json(by_alias=True).encode())

    @property
    def decision_book(self) -> str:
        """Digest of the rulebook that decided."""
        return self._book["digest"]

    def referral(self, destination: str) -> UUID:
        """Id of this version's referral to *destination*."""
        found = self._ids.get(destination)
        if found is None:
            found = self._ids[destination] = referral_id(self.located.received.tip_id, self.version, destination)
        return found

    def routed(self, step: Step) -> bytes:
        """``referral-routed/1``; a notice carries no content, its receiver has it."""
        to = step.destination
        told = step.action in (Action.NEW, Action.UPDATE)
        return orjson.dumps(
            {
                **self._shared,
                "referral_id": step.referral,
                "action": step.action,
                "replaces": step.replaces,
                "destination": to.id,
                "region": to.region,
                "related": step.related,
                "sightings": step.sightings,
                "via": step.via or (self.located.received.partner,),
                "priority": to.priority,
                "priority_reasons": to.reasons,
                "acknowledge_by": acknowledge_by(to.priority, self.now) if told else None,
                "duty": to.duty,
                "duty_count": self.located.received.notice.count if to.duty and self.located.received.notice else None,
                "why": [{"rule": rule, "text": text} for rule, text in to.why],
                "legality": to.legality,
                "url": self._urls.get(to.id) if told else None,
                "content": self._content if told else EMPTY,
            }
        )

    def decided(self, sightings: Iterable[str]) -> bytes:
        """``decision/1``: facts, digests and the truth of every rule."""
        tip = self.located.received
        heading = Heading(
            tip.tip_id,
            tip.revision,
            self.version,
            tip.group_id,
            tip.partner,
            self.now,
            self.located.jurisdiction.builds,
        )
        return recorded(heading, self.decision, self.world, sightings)

    def asked(self, reasons: Sequence[str], level: Priority) -> bytes:
        """``review/1``: what a person must decide."""
        tip = self.located.received
        return orjson.dumps(
            {
                "schema": "review/1",
                "review_id": review_id(tip.tip_id, self.version),
                "tip_id": tip.tip_id,
                "version": self.version,
                "group_id": tip.group_id,
                "partner": tip.partner,
                "state": "open",
                "reasons": reasons,
                "priority": level,
                "opened_at": self.now,
                "decide_by": self.now + LOOK_WITHIN[level],
            }
        )

    def status(self) -> bytes:
        """``tip-status/1``: the sender learns the kinds of destinations, never their names."""
        tip = self.located.received
        return orjson.dumps(
            {
                "schema": "tip-status/1",
                "status": "routed",
                "reference": tip.reference,
                "tip_id": tip.tip_id,
                "revision": tip.revision,
                "priority": self.decision.priority,
                "destinations": sorted({kind_told(self.atlas, agency) for agency in self.decision.ids}),
                "at": self.now,
            }
        )

    def _same_for_all(self) -> dict[str, Any]:
        tip, facts = self.located.received, self.located.received.facts
        where = self.located.jurisdiction
        return {
            "schema": "referral-routed/1",
            "tip_id": tip.tip_id,
            "revision": tip.revision,
            "version": self.version,
            "group": tip.group_id,
            "is_test": facts.is_test,
            "kind": facts.kind,
            "partner": tip.partner,
            "reference": tip.reference,
            "received_at": tip.received_at,
            "routed_at": self.now,
            "rulebook": self._book,
            "actionability": self.decision.triage.actionability,
            "deconflict": self.decision.deconflict,
            "jurisdiction": {
                "hosting": [
                    {
                        "country": verdict.country,
                        "confidence": verdict.confidence,
                        "evidence": [{"source": e.source, "says": e.says, "built": e.built} for e in verdict.evidence],
                    }
                    for verdict in where.hosting
                ],
                "flags": where.flags,
            },
            "status": self.decision.facts.status,
            "labels": facts.labels,
            "signals": facts.signals,
            "known_to": [{"agency": case.agency, "case": case.case} for case in facts.known_to],
            "preserve_until": facts.preserve_until,
            "share_with_police": facts.share_with_police,
        }


def review_id(tip: UUID, version: int) -> UUID:
    """Id of the question to a person about one version of a tip."""
    return uuid5(tip, f"review/{version}")


def _urls_of_operators(located: TipLocated) -> dict[str, int]:
    """The first URL behind each proxy operator, by the id of its desk: that one is the operator's business."""
    found = [each for each in located.jurisdiction.hosting if each.operator and each.target.startswith(URL_TARGET)]
    return {str(each.operator): int(each.target.removeprefix(URL_TARGET)) for each in reversed(found)}
