"""From an outcome to the records of a transaction: events with their envelope, custody entries, sizes checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID, uuid5

import orjson

from contracts import headers as h
from contracts import topics
from contracts.vocabulary import DeadReason
from services.chassis.broker_port import Headers, Out
from services.chassis.codec import Envelope, epoch_ms, rfc3339_ms
from services.chassis.draft import Written
from services.chassis.errors import Misconfigured, Poison
from services.chassis.hop import Emit, Entry, Input, Outcome, Record, event_id
from services.chassis.telemetry_port import Processed, Recorder, Sent
from services.chassis.timers import PREFIX, row_of
from services.chassis.tracecontext import TraceContext, fresh_context, process_span, send_span, trace_of_tip
from services.chassis.tuning import Tuning, limit_of

_NO_HEADERS: Mapping[str, bytes] = {}
_LETTER = "vidare-dlq-"
_HEADERS_ALLOWANCE = 1024
"""What the headers that we write weigh at most."""


def digest_of(body: bytes) -> str:
    """``sha-256:`` and hex of *body*."""
    return "sha-256:" + sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class Worker:
    """Who works: the hop, its version, the task."""

    hop: str
    version: str
    task: str
    untrusted: bool
    changelog: str | None


@dataclass(slots=True)
class Origin:
    """What an input brought along, read once."""

    given: Input
    parent: TraceContext | None
    tip: str | None
    cause: bytes | None
    accepted_at: bytes | None

    @property
    def record(self) -> Record | None:
        """The record, where the input is one."""
        return self.given.record


class Writer:
    """Writes outcomes of one task down."""

    def __init__(self, worker: Worker, tuning: Tuning, recorder: Recorder) -> None:
        self._worker = worker
        self._tuning = tuning
        self._recorder = recorder
        self._envelope = Envelope(worker.hop)
        self._service = f"{worker.hop}@{worker.version}"

    def origin(self, given: Input) -> Origin:
        """Read what *given* brought; headers of strangers are believed in nothing but a partner's trace."""
        record = given.record
        if record is None:
            return Origin(given, None, None, None, None)
        if self._worker.untrusted:
            trusted = record.topic.startswith(topics.INBOX)
            parent = self._recorder.context_of(record.headers) if trusted else None
            return Origin(given, parent, None, None, None)
        found = dict(record.headers)
        tip = found.get(h.VIDARE_TIP)
        return Origin(
            given,
            self._recorder.context_of(record.headers),
            tip.decode("utf-8", "replace") if tip else None,
            found.get(h.VIDARE_CAUSE) or None,
            found.get(h.VIDARE_ACCEPTED_AT) or None,
        )

    def write(self, origin: Origin, outcome: Outcome, times: tuple[int, int], *, urgent: bool) -> Written:
        """
        Write *outcome* down.

        Raises:
            Poison: Something in it is larger than its topic allows.
        """
        given = origin.given
        context = self._context(origin, outcome)
        at = rfc3339_ms(given.now)
        now_ms = epoch_ms(given.now)
        emits = [
            (emit, emit.event_id or event_id(given.event_id, self._worker.hop, n))
            for n, emit in enumerate(outcome.events)
        ]
        entry_id = uuid5(given.event_id, f"{self._worker.hop}/entry/0") if outcome.entries else None
        rest = self._forwarded(origin, entry_id, at)
        outs: list[Out] = []
        sent: list[tuple[int, Sent]] = []
        for emit, event in emits:
            sends = fresh_context(event) if emit.fresh_trace else TraceContext(context.trace_id, send_span(event))
            outs.append(
                self._event(emit, event, (at, now_ms), sends, self._tip(emit.tip or outcome.tip or origin.tip, rest))
            )
            sent.append((len(outs) - 1, Sent(emit.topic, event, emit.type, sends, emit.fresh_trace)))
        for n, entry in enumerate(outcome.entries):
            outs.append(self._entry(origin, entry, n, (at, now_ms), context, emits if n == 0 else [], outcome.tip))
        changes = self._changes(outcome)
        processed = Processed(
            self._worker.hop, self._worker.task, given, origin.parent, context, *times, outcome.attributes,
            outcome.tip or origin.tip, None, [s for _, s in sent], urgent, origin.accepted_at,
        )  # fmt: skip
        return Written(outs, sent, processed, changes, outcome.effects)

    def _context(self, origin: Origin, outcome: Outcome) -> TraceContext:
        given = origin.given
        if origin.parent is not None:
            trace = origin.parent.trace_id
        else:
            trace = trace_of_tip(outcome.trace_seed or outcome.tip or origin.tip or str(given.event_id))
        return TraceContext(trace, process_span(given.event_id, self._worker.hop))

    def _forwarded(self, origin: Origin, entry: UUID | None, at: str) -> Headers:
        cause = str(entry).encode() if entry else origin.cause
        accepted = origin.accepted_at or (at.encode() if self._worker.untrusted else None)
        rest: Headers = []
        if cause:
            rest.append((h.VIDARE_CAUSE, cause))
        if accepted:
            rest.append((h.VIDARE_ACCEPTED_AT, accepted))
        return rest

    def _tip(self, tip: str | None, rest: Headers) -> Headers:
        return [(h.VIDARE_TIP, tip.encode()), *rest] if tip else rest

    def _event(self, emit: Emit, event: UUID, when: tuple[str, int], context: TraceContext, rest: Headers) -> Out:
        key = emit.key.encode()
        self._check(emit.topic, len(key) + len(emit.body))
        headers = self._envelope.headers(emit.type, str(event).encode(), when[0].encode(), context.header)
        headers += rest
        return Out(emit.topic, emit.partition, key, emit.body, headers, when[1])

    def _entry(
        self, origin: Origin, entry: Entry, n: int, when: tuple[str, int], context: TraceContext,
        emits: list[tuple[Emit, UUID]], tip: str | None,
    ) -> Out:  # fmt: skip
        record = origin.record
        event = str(uuid5(origin.given.event_id, f"{self._worker.hop}/entry/{n}"))
        tip = entry.tip or tip or origin.tip
        document: dict[str, object] = {
            "schema": "custody/1", "v": 1, "kind": entry.kind, "event": event, "at": when[0],
            "service": self._service, "actor": entry.actor or f"svc:{self._worker.hop}", "purpose": entry.purpose,
            "cause": str(origin.given.event_id), "basis": entry.basis, "tally": entry.tally,
            "trace": context.trace_id.hex(), "out": [_produced(e, i) for e, i in emits if e.expects_entry or e.to],
        }  # fmt: skip
        if tip:
            document["tip"] = tip
        if origin.cause:
            document["prev"] = origin.cause.decode("ascii", "replace")
        if record is not None:
            document["in"] = {
                "topic": record.topic, "partition": record.partition, "offset": str(record.offset),
                "digest": digest_of(record.value or b""),
            }  # fmt: skip
        body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        self._check(topics.CUSTODY, len(body))
        headers = self._envelope.headers("custody/1", event.encode(), when[0].encode(), context.header)
        return Out(topics.CUSTODY, 0, tip.encode() if tip else None, body, headers, when[1])

    def _changes(self, outcome: Outcome) -> dict[str, bytes | None]:
        changes: dict[str, bytes | None] = dict(outcome.puts)
        changes |= {PREFIX + key: None for key in outcome.cancels}
        changes |= dict(row_of(timer) for timer in outcome.timers)
        if not changes:
            return changes
        if self._worker.changelog is None:
            raise Misconfigured(
                f"hop {self._worker.hop} keeps state but its task {self._worker.task} names no changelog"
            )
        for key, value in changes.items():
            self._check(self._worker.changelog, len(key) + len(value or b""))
        return changes

    def _check(self, topic: str, size: int) -> None:
        if size + _HEADERS_ALLOWANCE > limit_of(topic, self._tuning):
            raise Poison(DeadReason.TOO_LARGE)

    def parked(self, origin: Origin, reason: DeadReason, times: tuple[int, int], *, urgent: bool) -> Written:
        """The dead letter of a record and its custody entry."""
        record = origin.record
        if record is None:
            raise ValueError("only a record can be a dead letter")
        now_ms = epoch_ms(origin.given.now)
        at = rfc3339_ms(origin.given.now)
        target = record.topic + topics.DLQ
        letter = Out(target, 0, record.key, record.value, self._letter_headers(record, reason, at), now_ms)
        outcome = Outcome(entries=[Entry("tip.parked", origin.tip, "park", {"reason": reason.value}, {"dlq": target})])
        written = self.write(origin, outcome, times, urgent=urgent)
        written.processed.dead = reason
        written.outs.insert(0, letter)
        return written

    def _letter_headers(self, record: Record, reason: DeadReason, at: str) -> Headers:
        return [
            *(header for header in record.headers if not header[0].startswith(_LETTER)),
            (h.DLQ_REASON, reason.value.encode()),
            (h.DLQ_TOPIC, record.topic.encode()),
            (h.DLQ_PARTITION, str(record.partition).encode()),
            (h.DLQ_OFFSET, str(record.offset).encode()),
            (h.DLQ_SERVICE, self._service.encode()),
            (h.DLQ_AT, at.encode()),
        ]


def _produced(emit: Emit, event: UUID) -> dict[str, object]:
    produced: dict[str, object] = {"event": str(event), "topic": emit.topic}
    if emit.to:
        produced |= {"to": emit.to, "digest": digest_of(emit.body)}
    return produced
