"""
The intake hop: reads what senders wrote, and ends every record of it in words.

A task is a partner: both of its inboxes, one store, one changelog. A record
gives exactly one status, whatever its bytes are.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from contracts import topics
from contracts.onboarding import Partner
from contracts.vocabulary import RefusalReason
from services.chassis.hop import Input, Outcome, Record, TaskSpec, View
from services.intake.check import Refused, accept, read, refused
from services.intake.decision import Memory, decide_submission, first_guess
from services.intake.notices import late_notice, noticed
from services.intake.outcomes import Case, accepted_outcome, refused_outcome, repeated_outcome
from services.intake.refusal import Refusal
from services.intake.rows import BUDGET, TIP, recall, tip_row

VERSION = "1"
LARGE_BYTES = 64 * 1024
"""A record above this that cannot be worked is called too large; its sender can split it."""


class IntakeHop:
    """`Hop` over the inboxes of *partners*; *key* makes group ids and digests."""

    name = "intake"
    untrusted = True
    version = VERSION

    def __init__(self, partners: Mapping[str, Partner], key: bytes) -> None:
        self._partners = partners
        self._key = key

    def tasks(self) -> Sequence[TaskSpec]:
        """One task per partner: its urgent inbox, its routine inbox."""
        return [_task(partner) for partner in self._partners]

    def decide(self, given: Input, view: View) -> Outcome:
        """Accept, repeat or refuse one record, forget a tip whose time is over, or call a duty desk a minute later."""
        if given.timer is not None and given.timer.key == BUDGET:
            return late_notice(given.timer, view)
        if given.timer is not None:
            return _forget(given.timer.key, view)
        record = given.record
        return self._submission(record, given, view) if record is not None else Outcome()

    def refuse_crashed(self, record: Record) -> Outcome:
        """Refuse a record that cannot be worked: it ended the process three times, or its event was too large."""
        data = record.value or b""
        reason = RefusalReason.TOO_LARGE if len(data) > LARGE_BYTES else RefusalReason.INVALID_FIELD
        case = Case(self._partners[partner_of(record.topic)], _time_of(record), self._key)
        return refused_outcome(case, refused(data, Refusal(reason), None))

    def _submission(self, record: Record, given: Input, view: View) -> Outcome:
        case = Case(self._partners[partner_of(record.topic)], given.now, self._key)
        data = record.value or b""
        sent = read(data)
        if isinstance(sent, Refused):
            return refused_outcome(case, sent)
        asked = sent.asked(case.partner.id)
        memory = recall(view, asked)
        try:
            taken = decide_submission(asked, memory)
        except Refusal as refusal:
            tip = memory.known.tip_id if memory.known else first_guess(asked)
            return refused_outcome(case, refused(data, refusal, asked.reference), tip)
        accepted = accept(sent, taken, case.partner, case.now, case.key)
        if taken.repeated:
            return repeated_outcome(case, asked, taken, accepted)
        accepted, kept = noticed(case, accepted, view)
        outcome = accepted_outcome(case, asked, Memory(memory.known, memory.earlier, taken.earlier), accepted)
        outcome.puts |= kept.puts
        outcome.timers += kept.timers
        return outcome


def partner_of(topic: str) -> str:
    """Id of the partner whose inbox *topic* is."""
    return topic.removeprefix(topics.INBOX).removesuffix(topics.URGENT)


def _task(partner: str) -> TaskSpec:
    return TaskSpec(
        id=partner,
        inputs=((topics.inbox(partner, urgent=True), 0, True), (topics.inbox(partner), 0, False)),
        changelog=(f"{topics.CHANGELOG}intake-{partner}", 0),
    )


def _forget(key: str, view: View) -> Outcome:
    row = tip_row(view, UUID(key.removeprefix(TIP)))
    gone: dict[str, bytes | None] = dict.fromkeys((key, *(row.references if row else ())))
    return Outcome(puts=gone)


def _time_of(record: Record) -> datetime:
    """When *record* was written; its writer may have named any time."""
    try:
        return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
