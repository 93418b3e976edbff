"""From an outcome to the records of a transaction: events with their envelope, custody entries, sizes checked."""

from uuid import UUID

import msgspec

from contracts import headers as h
from contracts import topics
from contracts.vocabulary import DeadReason
from services.chassis.broker.broker_port import Headers, Out
from services.chassis.codec import Envelope, Found, derived
from services.chassis.errors import Misconfigured, Poison
from services.chassis.hop import Emit, Entry, Input, Outcome, Record
from services.chassis.running.draft import Written
from services.chassis.running.entries import Named, Told, entry_bytes
from services.chassis.running.origin import Moment, Origin, Worker, read_origin
from services.chassis.running.tuning import Tuning, limit_of
from services.chassis.store.timers import PREFIX, row_of
from services.chassis.telemetry.telemetry_port import Processed, Recorder, Sent
from services.chassis.telemetry.tracecontext import (
    TraceContext,
    fresh_context,
    parse_traceparent,
    process_span,
    trace_of_tip,
)

_LETTER = "vidare-dlq-"
_HEADERS_ALLOWANCE = 1024
"""What the headers that we write weigh at most."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """What all records of one outcome share."""

    origin: Origin
    outcome: Outcome
    when: Moment
    context: TraceContext
    trace: bytes
    """Trace id in hex."""
    events: list[Named]
    rest: Headers
    """Headers that all events carry on."""


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
        self._limits: dict[str, int] = {}

    def origin(self, given: Input, found: Found | None = None) -> Origin:
        """Read what *given* brought; *found*: its headers, where they were read already."""
        return read_origin(given, self._worker, self._recorder, found)

    def write(self, origin: Origin, outcome: Outcome, times: tuple[int, int], *, urgent: bool) -> Written:
        """
        Write *outcome* down.

        Raises:
            Poison: Something in it is larger than its topic allows.
        """
        given = origin.given
        cause = given.event_id.int.to_bytes(16)
        under = parse_traceparent(outcome.traceparent.encode()) if outcome.traceparent else None
        context = self._context(under or origin.parent, origin, outcome)
        events = [self._named(cause, emit, n) for n, emit in enumerate(outcome.events)]
        entries = [self._entry_id(cause, n) for n in range(len(outcome.entries))]
        when = self._moment.of(given.now)
        rest = self._forwarded(origin, entries[0] if entries else None, when)
        frame = Frame(origin, outcome, when, context, context.trace_id.hex().encode(), events, rest)
        sent: list[Sent] = []
        outs = [self._event(frame, named, sent) for named in events]
        outs += [self._entry(frame, n, entries[n]) for n in range(len(entries))]
        processed = Processed(
            self._worker.hop, self._worker.task, given, origin.parent, context, *times, outcome.attributes,
            outcome.tip or origin.tip, None, sent, urgent, origin.accepted_at, under, 0, 0, origin.text,
        )  # fmt: skip
        return Written(outs, sent, processed, self._changes(outcome), outcome.effects)

    def _named(self, cause: bytes, emit: Emit, n: int) -> Named:
        if emit.event_id is not None:
            return Named(emit, str(emit.event_id).encode())
        name = self._event_names[n] if n < len(self._event_names) else f"{self._worker.hop}/{n}".encode()
        return Named(emit, derived(cause, name))

    def _entry_id(self, cause: bytes, n: int) -> bytes:
        name = self._entry_names[n] if n < len(self._entry_names) else f"{self._worker.hop}/entry/{n}".encode()
        return derived(cause, name)

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

    def _event(self, frame: Frame, named: Named, sent: list[Sent]) -> Out:
        emit, text, when = named.emit, named.text, frame.when
        topic, key, body = emit.topic, emit.key.encode(), emit.body
        self._check(topic, len(key) + len(body))
        if emit.fresh_trace:
            sends = fresh_context(UUID(text.decode()))
            header = sends.header
        else:
            own = text[19:23] + text[24:]  # the second half of the event's id: `tracecontext.send_span`
            sends = TraceContext(frame.context.trace_id, bytes.fromhex(own.decode()))
            header = b"00-%b-%b-01" % (frame.trace, own)
        headers = self._envelope.headers(emit.type, text, when.raw, header)
        if emit.content_type is not None:
            headers = [each for each in headers if each[0] != h.CONTENT_TYPE] + [(h.CONTENT_TYPE, emit.content_type)]
        tip = emit.tip or frame.outcome.tip or frame.origin.tip
        if tip:
            headers.append((h.VIDARE_TIP, tip.encode()))
        headers += frame.rest
        headers += emit.headers
        sent.append(Sent(topic, text, sends, emit.fresh_trace))
        return Out(topic, emit.partition, key, body, headers, when.ms)

    def _entry(self, frame: Frame, n: int, event: bytes) -> Out:
        origin, outcome, when, trace = frame.origin, frame.outcome, frame.when, frame.trace
        entry = outcome.entries[n]
        tip = entry.tip or outcome.tip or origin.tip
        produced = frame.events if n == 0 else ()
        told = Told(event, when.raw, origin.text, trace, origin.cause, origin.given.record, produced)
        body = entry_bytes(entry, tip, told, self._service, self._actor)
        self._check(topics.CUSTODY, len(body))
        header = b"00-%b-%b-01" % (trace, frame.context.span_id.hex().encode())
        headers = self._envelope.headers("custody/1", event, when.raw, header)
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
        limit = self._limits.get(topic)
        if limit is None:
            limit = self._limits[topic] = limit_of(topic, self._tuning) - _HEADERS_ALLOWANCE
        if size > limit:
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


def _from_a_partner(record: Record | None) -> bool:
    """True for inboxes of tips: what comes in there is accepted now (receipts bring the time of another step)."""
    return record is not None and record.topic.startswith(topics.INBOX)
