"""
The notifier's hop: routed referrals, checked receipts, timers and ends of attempts in; what follows from them out.

One task holds everything about an agency (all its topics are keyed by agency
id). The topic feed is written in the hop's own transaction; a webhook is called
after the commit, at least once, always with the same id.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from contracts import telemetry
from contracts.events import ReferralRouted
from contracts.headers import TRACEPARENT, VIDARE_ACCEPTED_AT
from contracts.onboarding import Agency
from contracts.referral import ReceiptChecked
from contracts.topics import RECEIPTS_CHECKED, ROUTED, URGENT
from contracts.vocabulary import Action
from services.chassis.codec import partition_of
from services.chassis.hop import (
    Effect,
    Effects,
    Input,
    Lane,
    Outcome,
    Record,
    TaskSpec,
    Told,
    View,
    same_partition_topics,
)
from services.chassis.telemetry_port import Level
from services.notifier import decision, unreachable
from services.notifier.answers import answered
from services.notifier.applying import apply, release
from services.notifier.attempt import AttemptEnd, ask, read_key
from services.notifier.change import FOLLOW, FORGET, LADDER, RETRY
from services.notifier.channels import topic
from services.notifier.decision import Ended
from services.notifier.delivery import Came, Delivery, Push, begin, feeds
from services.notifier.draft import LANE, Draft, document_key, row_key
from services.notifier.lane import LANE_TIMER, pump
from services.notifier.levels import levels
from services.notifier.onboarded import Onboarded
from services.notifier.order import Lane as AgencyLane
from services.notifier.parse import receipt_checked, referral_routed
from services.notifier.receipts import check
from services.notifier.render import render
from services.notifier.verdicts import Verdict, of_end, reason
from services.notifier.wording import queued, unknown

LANES = (Lane(ROUTED + URGENT, urgent=True), Lane(ROUTED), Lane(RECEIPTS_CHECKED))
CHANGELOG = "changelog-notifier"


class NotifierHop:
    """The `Hop` of the notifier."""

    name = "notifier"
    untrusted = False
    version = "1"

    def __init__(self, agencies: Onboarded, *, partitions: int, proofs: str, effects: Effects | None = None) -> None:
        """
        Wire the hop.

        Args:
            agencies: Who receives.
            partitions: Of the three input topics and the changelog.
            proofs: Address of the custody service, for the pointer in each document.
            effects: What calls webhooks.
        """
        self.effects = effects
        self._agencies = agencies
        self._partitions = partitions
        self._proofs = proofs

    def tasks(self) -> Sequence[TaskSpec]:
        """Task *i* is partition *i* of every input."""
        return same_partition_topics(LANES, self._partitions, changelog=CHANGELOG)

    def decide(self, given: Input, view: View) -> Outcome:
        """Decide on a referral, a receipt, a timer or the end of an attempt."""
        draft = Draft(view, given.now)
        if given.record is not None and given.record.topic == RECEIPTS_CHECKED:
            self._receipt(draft, receipt_checked(given.record.value))
        elif given.record is not None:
            self._routed(draft, referral_routed(given.record.value), _came(given.record))
        elif given.timer is not None:
            self._timer(draft, given.timer.key)
        elif given.told is not None:
            self._told(draft, given.told)
        return draft.outcome

    def levels(self, view: View, task: str, now: datetime) -> Iterator[Level]:
        """How much waits for each agency of *task*, and whether it takes anything."""
        ours = [agency for agency in self._agencies.records if str(partition_of(agency, self._partitions)) == task]
        return levels(view, ours, now)

    def resume(self, view: View) -> list[Effect]:
        """Attempts that were under way when the task last stopped: the same ids again, nobody knows how they ended."""
        found = []
        for key, raw in view.scan(LANE, limit=100_000):
            agency = key.removeprefix(LANE)
            for referral in AgencyLane.model_validate_json(raw).sending:
                row = view.get(row_key(agency, referral))
                if row is not None:
                    found.append(
                        ask(Delivery.model_validate_json(row), view.get(document_key(agency, referral)) or b"")
                    )
        return found

    def _routed(self, draft: Draft, event: ReferralRouted, came: Came) -> None:
        agency = self._agencies.reachable(event.destination)
        repeat = draft.row(event.destination, event.referral_id) is not None or unreachable.knows(draft, event)
        draft.enter(queued(event, agency, repeat=repeat))
        _tell(draft, event.tip_id, event.destination, event.referral_id)
        draft.outcome.attributes |= {telemetry.PRIORITY: event.priority.value, telemetry.VERSION: event.version}
        if repeat:
            return
        if agency is None:
            unreachable.keep(draft, event)
            return
        self._take(draft, event, agency, came)

    def _take(self, draft: Draft, event: ReferralRouted, agency: Agency, came: Came | None = None) -> None:
        if event.replaces is not None and event.action in (Action.UPDATE, Action.WITHDRAWN):
            earlier = draft.row(agency.id, event.replaces)
            if earlier is not None:
                apply(draft, earlier, decision.superseded(earlier, event.action, draft.now))
        document = render(event, agency, proof=f"{self._proofs}/v1/tips/{event.tip_id}")
        row = begin(event, agency, draft.now, document=document, came=came)
        if row.push is not Push.NONE:
            draft.put(document_key(agency.id, row.referral_id), document)
        if feeds(agency):
            draft.emit(topic.feed(agency.id, row.referral_id, document, tip=row.tip_id))
        apply(draft, None, decision.taken(row, fed=feeds(agency), now=draft.now))
        pump(draft, agency, draft.lane(agency.id))

    def _receipt(self, draft: Draft, checked: ReceiptChecked) -> None:
        row = draft.row(checked.agency, checked.receipt.referral_id)
        if row is not None:
            self._answer(draft, row, checked)
            return
        draft.outcome.attributes |= _receipt(checked)
        draft.enter(unknown(checked))

    def _answer(self, draft: Draft, row: Delivery, checked: ReceiptChecked) -> None:
        _tell(draft, row.tip_id, row.agency, row.referral_id, row.trace)
        draft.outcome.attributes |= _receipt(checked)
        change = answered(row, checked.receipt, draft.now)
        apply(draft, row, change, actor=f"agency:{row.agency}")

    def _timer(self, draft: Draft, key: str) -> None:
        name, _, rest = key.partition("/")
        agency_id, _, referral = rest.partition("/")
        agency = self._agencies.reachable(agency_id)
        draft.outcome.attributes[telemetry.AGENCY] = agency_id
        if name == LANE_TIMER:
            lane = draft.lane(agency_id).model_copy(update={"wake": None})
            draft.save_lane(agency_id, lane)
        elif name == unreachable.REVIVE:
            self._revive(draft, agency_id, UUID(referral))
        else:
            self._row_timer(draft, name, agency, draft.row(agency_id, UUID(referral)))
        if agency is not None:
            pump(draft, agency, draft.lane(agency_id))

    def _row_timer(self, draft: Draft, name: str, agency: Agency | None, row: Delivery | None) -> None:
        if row is None:
            return
        _tell(draft, row.tip_id, row.agency, row.referral_id, row.trace)
        if name == FORGET:
            draft.put(row_key(row.agency, row.referral_id), None)
        elif agency is None:
            apply(draft, row, decision.removed(row, draft.now))
        elif name == RETRY:
            apply(draft, row, decision.due(row))
        elif name == LADDER:
            apply(draft, row, decision.climbed(row))
        elif name == FOLLOW:
            apply(draft, row, decision.followed_up(row, draft.now))

    def _revive(self, draft: Draft, agency_id: str, referral: UUID) -> None:
        event = unreachable.kept(draft, agency_id, referral)
        agency = self._agencies.reachable(agency_id)
        if event is None:
            return
        _tell(draft, event.tip_id, agency_id, referral)
        if agency is None:
            unreachable.wait(draft, agency_id, referral)
        else:
            unreachable.release(draft, agency_id, referral)
            self._take(draft, event, agency)

    def _told(self, draft: Draft, told: Told) -> None:
        agency_id, referral, tries = read_key(told.key)
        lane, row = draft.lane(agency_id), draft.row(agency_id, referral)
        if referral not in lane.sending or (row is not None and row.tries != tries):
            return
        if row is None:
            draft.save_lane(agency_id, lane.ended(referral, lane.breaker))
            return
        end = AttemptEnd.model_validate_json(told.body)
        verdict = of_end(end.status, end.fault)
        lane = self._ended(draft, row, lane, end)
        draft.save_lane(agency_id, lane)
        _tell(draft, row.tip_id, agency_id, referral, row.trace)
        draft.outcome.attributes |= {
            telemetry.ATTEMPT: tries,
            telemetry.CHANNEL: "webhook",
            telemetry.BREAKER: lane.breaker.state(draft.now),
        }
        if verdict is Verdict.DELIVERED:
            self._answer_of(draft, agency_id, referral, end)
            release(draft, agency_id)
        agency = self._agencies.reachable(agency_id)
        if agency is not None:
            pump(draft, agency, lane)

    def _ended(self, draft: Draft, row: Delivery, lane: AgencyLane, end: AttemptEnd) -> AgencyLane:
        verdict = of_end(end.status, end.fault)
        asked = timedelta(seconds=end.retry_after_s) if end.retry_after_s else None
        ended = Ended(verdict, reason(end.status, end.fault), counts=lane.breaker.closed, asked=asked)
        apply(draft, row, decision.attempted(row, ended, draft.now))
        if verdict is Verdict.DELIVERED:
            return lane.ended(row.referral_id, lane.breaker.succeeded())
        broken = lane.breaker.gone(draft.now) if verdict is Verdict.GONE else lane.breaker.failed(draft.now)
        return lane.ended(row.referral_id, broken)

    def _answer_of(self, draft: Draft, agency: str, referral: UUID, end: AttemptEnd) -> None:
        """A receipt in the answer counts, for the referral that was sent and no other; anything else says nothing."""
        checked = check(end.answer.encode() if end.answer else None, agency=agency, received_at=draft.now)
        row = draft.row(agency, referral)
        if isinstance(checked, ReceiptChecked) and checked.receipt.referral_id == referral and row is not None:
            self._answer(draft, row, checked)


def _came(record: Record) -> Came:
    found = (record.header(name) for name in (TRACEPARENT, VIDARE_ACCEPTED_AT))
    return Came(*(value.decode("ascii", "replace") if value else None for value in found))


def _receipt(checked: ReceiptChecked) -> dict[str, str]:
    return {telemetry.AGENCY: checked.agency, telemetry.RECEIPT: checked.receipt.status.value}


def _tell(draft: Draft, tip: UUID, agency: str, referral: UUID, trace: str | None = None) -> None:
    draft.outcome.tip = str(tip)
    draft.outcome.traceparent = trace
    draft.outcome.attributes |= {telemetry.TIP: str(tip), telemetry.AGENCY: agency, telemetry.REFERRAL: str(referral)}
