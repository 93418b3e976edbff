"""From an outcome to the records of a transaction: events with their envelope, custody entries, sizes checked."""

from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import orjson

from contracts import headers as h
from contracts import topics
from contracts.vocabulary import DeadReason
from services.chassis.broker_port import Headers, Out
from services.chassis.codec import Envelope, derived, derived_text
from services.chassis.draft import Written
from services.chassis.errors import Misconfigured, Poison
from services.chassis.hop import Emit, Entry, Input, Outcome, Record
from services.chassis.origin import Moment, Origin, Worker, read_origin
from services.chassis.telemetry_port import Processed, Recorder, Sent
from services.chassis.timers import PREFIX, row_of
from services.chassis.tracecontext import (
    TraceContext,
    fresh_context,
    parse_traceparent,
    process_span,
    send_span,
    trace_of_tip,
)
from services.chassis.tuning import Tuning, limit_of

_LETTER = "vidare-dlq-"
_HEADERS_ALLOWANCE = 1024
"""What the headers that we write weigh at most."""


def digest_of(body: bytes) -> str:
    """``sha-256:`` and hex of *body*."""
    return "sha-256:" + sha256(body).hexdigest()


class Named(NamedTuple):
    """An event to write and its id."""

    emit: Emit
    event: UUID
    text: bytes


class Frame(NamedTuple):
    """What all records of one outcome share."""

    origin: Origin
    outcome: Outcome
    when: Moment
    context: TraceContext
    events: list[Named]


class Writer:
    """Writes outcomes of one task down."""

    def __init__(self, worker: Worker, tuning: Tuning, recorder: Recorder) -> None:
        self._worker = worker
        self._recorder = recorder
        self._envelope = Envelope(worker.hop)
        self._service = worker.service
        self._actor = f"svc:{worker.hop}"
        self._event_names = [f"{worker.hop}/{n}".encode() for n in range(64)]
        self._entry_names = [f"{worker.hop}/entry/{n}".encode() for n in range(16)]
        self._moment = Moment()
        self._tuning = tuning

    def origin(self, given: Input) -> Origin:
        """Read what *given* brought."""
        return read_origin(given, self._worker, self._recorder)

    def write(self, origin: Origin, outcome: Outcome, times: tuple[int, int], *, urgent: bool) -> Written:
        """
        Write *outcome* down.

        Raises:
            Poison: Something in it is larger than its topic allows.
        """
        given = origin.given
        under = parse_traceparent(outcome.traceparent.encode()) if outcome.traceparent else None
        context = self._context(under or origin.parent, origin, outcome)
        events = [self._named(given.event_id, emit, n) for n, emit in enumerate(outcome.events)]
        frame = Frame(origin, outcome, self._moment.of(given.now), context, events)
        entries = [self._entry_id(given.event_id, n) for n in range(len(outcome.entries))]
        rest = self._forwarded(origin, entries[0] if entries else None, frame.when)
        sent: list[Sent] = []
        outs = [self._event(frame, named, rest, sent) for named in events]
        outs += [self._entry(frame, n, entries[n]) for n in range(len(entries))]
        processed = Processed(
            self._worker.hop, self._worker.task, given, origin.parent, context, *times, outcome.attributes,
            outcome.tip or origin.tip, None, sent, urgent, origin.accepted_at, under=under,
        )  # fmt: skip
        return Written(outs, list(enumerate(sent)), processed, self._changes(outcome), outcome.effects)

    def _named(self, cause: UUID, emit: Emit, n: int) -> Named:
        if emit.event_id is not None:
            return Named(emit, emit.event_id, str(emit.event_id).encode())
        name = self._event_names[n] if n < len(self._event_names) else f"{self._worker.hop}/{n}".encode()
        return Named(emit, *derived(cause, name))

    def _entry_id(self, cause: UUID, n: int) -> bytes:
        name = self._entry_names[n] if n < len(self._entry_names) else f"{self._worker.hop}/entry/{n}".encode()
        return derived_text(cause, name)

    def _context(self, parent: TraceContext | None, origin: Origin, outcome: Outcome) -> TraceContext:
        event = origin.given.event_id
        if parent is not None:
            trace = parent.trace_id
        else:
            trace = trace_of_tip(outcome.trace_seed or outcome.tip or origin.tip or str(event))
        return TraceContext(trace, process_span(event, self._worker.hop))

    def _forwarded(self, origin: Origin, entry: bytes | None, when: Moment) -> Headers:
        cause = entry or origin.cause
        accepted = origin.accepted_at or (when.raw if _from_a_partner(origin.record) else None)
        rest: Headers = [(h.VIDARE_CAUSE, cause)] if cause else []
        if accepted:
            rest.append((h.VIDARE_ACCEPTED_AT, accepted))
        return rest

    def _event(self, frame: Frame, named: Named, rest: Headers, sent: list[Sent]) -> Out:
        emit, event, text = named
        key = emit.key.encode()
        self._check(emit.topic, len(key) + len(emit.body))
        sends = fresh_context(event) if emit.fresh_trace else TraceContext(frame.context.trace_id, send_span(event))
        headers = self._envelope.headers(emit.type, text, frame.when.raw, sends.header)
        tip = emit.tip or frame.outcome.tip or frame.origin.tip
        if tip:
            headers.append((h.VIDARE_TIP, tip.encode()))
        headers += rest
        sent.append(Sent(emit.topic, event, emit.type, sends, emit.fresh_trace))
        return Out(emit.topic, emit.partition, key, emit.body, headers, frame.when.ms)

    def _entry(self, frame: Frame, n: int, event: bytes) -> Out:
        origin, outcome, when, context, events = frame
        entry = outcome.entries[n]
        tip = entry.tip or outcome.tip or origin.tip
        document: dict[str, object] = {
            "schema": "custody/1", "v": 1, "kind": entry.kind, "event": event.decode(), "at": when.text,
            "service": self._service, "actor": entry.actor or self._actor, "purpose": entry.purpose,
            "cause": str(origin.given.event_id), "basis": entry.basis, "tally": entry.tally,
            "trace": context.trace_id.hex(), "out": _produced(events) if n == 0 else [],
            **_brought(origin, tip),
        }  # fmt: skip
        body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        self._check(topics.CUSTODY, len(body))
        headers = self._envelope.headers("custody/1", event, when.raw, context.header)
        return Out(topics.CUSTODY, 0, tip.encode() if tip else None, body, headers, when.ms)

    def _changes(self, outcome: Outcome) -> dict[str, bytes | None]:
        if not (outcome.puts or outcome.cancels or outcome.timers):
            return {}
        changes: dict[str, bytes | None] = dict(outcome.puts)
        changes |= {PREFIX + key: None for key in outcome.cancels}
        changes |= dict(row_of(timer) for timer in outcome.timers)
        worker = self._worker
        if worker.changelog is None:
            raise Misconfigured(f"hop {worker.hop} keeps state but its task {worker.task} names no changelog")
        for key, value in changes.items():
            self._check(worker.changelog, len(key) + len(value or b""))
        return changes

    def _check(self, topic: str, size: int) -> None:
        if size + _HEADERS_ALLOWANCE > limit_of(topic, self._tuning):
            raise Poison(DeadReason.TOO_LARGE)

    def parked(self, origin: Origin, reason: DeadReason, times: tuple[int, int], *, urgent: bool) -> Written:
        """The dead letter of a record and its custody entry."""
        record = origin.record
        if record is None:
            raise ValueError("only a record can be a dead letter")
        target = record.topic + topics.DLQ
        outcome = Outcome(entries=[Entry("tip.parked", origin.tip, "park", {"reason": reason.value}, {"dlq": target})])
        written = self.write(origin, outcome, times, urgent=urgent)
        when = self._moment.of(origin.given.now)
        headers = self._letter_headers(record, reason, when)
        written.outs.append(Out(target, 0, record.key, record.value, headers, when.ms))
        written.processed.dead = reason
        return written

    def _letter_headers(self, record: Record, reason: DeadReason, when: Moment) -> Headers:
        return [
            *(header for header in record.headers if not header[0].startswith(_LETTER)),
            (h.DLQ_REASON, reason.value.encode()),
            (h.DLQ_TOPIC, record.topic.encode()),
            (h.DLQ_PARTITION, str(record.partition).encode()),
            (h.DLQ_OFFSET, str(record.offset).encode()),
            (h.DLQ_SERVICE, self._service.encode()),
            (h.DLQ_AT, when.raw),
        ]


def _brought(origin: Origin, tip: str | None) -> dict[str, object]:
    """What an entry says of the record it is about; names without a value are left out."""
    said: dict[str, object] = {"tip": tip} if tip else {}
    if origin.cause:
        said["prev"] = origin.cause.decode("ascii", "replace")
    record = origin.record
    if record is not None:
        said["in"] = {
            "topic": record.topic, "partition": record.partition, "offset": str(record.offset),
            "digest": digest_of(record.value or b""),
        }  # fmt: skip
    return said


def _produced(events: list[Named]) -> list[dict[str, object]]:
    """Events that a reader must account for, and disclosures with the digest of their bytes."""
    produced: list[dict[str, object]] = []
    for emit, _, text in events:
        if emit.expects_entry or emit.to:
            said: dict[str, object] = {"event": text.decode(), "topic": emit.topic}
            if emit.to:
                said |= {"to": emit.to, "digest": digest_of(emit.body)}
            produced.append(said)
    return produced


def _from_a_partner(record: Record | None) -> bool:
    """True for inboxes of tips: what comes in there is accepted now (receipts bring the time of another step)."""
    return record is not None and record.topic.startswith(topics.INBOX)
