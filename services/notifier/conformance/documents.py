"""The test referrals of a run: made up, each the same bytes every time it is asked for."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson

from contracts.events import ReferralJurisdiction, RulebookRef, Why
from contracts.referral import CustodyPointer, Referral, ReferralAssessment, ReferralContent
from contracts.vocabulary import Action, AssessmentStatus, Kind, Priority
from services.notifier.conformance.case import Case, Doc

ACKNOWLEDGE_WITHIN = timedelta(hours=72)
Seal = Callable[[bytes], bytes]
NOTHING = "a test of your endpoint; it stands for nothing"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the kit: what makes its ids its own."""

    id: UUID
    at: datetime
    agency: str
    """``destination`` of every document."""


class Documents:
    """Every document of a run, by name and text."""

    def __init__(self, run: Run, cases: Sequence[Case], seal: Seal = bytes) -> None:
        """
        Know the documents of *cases*: a link of the feed may be made before the document that it names is sent.

        Args:
            run: Whose documents.
            cases: Where they are named.
            seal: What each goes through, once.
        """
        self._run = run
        self._seal = seal
        self._made: dict[Doc, bytes] = {}
        self._named: Mapping[str, Doc] = {call.doc.name: call.doc for case in cases for call in case.calls}

    def referral(self, name: str) -> UUID:
        """The referral id of the document *name*."""
        return uuid5(self._run.id, name)

    def body(self, doc: Doc) -> bytes:
        """The bytes of *doc* as they are sent."""
        if doc not in self._made:
            self._made[doc] = self._seal(self._clear(doc))
        return self._made[doc]

    def _clear(self, doc: Doc) -> bytes:
        value = self._value(doc)
        raw = orjson.dumps(value)
        if len(raw) < doc.size:
            value["narrative"] += "." * (doc.size - len(raw))
            raw = orjson.dumps(value)
        return raw

    def link(self, doc: Doc) -> tuple[int, str | None] | None:
        """Number of *doc* in the feed and digest of the document before it; None where it stands in none."""
        return None if doc.feed is None else (doc.feed, self._digest(doc.previous))

    def _value(self, doc: Doc) -> dict[str, Any]:
        value: dict[str, Any] = orjson.loads(self._referral(doc).model_dump_json(by_alias=True))
        if (link := self.link(doc)) is not None:
            value["feed"] = {"number": link[0], "previous": link[1], "skipped": self._skipped(doc, link[0] - 1)}
        if doc.unknown:
            value["field_of_tomorrow"] = {"a": [1, None, "b"]}
            value["content"]["field_of_tomorrow"] = []
        return value

    def _skipped(self, doc: Doc, number: int) -> list[dict[str, Any]]:
        return [{"number": number, "digest": self._digest(doc.skipped)}] if doc.skipped else []

    def _digest(self, name: str | None) -> str | None:
        if name is None:
            return None
        doc = self._named.get(name)
        return "sha-256:" + hashlib.sha256(self.body(doc) if doc else name.encode()).hexdigest()

    def _referral(self, doc: Doc) -> Referral:
        run = self._run
        return Referral(
            referral_id=self.referral(doc.name),
            tip_id=uuid5(run.id, "tip"),
            version=2 if doc.replaces else 1,
            action=doc.action,
            replaces=self.referral(doc.replaces) if doc.replaces else None,
            destination=run.agency,
            is_test=True,
            group=run.id.hex,
            sightings=2 if doc.action is Action.SIGHTINGS else 1,
            via=("conformance",),
            priority=Priority.P3,
            acknowledge_by=run.at + ACKNOWLEDGE_WITHIN,
            kind=Kind.OTHER,
            why=(Why(rule="test", text=NOTHING),),
            rulebook=RulebookRef(id="conformance", digest="sha256:" + "0" * 64),
            jurisdiction=ReferralJurisdiction(),
            assessment=ReferralAssessment(status=AssessmentStatus.UNASSESSED),
            content=ReferralContent(urls=() if doc.action is Action.WITHDRAWN else ("https://host.example/test",)),
            narrative=doc.text,
            custody=CustodyPointer(proof=NOTHING),
        )
