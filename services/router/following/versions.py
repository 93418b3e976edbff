"""
From a decision to referrals: what is new, what replaces what, what is taken back, what is only a sighting.

A version is never rewritten: a correction replaces (``update``) or takes back
(``withdrawn``) what an earlier version said, and what went out as urgent is
not lowered behind an agency's back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from contracts.vocabulary import Action, Priority
from services.router.asking import REVIEW, lane_kind
from services.router.decision import Decision, Destination
from services.router.following.groups import count, is_news, judge, lane_of, related, stands_beside, told_by
from services.router.following.referrals import Step, Words
from services.router.following.rows import GroupRow, Lead, Sent, Shelf, TipRow


class Cause(StrEnum):
    """Why a tip is decided."""

    NEW = "new"
    REVISION = "revision"
    MOVED = "moved"
    ANSWER = "answer"
    """An agency refused, was removed, investigates or did not answer in time."""
    PERSON = "person"
    TIME = "time"


TOLD_AGAIN = frozenset({Cause.REVISION, Cause.MOVED, Cause.PERSON})
"""Causes that change what agencies should know; after the others, who has the tip keeps what it has."""

CORRECTED = (("correction", "no longer asked for after a correction"),)
OTHERS_STAND = (("correction", "its first sender took it back; other senders told of the same"),)


@dataclass(slots=True)
class Plan:
    """Everything that one version writes."""

    steps: list[Step] = field(default_factory=list)
    sightings: list[str] = field(default_factory=list)
    """Lead referrals that this tip is a sighting of."""
    superseded: list[str] = field(default_factory=list)
    """Earlier referrals that are replaced or taken back."""


class Planner:
    """Plans one version of one tip."""

    def __init__(self, words: Words, row: TipRow, group: GroupRow, shelf: Shelf, cause: Cause) -> None:
        self.words, self.row, self.group, self.shelf, self.cause = words, row, group, shelf, cause
        self.partner = words.located.received.partner
        self.plan = Plan()

    def make(self, decision: Decision, silent: Collection[str] = ()) -> Plan:
        """
        Plan *decision*.

        Args:
            decision: Where the tip must go now.
            silent: Agencies that know why it is not theirs any more; they get no withdrawal.
        """
        news = self._news(decision)
        for destination in decision.destinations:
            if destination.id != REVIEW:
                self._to(destination, news=news[lane_of(lane_kind(self.words.atlas, destination.id))])
        kept = {*decision.ids, *silent}
        for agency in [name for name, sent in self.row.sent.items() if sent.live and name not in kept]:
            self._take_back(agency, self.row.sent[agency])
        self.row.sighted = {agency: lead for agency, lead in self.row.sighted.items() if agency in decision.ids}
        return self.plan

    def _news(self, decision: Decision) -> dict[str, bool]:
        located, group = self.words.located, self.group.group
        lanes: dict[str, bool] = {}
        for lane in ("c", "p"):
            lanes[lane] = is_news(self.shelf, group, lane, list(told_by(located, decision, lane)))
        return lanes

    def _to(self, destination: Destination, *, news: bool) -> None:
        sent = self.row.sent.get(destination.id)
        if sent is not None and sent.live:
            self._again(destination, sent)
            return
        standing = judge(self.group, destination, news=news, partner=self.partner)
        if standing.lead is not None and standing.as_what == "sighting":
            self._sighting(destination, standing.lead)
            return
        rid = self._send(destination, Action.NEW)
        if standing.lead is None:
            self.group.leads[destination.id] = Lead(rid, self.row.tip, destination.priority, partners=[self.partner])
        else:
            standing.lead.priority = min(Priority(standing.lead.priority), destination.priority)
            stands_beside(standing.lead, self.partner)

    def _again(self, destination: Destination, sent: Sent) -> None:
        """The agency has an earlier version: it is told again only where something changed for it."""
        before = Priority(sent.priority)
        if before.urgent and destination.priority > before and self.cause is not Cause.PERSON:
            destination = replace(destination, priority=before)
        if self.cause not in TOLD_AGAIN and destination.priority >= before:
            return
        old = sent.referral
        rid = self._send(destination, Action.UPDATE, replaces=old)
        self.plan.superseded.append(old)
        lead = self.group.leads.get(destination.id)
        if lead is not None and lead.referral == old:
            lead.referral, lead.priority = rid, destination.priority

    def _sighting(self, destination: Destination, lead: Lead) -> None:
        self.plan.sightings.append(lead.referral)
        if self.row.sighted.get(destination.id) == lead.referral:
            return
        self.row.sighted[destination.id] = lead.referral
        # A group is as urgent as its most urgent member: whoever counts on hears that.
        level = min(Priority(lead.priority), destination.priority)
        lead.priority = level
        if count(lead, self.partner):
            raised = replace(destination, priority=level)
            self._write(raised, Action.SIGHTINGS, lead.referral, sightings=lead.count, via=lead.partners)

    def _take_back(self, agency: str, sent: Sent) -> None:
        lead = self.group.leads.get(agency)
        mine = lead is not None and lead.referral == sent.referral
        others = [name for name in lead.partners if name != self.partner] if lead and mine else []
        old = Destination(agency, (), CORRECTED, Priority(sent.priority), ())
        self.plan.superseded.append(sent.referral)
        if lead and others and self.cause is Cause.REVISION:
            rid = self._send(replace(old, why=OTHERS_STAND), Action.UPDATE, replaces=sent.referral, via=others)
            lead.referral, lead.partners = rid, others
            return
        if mine:
            del self.group.leads[agency]
        self._write(old, Action.WITHDRAWN, sent.referral)
        sent.state = "withdrawn"

    def _send(self, to: Destination, action: Action, *, replaces: str | None = None, via: Sequence[str] = ()) -> str:
        lead = self.group.leads.get(to.id)
        sightings = lead.count if lead and lead.referral == replaces else 1
        rid = str(self.words.referral(to.id))
        self._write(to, action, replaces, sightings=sightings, via=via)
        self.row.sent[to.id] = Sent(rid, self.words.version, to.priority)
        self.row.sighted.pop(to.id, None)
        return rid

    def _write(
        self, to: Destination, action: Action, replaces: str | None, *, sightings: int = 1, via: Sequence[str] = ()
    ) -> None:
        beside = related(self.group, to.id, replaces or "") if action is Action.NEW else ()
        self.plan.steps.append(Step(to, action, self.words.referral(to.id), replaces, beside, sightings, tuple(via)))
