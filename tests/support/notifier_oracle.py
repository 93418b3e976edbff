"""
What must hold of the notifier at every moment, told from what comes out of it alone.

It knows the hop by its outcomes and nothing of its store.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from contracts.events import ReferralRouted
from contracts.onboarding import Agency
from contracts.vocabulary import Action
from services.chassis.hop import Effect, Emit, Outcome, Record
from services.notifier.delivering.attempt import AttemptEnd, read_body
from tests.support import notifier_desks, notifier_duties
from tests.support.notifier_cases import (
    AGAIN,
    ENTERED,
    FOLLOW_UPS,
    HOUR,
    LADDER,
    MINUTE,
    Case,
    Desk,
    Ended,
    Way,
    agency_of,
    fits,
    joining,
    moment,
    pushed,
)
from tests.support.notifier_desks import SETTLED
from tests.support.notifier_feeds import Feeds
from tests.support.notifier_listings import Listings
from tests.support.notifier_sim import NEVER, SECOND, Machine, referral_of

LONGEST_PARKED = 24 * HOUR
"""What is parked is offered again this often."""
RELEASED = 20
"""So many of those that parked after their last attempt go with the first success."""


class Oracle:
    """Looks on, and writes down what is wrong."""

    def __init__(self, onboarded: Mapping[str, Agency]) -> None:
        self.onboarded = onboarded
        """Every agency, those that are removed for a while included."""
        self.wrong: list[str] = []
        self.cases: dict[str, Case] = {}
        self.desks: dict[str, Desk] = {}
        self.ends = self.attempts = self.repeats = self.exhausted = 0
        self._feeds, self._listings = Feeds(), Listings()
        self._since = 0
        """When the process was last started, in time that really passes."""
        self._replaced: set[str] = set()
        self._bytes: dict[tuple[str, str], int] = {}
        self._given: ReferralRouted | None = None
        self._told: Ended | None = None
        self._arrived: Case | None = None
        self._jumped_at = -NEVER
        self._behind = False
        """The attempt that has ended was made while its lane's breaker was open."""

    # --- what the machine tells -------------------------------------------------------------------------------------

    def given(self, machine: Machine, record: Record) -> None:  # noqa: ARG002 - the port
        """Remember which referral is decided on."""
        if record.topic.startswith("referrals-routed"):
            self._given = ReferralRouted.model_validate_json(record.value or b"")

    def ended(self, machine: Machine, effect: Effect, end: AttemptEnd, asked: float | None) -> None:  # noqa: ARG002
        """Remember what the hop is about to be told."""
        good = end.fault is None and (200 <= (end.status or 0) < 300 or 250 <= (end.reply or 0) <= 252)
        self._told = Ended(effect, good=good, gone=end.status == 410, asked=asked)

    def resumed(self, machine: Machine, effects: list[Effect]) -> None:
        """A new process does again what was under way, and nothing else."""
        self._given = self._told = None
        self._since = machine.true
        for case in self.cases.values():
            if case.event.destination not in machine.agencies:
                case.left, case.back = True, NEVER
            elif case.back == NEVER:
                case.back = machine.wall
        for name, desk in self.desks.items():
            again = {effect.key for effect in effects if effect.lane == name}
            if again != set(desk.running):
                self._say(machine, f"{name}: resumed {sorted(again)}, under way were {sorted(desk.running)}")
        for effect in effects:
            self._same_bytes(machine, effect)

    def jumped(self, machine: Machine, by: int) -> None:
        """The wall clock was moved: what was measured by it counts no more."""
        self._jumped_at = machine.true
        for case in self.cases.values():
            for way in case.ways.values():
                way.ready -= by if way.ready > machine.true else 0
                if way.not_before <= machine.wall - by:
                    way.not_before = -NEVER  # its time had come by the clock of then: it may wait in the queue since
        for desk in self.desks.values():
            desk.last_start = desk.gone_until = -NEVER
            desk.starts.clear()

    def committed(self, machine: Machine, outcome: Outcome) -> None:
        """Everything that one decision led to."""
        self._arrived = None
        if self._given is not None:
            self._take(machine, self._given, outcome)
            self._given = None
        if self._told is not None:
            self._end(machine, self._told)
        self._revived(machine, outcome)
        for emit in outcome.events:
            self._event(machine, emit)
        if self._told is not None:
            self._joins(machine, self._told, outcome)
        for effect in outcome.effects:
            self._started(machine, effect)
        self._entered(machine, outcome)
        self._at_once(machine)
        self._told = None

    # --- what it makes of it ----------------------------------------------------------------------------------------

    def _end(self, machine: Machine, told: Ended) -> None:
        """Count what ended; a success lets exhausted ones go."""
        notice = read_body(told.effect.body)[0].notice
        self.ends += len(notice.lines) if notice is not None else 1
        self._behind = self._desk(told.effect).shut
        notifier_desks.over(machine, self._desk(told.effect), told)
        exhausted = [way for way in self._ways(told.effect.lane) if told.good and way.exhausted]
        for way in exhausted:
            way.not_before = -NEVER
            way.ready = min(way.ready, machine.true) if len(exhausted) <= RELEASED else way.ready

    def _revived(self, machine: Machine, outcome: Outcome) -> None:
        """A referral that was kept aside is taken when it gets a clock."""
        timed = (timer.key for timer in outcome.timers if not timer.key.startswith("revive/"))
        begun = (effect.key.rpartition("/")[0] for effect in outcome.effects)
        for each in (*(key.rpartition("/")[2] for key in timed), *(key.rpartition("/")[2] for key in begun)):
            case = self.cases.get(each)
            if case is not None and case.absent:
                case.absent, case.began = False, machine.wall
                self._join(machine, case, list(case.ways))

    def _take(self, machine: Machine, event: ReferralRouted, outcome: Outcome) -> None:
        queued = [entry for entry in outcome.entries if entry.kind == "hop.queued"]
        if len(queued) != 1:
            self._say(machine, f"{event.referral_id}: {len(queued)} entries say that it came")
        if str(event.referral_id) in self.cases:
            self.repeats += 1
            if [each for each in outcome.events if each.topic.startswith("referrals-agency-")] or outcome.effects:
                self._say(machine, f"{event.referral_id}: a repeat was sent")
            return
        agency = machine.agencies.get(event.destination)
        case = self.cases[str(event.referral_id)] = Case(event, machine.wall)
        case.absent = case.left = agency is None
        case.back = NEVER if agency is None else -NEVER
        self._join(machine, case, pushed(self.onboarded[event.destination])[:1])
        if event.replaces is not None and event.action is not Action.SIGHTINGS:
            self._replaced.add(str(event.replaces))
            if str(event.replaces) in self.cases:
                self.cases[str(event.replaces)].superseded = True
        case.superseded = str(event.referral_id) in self._replaced
        self._arrived = case if agency is not None and not case.superseded else None

    def _join(self, machine: Machine, case: Case, channels: list[str]) -> None:
        agency = self.onboarded[case.event.destination]
        for name in channels:
            case.ways[name] = joining(case, agency, name, true=machine.true, now=machine.now)

    def _event(self, machine: Machine, emit: Emit) -> None:
        if emit.topic == "deliveries":
            self._delivery(machine, orjson.loads(emit.body))
        elif emit.topic == "outcomes":
            row = orjson.loads(emit.body)
            case = self.cases[row["referral_id"]]
            case.told.append(row["what"])
            if sum(word in ("expired", "agency_removed") for word in case.told) > 1:
                self._say(machine, f"{emit.key}: a third destination is asked for: {case.told}")
        elif emit.topic.startswith("referrals-agency-"):
            self._fed(machine, self.cases[emit.key])
            self._all(machine, self._feeds.fed(emit.topic.removeprefix("referrals-agency-"), emit))

    def _fed(self, machine: Machine, case: Case) -> None:
        case.fed += 1
        if case.fed > 1:
            self._say(machine, f"{case.event.referral_id}: twice in the feed")
        if case.superseded:
            self._say(machine, f"{case.event.referral_id}: fed although a later version has taken its place")

    def _delivery(self, machine: Machine, row: dict[str, Any]) -> None:
        case, what = self.cases[row["referral_id"]], row["what"]
        if what in ("acknowledged", "nacked", "withdrawn", "closed"):
            case.done_at = case.done_at if case.done_at is not None else machine.wall
            case.answered = case.answered or what != "withdrawn"
        if what in ("attempted", "parked"):
            way = case.ways.get(row.get("channel", ""), Way())
            (self._attempted if what == "attempted" else self._parked)(machine, case, way, row)
        elif what == "delivered":
            case.delivered += 1
            if case.delivered > 1:
                self._say(machine, f"{case.event.referral_id}: delivered twice")
        elif what in ("escalated", "expired"):
            self._climbed(machine, case, row)
        elif what == "acknowledged":
            case.acknowledged, case.asked_again, case.awaited = machine.wall, False, False
        elif what in ("nacked", "withdrawn", "closed"):
            case.over = True
        elif what == "actioned":
            case.followed = False

    def _parked(self, machine: Machine, case: Case, way: Way, row: dict[str, Any]) -> None:
        case.overloaded = case.overloaded or row["reason"] == "overload"
        if "channel" not in row:
            return  # an agency without room that nothing is pushed to, or to which all is on its way
        way.exhausted = row["reason"] == "exhausted"
        self.exhausted += way.exhausted
        way.not_before = moment(row["next_at"])
        way.ready = machine.true + way.not_before - machine.wall
        if not machine.wall < way.not_before <= machine.wall + LONGEST_PARKED:
            self._say(machine, f"{case.event.referral_id}: parked for {(way.not_before - machine.wall) / HOUR} h")

    def _attempted(self, machine: Machine, case: Case, way: Way, row: dict[str, Any]) -> None:
        self.attempts += 1
        way.exhausted, way.not_before, way.ready = False, -NEVER, machine.true
        way.failed = {0} if self._told is not None and self._told.good else way.failed
        if "next_at" not in row or way.gathers:
            return
        delay = moment(row["next_at"]) - machine.wall
        if self._behind:
            self._say(machine, f"{case.event.referral_id}: counted behind an open breaker")
        way.not_before, way.ready = machine.wall + delay, machine.true + delay
        asked = self._told.asked if self._told is not None else None
        counts = {count + 1 for count in way.failed}
        way.failed = {count for count in counts if fits(count, delay, asked)}
        if not way.failed:
            self._say(machine, f"{case.event.referral_id}: wait {counts} is {delay / SECOND} s, agency asked {asked}")
            way.failed = {1}

    def _climbed(self, machine: Machine, case: Case, row: dict[str, Any]) -> None:
        word = row.get("reason", row["what"])
        if word == "next_channel":
            self._join(machine, case, [row["channel"]])
            return
        if word.startswith("follow_up"):
            table, done, since = FOLLOW_UPS, case.follow_ups, case.acknowledged or 0
            case.follow_ups += 1
        else:
            table, done, since = LADDER[case.event.priority.value], case.rungs, case.began
            case.rungs += 1
        if done >= len(table) or table[done][1] != word or machine.wall < since + table[done][0] - SECOND:
            self._say(
                machine, f"{case.event.referral_id}: rung {done} is {word} after {(machine.wall - since) / HOUR} h"
            )
        if word.startswith("follow_up") or word in AGAIN:
            case.asked_again = case.awaited = True
            for way in case.ways.values():
                way.failed, way.not_before, way.exhausted = {*way.failed, 0}, -NEVER, False
                way.ready = machine.true

    def _joins(self, machine: Machine, told: Ended, outcome: Outcome) -> None:
        """The decision that hears of an attempt's end brings in the next channel, or tells that the agency is gone."""
        rows = _rows(outcome, "deliveries")
        for each in {row["referral_id"] for row in rows}:
            case, mine = self.cases[each], [row for row in rows if row["referral_id"] == each]
            agency = self.onboarded[case.event.destination]
            if agency.id in machine.agencies:
                self._all(machine, notifier_duties.joins(case, agency, self._desk(told.effect), mine))
            elif not any(each in key for lane in self.desks.values() for key in lane.running):
                self._all(machine, notifier_duties.passed_on(case), case)

    def _started(self, machine: Machine, effect: Effect) -> None:
        desk, case = self._desk(effect), self.cases.get(str(referral_of(effect)))
        agency = self.onboarded[agency_of(effect.lane)]
        fresh = case is not None and not case.ways[effect.kind].tries
        urgent = case is not None and case.urgent
        if agency.id not in machine.agencies:
            self._say(machine, f"{effect.key}: sent although its agency is not onboarded")
        self._all(machine, notifier_desks.bounds(machine, desk, agency, urgent=urgent))
        self._all(machine, notifier_desks.probing(machine, desk, effect.lane, fresh=fresh and urgent))
        if case is None:
            punctual = self._jumped_at == -NEVER and not any(each.left for each in self._of(effect.lane))
            self._all(machine, self._listings.sent(effect, self.cases, punctual=punctual))
        else:
            self._one(machine, case, desk, effect)
        self._same_bytes(machine, effect)
        desk.running[effect.key] = effect
        desk.last_start = desk.last_start if fresh else machine.wall
        if case is not None:
            case.ways[effect.kind].tries += 1
            case.awaited = False

    def _one(self, machine: Machine, case: Case, desk: Desk, effect: Effect) -> None:
        """An attempt to send one referral."""
        way, rate = case.ways[effect.kind], self.onboarded[case.event.destination].rate_per_minute
        self._may_go(machine, case, effect)
        self._all(machine, notifier_desks.in_turn(machine, case, effect, self._of(effect.lane)))
        self._all(machine, self._feeds.sent(effect, str(case.event.referral_id)))
        self._all(machine, self._listings.alone(case, effect))
        if machine.true > self._jumped_at + SETTLED and not way.gathers:
            self._all(machine, notifier_desks.idle(machine, desk, way, self._since, rate), case)

    def _may_go(self, machine: Machine, case: Case, effect: Effect) -> None:
        name, way = case.event.referral_id, case.ways[effect.kind]
        if machine.wall < way.not_before:
            self._say(machine, f"{name}: an attempt before its time")
        if case.superseded or case.over:
            self._say(machine, f"{name}: sent although it is over")
        if case.acknowledged is not None and not case.asked_again:
            self._say(machine, f"{name}: sent although it was acknowledged")

    def _at_once(self, machine: Machine) -> None:
        """A fresh urgent referral is sent in the decision that took it, where one more may be under way."""
        case = self._arrived
        if case is None or not case.urgent or any(way.tries for way in case.ways.values()):
            return
        agency = machine.agencies[case.event.destination]
        if self._jumped_at > -NEVER and agency.rate_per_minute < 600:
            return  # the same minute is passed a second time, and its rate may be used up: seconds, no stall
        if machine.true < self._jumped_at + MINUTE:
            return  # the rate of the minute before is not known here
        if any(each.urgent and not each.over for each in self._of(agency.id) if each is not case):
            return
        for channel in case.ways:
            desk = self.desks.setdefault(agency.id + ("~email" if channel == "email" else ""), Desk())
            self._all(machine, notifier_desks.waiting(machine, desk, agency), case)

    def _same_bytes(self, machine: Machine, effect: Effect) -> None:
        each, digest = str(referral_of(effect)), hash(effect.body)
        if effect.kind == "webhook" and not read_body(effect.body)[1]:
            return  # the document is gone: nothing is sent
        if self._bytes.setdefault((each, effect.kind), digest) != digest:
            self._say(machine, f"{each}: other bytes under the same id")

    def _entered(self, machine: Machine, outcome: Outcome) -> None:
        """Every word of ``deliveries`` that is a step has its custody entry, in the same transaction."""
        said = [row["what"] for row in _rows(outcome, "deliveries") if row["what"] in ENTERED]
        entered = [entry.tally.get("what", entry.tally.get("reason")) for entry in outcome.entries]
        for what in said:
            if what not in entered and not (what == "parked" and "recipient_removed" in entered):
                self._say(machine, f"{what} is in deliveries and not in the custody log")

    # --- what holds at rest -----------------------------------------------------------------------------------------

    def rest(self, machine: Machine) -> None:
        """Nothing is discarded: who is open is under way, has a time of its own, or waits in a lane that moves."""
        moving = {agency_of(name) for name, desk in self.desks.items() if desk.running} | {
            agency_of(key.split("/")[1]) for key in machine.timers if key.startswith(("lane/", "departure/"))
        }
        timed = {key.split("/")[2] for key in machine.timers if key.count("/") == 2}
        for name, case in self.cases.items():
            handed_on = case.delivered and {"expired", "agency_removed"} & set(case.told)
            watched = case.event.destination in moving or handed_on or {name, self._listings.digest(name)} & timed
            if case.open and not watched and not (case.notice and case.delivered):
                self._say(machine, f"{name}: nobody will ever look at it again")
            agency = self.onboarded[case.event.destination]
            self._all(machine, notifier_duties.owed(machine, case, agency, since=self._since), case)
            if self._jumped_at == -NEVER:
                self._all(machine, self._listings.owed(machine, case, agency), case)

    def finished(self, machine: Machine) -> None:
        """Everything has recovered: every referral that still counts has been delivered, and all ends are told."""
        self.rest(machine)
        for name, case in self.cases.items():
            if case.awaited and case.acknowledged is not None and case.followed and case.ways and not case.over:
                self._say(machine, f"{name}: follow-up {case.follow_ups} was noted and never sent")
            if case.open and not case.delivered:
                self._say(machine, f"{name}: not delivered after {case.ways}, told {case.told}")
        self._all(machine, self._feeds.finished(self.onboarded, list(self.cases.values())))
        if self.ends != self.attempts:
            self._say(machine, f"{self.ends} attempts ended, {self.attempts} are recorded")

    def _desk(self, effect: Effect) -> Desk:
        return self.desks.setdefault(effect.lane, Desk())

    def _of(self, agency: str) -> list[Case]:
        return [case for case in self.cases.values() if case.event.destination == agency_of(agency)]

    def _ways(self, lane: str) -> list[Way]:
        channel = "email" if lane.endswith("~email") else "webhook"
        return [case.ways[channel] for case in self._of(lane) if channel in case.ways]

    def _all(self, machine: Machine, found: Iterable[str], case: Case | None = None) -> None:
        for each in found:
            self._say(machine, f"{case.event.referral_id}: {each}" if case is not None else each)

    def _say(self, machine: Machine, what: str) -> None:
        self.wrong.append(f"{machine.true / SECOND:.3f} s, wall {machine.wall / SECOND:.3f} s: {what}")


def _rows(outcome: Outcome, topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(emit.body) for emit in outcome.events if emit.topic == topic]
