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
from contracts.topics import ORDERS, RECEIPTS_CHECKED, ROUTED, URGENT
from contracts.vocabulary import DeadReason
from services.chassis.codec import partition_of
from services.chassis.errors import Poison
from services.chassis.hop import Effect, Effects, Input, Lane, Outcome, Record, TaskSpec, View, same_partition_topics
from services.chassis.telemetry.telemetry_port import Level
from services.notifier import decision, ringing
from services.notifier.answering import hearing
from services.notifier.channels import topic
from services.notifier.delivering import ending, overtaking, unreachable
from services.notifier.delivering.applying import apply
from services.notifier.delivering.delivery import Came, begin, feeds
from services.notifier.delivering.draft import Draft, document_key
from services.notifier.delivering.lane import pump_all, under_way
from services.notifier.delivering.levels import levels
from services.notifier.documents.contact import DEMO, Contact
from services.notifier.documents.feed import numbered
from services.notifier.documents.render import render
from services.notifier.documents.sealing import Sealer
from services.notifier.documents.xarf import document_type
from services.notifier.onboarded import Onboarded
from services.notifier.ordering import removal, replay
from services.notifier.ordering.obeying import Given, obey
from services.notifier.parse import agency_ordered, receipt_checked, referral_routed
from services.notifier.wording import queued

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
            hearing.receipt(draft, receipt_checked(given.record.value))
        elif given.record is not None:
            self._routed(draft, referral_routed(given.record.value), _came(given.record))
        elif given.timer is not None:
            ringing.ring(draft, given.timer.key, self._agencies, self._take)
        elif given.told is not None:
            hearing.told(draft, given.told, self._agencies)
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
        draft.tell(event.tip_id, event.destination, event.referral_id)
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
        pump_all(draft, agency)

    def _ordered(self, draft: Draft, record: Record, event: UUID) -> None:
        order = agency_ordered(record.value)
        if partition_of(order.agency, self._partitions) != record.partition:
            raise Poison(DeadReason.UNKNOWN_AGENCY)
        agency = self._agencies.reachable(order.agency)
        draft.outcome.attributes |= {telemetry.AGENCY: order.agency, telemetry.ORDER: order.order.value}
        obey(draft, Given(order, str(event), agency), replay.begin)
        if agency is not None:
            pump_all(draft, agency)


def _came(record: Record) -> Came:
    found = (record.header(name) for name in (TRACEPARENT, VIDARE_ACCEPTED_AT))
    return Came(*(value.decode("ascii", "replace") if value else None for value in found))
