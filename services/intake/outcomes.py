"""Writes down what was decided: events, status, custody entry and rows, for each way a submission can end."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from contracts import telemetry, topics
from contracts.onboarding import Partner
from contracts.referral import StatusRefusal, TipStatus
from contracts.vocabulary import EntryKind, StatusWord
from services.chassis.hop import Emit, Entry, Outcome, Timer
from services.intake.check import Accepted, Refused
from services.intake.decision import Asked, Memory, ReferenceRow, Taken, TipRow
from services.intake.groups import keyed
from services.intake.rows import reference_key, tip_key, write_reference, write_tip

REMEMBERED = timedelta(days=400)
"""How long a reference is known: a year's report and the month after it."""

REFERENCE_DIGITS = 32
TIP_RECEIVED = "tip-received/1"
TIP_STATUS = "tip-status/1"


class Case(NamedTuple):
    """Whose submission it is, when it is decided, and the key of its digests."""

    partner: Partner
    now: datetime
    key: bytes


def accepted_outcome(case: Case, asked: Asked, memory: Memory, accepted: Accepted) -> Outcome:
    """A new tip, or the next revision of one."""
    event, tip = accepted.event, str(accepted.tip_id)
    status = _accepted_status(case, asked, accepted, repeated=False)
    lane = topics.RECEIVED + (topics.URGENT if event.urgent else "")
    body = event.model_dump_json(by_alias=True, exclude_none=True).encode()
    entry = _entry(case, asked, EntryKind.TIP_ACCEPTED, tip, event.revision)
    return Outcome(
        events=[
            Emit(lane, accepted.group_id, TIP_RECEIVED, body, tip=tip, expects_entry=True),
            _status(case.partner, asked.reference, status),
        ],
        puts=_rows(asked, memory, accepted),
        timers=[Timer(tip_key(accepted.tip_id), case.now + REMEMBERED)],
        entries=[entry],
        attributes=_attributes(case.partner, accepted),
        tip=tip,
        trace_seed=tip,
    )


def repeated_outcome(case: Case, asked: Asked, taken: Taken, accepted: Accepted) -> Outcome:
    """The same submission again: told so, and nothing else."""
    tip = str(taken.tip_id)
    status = _accepted_status(case, asked, accepted, repeated=True)
    return Outcome(
        events=[_status(case.partner, asked.reference, status)],
        entries=[_entry(case, asked, EntryKind.TIP_REPEATED, tip, taken.revision)],
        attributes=_attributes(case.partner, accepted) | {telemetry.REPEATED: True},
        tip=tip,
        trace_seed=tip,
    )


def refused_outcome(case: Case, refused: Refused, tip: UUID | None = None) -> Outcome:
    """A reasoned no: its status names reason, place, digest and size, never the bytes."""
    told = StatusRefusal(reason=refused.reason, pointer=refused.pointer, digest=refused.digest, size=refused.size)
    status = TipStatus(
        status=StatusWord.REFUSED,
        reference=refused.reference,
        tip_id=tip,
        **told.model_dump(),
        refusal=told,
        at=case.now,
    )
    return Outcome(
        events=[_status(case.partner, refused.reference or "", status)],
        entries=[
            Entry(
                kind=EntryKind.TIP_REFUSED,
                tip=None,
                purpose="refuse in words what is no tip, and keep nothing of it",
                tally={"reason": refused.reason.value},
            )
        ],
        attributes={telemetry.PARTNER: case.partner.id, telemetry.REFUSAL: refused.reason.value},
    )


def _accepted_status(case: Case, asked: Asked, accepted: Accepted, *, repeated: bool) -> TipStatus:
    return TipStatus(
        status=StatusWord.ACCEPTED,
        reference=asked.reference,
        tip_id=accepted.tip_id,
        revision=accepted.event.revision,
        repeated=repeated,
        priority=accepted.triage.level,
        at=case.now,
    )


def _status(partner: Partner, reference: str, status: TipStatus) -> Emit:
    body = status.model_dump_json(by_alias=True, exclude_none=True).encode()
    tip = str(status.tip_id) if status.tip_id else None
    return Emit(topics.STATUS + partner.id, reference, TIP_STATUS, body, tip=tip, partition=0)


def _entry(case: Case, asked: Asked, kind: EntryKind, tip: str, revision: int) -> Entry:
    digest = keyed(case.key, f"reference:{case.partner.id}:{asked.reference}", REFERENCE_DIGITS)
    return Entry(
        kind=kind,
        tip=tip,
        purpose="take a tip from its sender for referral",
        tally={"reference_digest": digest, "revision": revision},
    )


def _rows(asked: Asked, memory: Memory, accepted: Accepted) -> dict[str, bytes | None]:
    event, before = accepted.event, memory.tip
    mine = reference_key(asked.reference)
    contents = (memory.known.contents if memory.known else {}) | {asked.content: event.revision}
    references = tuple(dict.fromkeys((*(before.references if before else ()), mine)))
    tip = TipRow(event.revision, event.group_id, event.urgent, references)
    return {
        mine: write_reference(ReferenceRow(accepted.tip_id, contents)),
        tip_key(accepted.tip_id): write_tip(tip),
    }


def _attributes(partner: Partner, accepted: Accepted) -> dict[str, str | int | float | bool | list[str]]:
    return {
        telemetry.PARTNER: partner.id,
        telemetry.KIND: accepted.event.facts.kind.value,
        telemetry.PRIORITY: accepted.triage.level.value,
        telemetry.REVISION: accepted.event.revision,
    }
