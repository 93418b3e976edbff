"""
One turn: a tip is decided (anew), and everything that follows is written into one outcome.

Records, answers, timers and people all end here, so that a decision looks the
same whatever caused it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from contracts import telemetry, topics
from contracts.events import TipLocated
from contracts.vocabulary import EntryKind, Priority
from services.chassis.hop import Emit, Entry, Outcome, Timer
from services.router.asking import REVIEW
from services.router.decision import BY_NO_RULE, Decision, Destination, World, route
from services.router.facts import NEW, History
from services.router.following import later
from services.router.following.groups import several_sources
from services.router.following.referrals import Step, Words, review_id
from services.router.following.rows import GroupRow, Shelf, TipRow, history_of, remember
from services.router.following.sampling import QA_SAMPLE, sampled
from services.router.following.versions import Cause, Plan, Planner
from services.router.geography import regions

FORGET_AFTER = timedelta(days=90)
AGE_AFTER = timedelta(days=30)
SETTLE_AFTER = timedelta(hours=4)
FORGET, AGE, SETTLE = "forget/", "age/", "settle/"


@dataclass(slots=True)
class Turn:
    """What one decision works on."""

    world: World
    shelf: Shelf
    now: datetime
    outcome: Outcome

    def take(self, located: TipLocated, row: TipRow, *, cause: Cause, silent: Collection[str] = ()) -> Decision:
        """Decide *located* in the light of its row's history and write what follows."""
        tip = located.received
        group = self.shelf.group(tip.group_id)
        history = self._history(located, row, group, cause)
        decision = route(located, self.world, history, now=self.now)
        row.version += 1
        words = Words(located, decision, row.version, world=self.world, now=self.now)
        plan = Planner(words, row, group, self.shelf, cause).make(decision, silent)
        decision = self._share_out(decision, plan, row)
        words.decision = decision
        self._ask_person(words, row, cause)
        self._write(words, plan, row, cause)
        later.plan(self, words, decision, row, group)
        self._clocks(decision, plan, row, group)
        self._keep(decision, row, group, history)
        return decision

    def emit(self, words: Words, step: Step) -> None:
        """Write one referral into the lane that its priority asks for."""
        lane = topics.ROUTED + (topics.URGENT if step.destination.priority.urgent else "")
        body = words.routed(step)
        self.outcome.events.append(
            Emit(lane, step.destination.id, "referral-routed/1", body, tip=words.tip, expects_entry=True)
        )

    def timer(self, key: str, after: timedelta, body: bytes = b"") -> None:
        """Set a clock."""
        self.outcome.timers.append(Timer(key, self.now + after, body))

    def _history(self, located: TipLocated, row: TipRow, group: GroupRow, cause: Cause) -> History:
        """The tip's history with what only its group knows."""
        history = history_of(row)
        fresh = cause in (Cause.NEW, Cause.REVISION)
        if fresh:
            others = several_sources(group, located.received.partner, self.now)
            revealed = row.edge and any(verdict.country for verdict in located.jurisdiction.hosting)
            if others or revealed or history is not NEW:
                history = replace(
                    history,
                    codes=("N1",) if others else (),
                    event="origin_revealed" if revealed else "none",
                    # New facts: what a person said of the old ones is asked again.
                    decided=False,
                    closed=False,
                    status=None,
                    level=None,
                    first_candidate=False,
                )
        if not history.excluded.issuperset(group.excluded):
            history = replace(history, excluded=history.excluded | set(group.excluded))
        return history

    def _share_out(self, decision: Decision, plan: Plan, row: TipRow) -> Decision:
        """Give routine tips without a known region to the region that is furthest behind (R38)."""
        home = self.world.atlas.police_home
        record = self.world.atlas.agencies.get(home)
        at = next((n for n, step in enumerate(plan.steps) if step.destination.id == home), None)
        if record is None or at is None or plan.steps[at].destination.region is None or decision.facts.region_known:
            return decision
        if row.region is None:
            shares = self.shelf.shares(home)
            row.region = regions.furthest_behind(shares, record.regions)
            self.shelf.keep_shares(home, {**shares, row.region or "": shares.get(row.region or "", 0) + 1})

        def placed(to: Destination) -> Destination:
            return replace(to, region=row.region) if to.id == home else to

        plan.steps[at] = replace(plan.steps[at], destination=placed(plan.steps[at].destination))
        return replace(decision, destinations=tuple(map(placed, decision.destinations)))

    def _ask_person(self, words: Words, row: TipRow, cause: Cause) -> None:
        """Ask where the decision asks for a person, and of one in twenty tips that rules closed."""
        tip, px = words.located.received, words.decision.px
        asked = next((to for to in words.decision.destinations if to.id == REVIEW), None)
        fresh = cause in (Cause.NEW, Cause.REVISION)
        row.review, row.proposed = None, {}
        if asked is not None:
            self._ask(words, row, asked.rules, asked.priority)
        elif fresh and px is not None and px not in BY_NO_RULE and sampled(tip.tip_id):
            self._ask(words, row, (QA_SAMPLE,), Priority.P4)

    def _ask(self, words: Words, row: TipRow, reasons: Sequence[str], level: Priority) -> None:
        self._event(words, topics.REVIEWS, "review/1", words.asked(reasons, level))
        row.review = str(review_id(words.located.received.tip_id, row.version))

    def _write(self, words: Words, plan: Plan, row: TipRow, cause: Cause) -> None:
        """Referrals, the recorded decision, the sender's status and the custody entry."""
        tip, decision = words.located.received, words.decision
        for step in plan.steps:
            self.emit(words, step)
        self._event(words, topics.DECISIONS, "decision/1", words.decided(plan.sightings))
        status = Emit(
            topics.STATUS + tip.partner,
            tip.reference,
            "tip-status/1",
            words.status(),
            tip=words.tip,
            partition=0,
        )
        self.outcome.events.append(status)
        row.told = {
            "version": row.version,
            "px": decision.px,
            # A sampled tip has ended, whatever the sample finds.
            "review": row.review is not None and decision.px is None,
            "sighting": bool(plan.sightings),
        }
        referrals = [str(step.referral) for step in plan.steps]
        tally = {**row.told, "referrals": referrals, "superseded": plan.superseded}
        self.outcome.entries.append(
            Entry(EntryKind.HOP_ROUTED, words.tip, "which agencies must have the tip", _basis(words, cause), tally)
        )
        self.outcome.tip = words.tip
        self.outcome.attributes |= _attributes(words, row, sighting=bool(plan.sightings))

    def _event(self, words: Words, topic: str, type_: str, body: bytes) -> None:
        self.outcome.events.append(Emit(topic, words.located.received.group_id, type_, body, tip=words.tip))

    def _clocks(self, decision: Decision, plan: Plan, row: TipRow, group: GroupRow) -> None:
        self.timer(FORGET + group.group, FORGET_AFTER)
        if any(step.destination.priority is Priority.P4 for step in plan.steps):
            self.timer(AGE + row.tip, AGE_AFTER)
        if decision.candidate and row.review:
            self.timer(SETTLE + row.tip, SETTLE_AFTER)
        elif row.version > 1:
            self.outcome.cancels.append(SETTLE + row.tip)

    def _keep(self, decision: Decision, row: TipRow, group: GroupRow, history: History) -> None:
        """Write the rows; a tip that nobody will decide again keeps no body."""
        row.level = decision.priority
        row.edge = any(place.cdn for place in decision.facts.places)
        remember(row, history if history is NEW else replace(history, event="none", codes=(), look=None))
        self.shelf.keep_tip(row)
        self.shelf.keep_group(group)
        self.shelf.join(group.group, row.tip)
        waits = row.review or any(pending.tip == row.tip for pending in group.later.values())
        if not waits and not any(sent.live for sent in row.sent.values()):
            self.shelf.drop_body(row.tip)


def _basis(words: Words, cause: Cause) -> dict[str, Any]:
    """By what right each destination gets it: rules, rulebook, databases."""
    return {
        "cause": cause.value,
        "rulebook": words.decision_book,
        "geodata": dict(words.located.jurisdiction.builds),
        "asked": {to.id: list(to.rules) for to in words.decision.destinations},
        "suppressed": dict(words.decision.suppressed),
    }


def _attributes(words: Words, row: TipRow, *, sighting: bool) -> dict[str, str | int | float | bool | list[str]]:
    decision, tip = words.decision, words.located.received
    told: dict[str, str | int | float | bool | list[str]] = {
        telemetry.RULES: list(decision.rules),
        telemetry.RULEBOOK: words.decision_book.removeprefix("sha256:")[:12],
        telemetry.DESTINATIONS: list(decision.ids),
        telemetry.PRIORITY: decision.priority.value,
        telemetry.KIND: tip.facts.kind.value,
        telemetry.PARTNER: tip.partner,
        telemetry.REVISION: tip.revision,
        telemetry.VERSION: row.version,
        telemetry.REVIEW: row.review is not None,
        telemetry.SIGHTING: sighting,
    }
    return told | ({telemetry.PX: decision.px} if decision.px else {})


def repeat(row: TipRow, outcome: Outcome) -> None:
    """The same event again: nothing is written but the entry that it must have."""
    tally = {**row.told, "referrals": [], "superseded": []}
    outcome.entries.append(Entry(EntryKind.HOP_ROUTED, row.tip, "the same event again", {"repeat": True}, tally))
    outcome.tip = row.tip
