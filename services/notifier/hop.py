"""
The notifier's hop: routed referrals, checked receipts, timers and ends of attempts in; what follows from them out.

One task holds everything about an agency (all its topics are keyed by agency
id). The topic feed is written in the hop's own transaction; a webhook is called
and a mail is sent after the commit, at least once, always with the same id.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from contracts import telemetry
from contracts.events import ReferralRouted
from contracts.headers import TRACEPARENT, VIDARE_ACCEPTED_AT
from contracts.onboarding import Agency
from contracts.referral import ReceiptChecked
from contracts.topics import ORDERS, RECEIPTS_CHECKED, ROUTED, URGENT
from contracts.vocabulary import DeadReason
from services.chassis.codec import partition_of
from services.chassis.errors import Poison
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
from services.notifier import decision, ending, gathering, overtaking, removal, replay, unreachable
from services.notifier.answers import answered
from services.notifier.applying import apply, release
from services.notifier.attempt import AttemptEnd, Named, read_key
from services.notifier.change import FOLLOW, FORGET, LADDER, RETRY
from services.notifier.channels import topic
from services.notifier.contact import DEMO, Contact
from services.notifier.delivery import PUSHED, Came, Delivery, begin, feeds
from services.notifier.digest import DEPARTURE
from services.notifier.draft import Draft, document_key, row_key
from services.notifier.feed import numbered
from services.notifier.lane import LANE_TIMER, pump, under_way
from services.notifier.levels import levels
from services.notifier.obeying import Given, obey
from services.notifier.onboarded import Onboarded
from services.notifier.order import read_lane_name
from services.notifier.parse import agency_ordered, receipt_checked, referral_routed
from services.notifier.receipts import check
from services.notifier.render import render
from services.notifier.sealing import Sealer
from services.notifier.verdicts import Verdict
from services.notifier.wording import queued, unknown
from services.notifier.xarf import document_type

LANES = (Lane(ROUTED + URGENT, urgent=True), Lane(ORDERS, urgent=True), Lane(ROUTED), Lane(RECEIPTS_CHECKED))
CHANGELOG = "changelog-notifier"


class NotifierHop:
    """The `Hop` of the notifier."""

    name = "notifier"
    untrusted = False
    version = "1"

    def __init__(  # noqa: PLR0913 - what a hop is wired with
        self,
        agencies: Onboarded,
        *,
        partitions: int,
        proofs: str,
        effects: Effects | None = None,
        sealer: Sealer | None = None,
        sender: Contact = DEMO,
    ) -> None:
        """
        Wire the hop.

        Args:
            agencies: Who receives.
            partitions: Of the input topics and the changelog.
            proofs: Address of the custody service, for the pointer in each document.
            effects: What calls webhooks and sends mails.
            sealer: What seals documents; by default with the keys that were read with *agencies*.
            sender: Who a report in a foreign format is from.
        """
        self.effects = effects
        self._agencies = agencies
        self._partitions = partitions
        self._proofs = proofs
        self._sealer = sealer or agencies.sealer
        self._sender = sender

    def tasks(self) -> Sequence[TaskSpec]:
        """Task *i* is partition *i* of every input."""
        return same_partition_topics(LANES, self._partitions, changelog=CHANGELOG)

    def decide(self, given: Input, view: View) -> Outcome:
        """Decide on an order, a referral, a receipt, a timer or the end of an attempt."""
        draft = Draft(view, given.now)
        if given.record is not None and given.record.topic == ORDERS:
            self._ordered(draft, given.record, given.event_id)
        elif given.record is not None and given.record.topic == RECEIPTS_CHECKED:
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
        """
        Attempts that were under way when the task last stopped: the same ids again, nobody knows how they ended.

        And a look at agencies that are away since: what is open there goes to the router.
        """
        return [*under_way(view), *removal.absent(view, lambda agency: self._agencies.reachable(agency) is not None)]

    def _routed(self, draft: Draft, event: ReferralRouted, came: Came) -> None:
        agency = self._agencies.receiver(event.destination, is_test=event.is_test)
        known = unreachable.knows(draft, event) or overtaking.knows(draft, event)
        repeat = known or draft.row(event.destination, event.referral_id) is not None
        draft.enter(queued(event, agency, repeat=repeat))
        _tell(draft, event.tip_id, event.destination, event.referral_id)
        draft.outcome.attributes |= {telemetry.PRIORITY: event.priority.value, telemetry.VERSION: event.version}
        if repeat:
            return
        if overtaking.overtaken(draft, event):
            overtaking.end(draft, event)
            return
        overtaking.supersede(draft, event)
        if agency is None:
            unreachable.keep(draft, event)
            return
        self._take(draft, event, agency, came)

    def _take(self, draft: Draft, event: ReferralRouted, agency: Agency, came: Came | None = None) -> None:
        feed, proof = draft.feed(agency.id), f"{self._proofs}/v1/tips/{event.tip_id}"
        clear = render(event, agency, proof=proof, sender=self._sender, feed=feed.next())
        document = self._sealer.seal(clear, agency)
        row = numbered(begin(event, agency, draft.now, document=document, came=came), feed.next())
        draft.save_feed(agency.id, feed.sent(document))
        if row.ways:
            draft.put(document_key(agency.id, row.referral_id), document)
        if feeds(agency):
            draft.emit(topic.feed(row, document, kind=document_type(clear)))
        apply(draft, None, decision.taken(row, fed=feeds(agency), now=draft.now))
        ending.hurry(draft, agency, row.referral_id)
        _pump(draft, agency)

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

    def _ordered(self, draft: Draft, record: Record, event: UUID) -> None:
        order = agency_ordered(record.value)
        if partition_of(order.agency, self._partitions) != record.partition:
            raise Poison(DeadReason.UNKNOWN_AGENCY)
        agency = self._agencies.reachable(order.agency)
        draft.outcome.attributes |= {telemetry.AGENCY: order.agency, telemetry.ORDER: order.order.value}
        obey(draft, Given(order, str(event), agency), replay.begin)
        if agency is not None:
            _pump(draft, agency)

    def _timer(self, draft: Draft, key: str) -> None:
        name, _, rest = key.partition("/")
        lane, _, referral = rest.partition("/")
        agency_id, channel = read_lane_name(lane)
        agency = self._agencies.reachable(agency_id)
        draft.outcome.attributes[telemetry.AGENCY] = agency_id
        if name == LANE_TIMER:
            draft.save_lane(lane, draft.lane(lane).model_copy(update={"wake": None}))
        elif name == replay.SWEEP:
            replay.step(draft, agency_id, reachable=agency is not None)
        elif name == removal.SWEEP:
            removal.step(draft, agency_id, int(referral), reachable=agency is not None)
        elif name == DEPARTURE:
            gathering.depart(draft, agency_id, agency)
        elif name == unreachable.REVIVE:
            self._revive(draft, agency_id, UUID(referral))
        elif name == overtaking.FORGET:
            overtaking.forget(draft, agency_id, UUID(referral))
        elif name == RETRY:
            self._retry(draft, Named(agency_id, channel, UUID(referral)), agency)
        else:
            self._row_timer(draft, name, agency, draft.row(agency_id, UUID(referral)))
        if agency is not None:
            _pump(draft, agency)
        else:
            removal.evict(draft, agency_id)

    def _retry(self, draft: Draft, named: Named, agency: Agency | None) -> None:
        row = draft.row(named.agency, named.id)
        if row is None:
            gathering.offer(draft, named.agency, named.id)
            return
        _tell(draft, row.tip_id, row.agency, row.referral_id, row.trace)
        if agency is None:
            apply(draft, row, decision.removed(row, draft.now))
            return
        apply(draft, row, decision.due(row, named.channel))
        ending.hurry(draft, agency, row.referral_id)

    def _row_timer(self, draft: Draft, name: str, agency: Agency | None, row: Delivery | None) -> None:
        if row is None:
            return
        _tell(draft, row.tip_id, row.agency, row.referral_id, row.trace)
        if name == FORGET:
            draft.put(row_key(row.agency, row.referral_id), None)
        elif agency is None:
            apply(draft, row, decision.removed(row, draft.now))
        elif name == LADDER:
            apply(draft, row, decision.climbed(row, following=ending.next_way(agency, row)))
        elif name == FOLLOW:
            apply(draft, row, decision.followed_up(row, draft.now))

    def _revive(self, draft: Draft, agency_id: str, referral: UUID) -> None:
        event = unreachable.kept(draft, agency_id, referral)
        if event is None:
            return
        agency = self._agencies.receiver(agency_id, is_test=event.is_test)
        _tell(draft, event.tip_id, agency_id, referral)
        if agency is None:
            unreachable.wait(draft, agency_id, referral)
        else:
            unreachable.release(draft, agency_id, referral)
            self._take(draft, event, agency)
            row = draft.row(agency_id, referral)
            if row is not None:
                # The router was told when it was kept; it is asked for another destination once only.
                draft.save(row.model_copy(update={"expired": True}))

    def _told(self, draft: Draft, told: Told) -> None:
        named = read_key(told.key)
        if named.id == removal.NOBODY and self._agencies.reachable(named.agency) is None:
            removal.begin(draft, named.agency)
        if not ending.stands(draft, named):
            return
        end, agency = AttemptEnd.model_validate_json(told.body), self._agencies.reachable(named.agency)
        row = draft.row(named.agency, named.id)
        lane = ending.ended(draft, named, end, agency)
        if row is not None:
            _tell(draft, row.tip_id, named.agency, named.id, row.trace)
        draft.outcome.attributes |= {
            telemetry.AGENCY: named.agency,
            telemetry.ATTEMPT: named.tries,
            telemetry.CHANNEL: named.channel.value,
            telemetry.BREAKER: lane.breaker.state(draft.now),
        }
        if ending.verdict_of(end) is Verdict.DELIVERED:
            self._answer_of(draft, named.agency, named.id, end)
            release(draft, named.agency, named.channel)
        if agency is not None:
            _pump(draft, agency)
        else:
            removal.evict(draft, named.agency)

    def _answer_of(self, draft: Draft, agency: str, referral: UUID, end: AttemptEnd) -> None:
        """A receipt in the answer counts, for the referral that was sent and no other; anything else says nothing."""
        checked = check(end.answer.encode() if end.answer else None, agency=agency, received_at=draft.now)
        row = draft.row(agency, referral)
        if isinstance(checked, ReceiptChecked) and checked.receipt.referral_id == referral and row is not None:
            self._answer(draft, row, checked)


def _pump(draft: Draft, agency: Agency) -> None:
    for channel in PUSHED:
        pump(draft, agency, channel)


def _came(record: Record) -> Came:
    found = (record.header(name) for name in (TRACEPARENT, VIDARE_ACCEPTED_AT))
    return Came(*(value.decode("ascii", "replace") if value else None for value in found))


def _receipt(checked: ReceiptChecked) -> dict[str, str]:
    return {telemetry.AGENCY: checked.agency, telemetry.RECEIPT: checked.receipt.status.value}


def _tell(draft: Draft, tip: UUID, agency: str, referral: UUID, trace: str | None = None) -> None:
    draft.outcome.tip = str(tip)
    draft.outcome.traceparent = trace
    draft.outcome.attributes |= {telemetry.TIP: str(tip), telemetry.AGENCY: agency, telemetry.REFERRAL: str(referral)}
