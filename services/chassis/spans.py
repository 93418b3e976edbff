"""
Spans of a hop, made after the commit: they exist for what happened and for nothing else.

``process <topic>`` per record, child of the context that the record brought and
linked to it; ``send <topic>`` per event, ended by the broker's acknowledgement;
``locate`` and ``route`` around the decision; one ``commit <topic>`` a
transaction. Recording never raises and never waits.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from contracts import telemetry
from services.chassis.export import Exporter
from services.chassis.hop import Record
from services.chassis.metrics import Metrics
from services.chassis.spanforms import Attribute, Form, attribute_bytes, failed_bytes, links_bytes
from services.chassis.telemetry_port import Processed, Sent
from services.chassis.tracecontext import TraceContext, read_context, send_span

CHUNK = 64
"""Records whose spans are made in one go: under 1 ms, so that urgent records do not wait for telemetry."""
PENDING = 50_000
"""Records that may wait for their spans; beyond it spans are dropped and counted."""
MAX_LINKS = 128
"""Links of one commit span; backends cut there anyway."""

FAILED = failed_bytes()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One finished delivery attempt, as its span tells it."""

    channel: str
    agency: str
    referral: str
    attempt: int
    start_ns: int
    end_ns: int
    tip: str | None = None
    status_code: int | None = None
    error: str | None = None
    """A closed word (``timeout``, ``tls``, ``refused``) or None for success."""
    breaker: str | None = None
    parent: TraceContext | None = None
    """Where the referral came from."""
    late: bool = False
    """More than 10 min after it: the attempt begins a trace of its own and links to *parent*."""


class SpanRecorder:
    """The recorder of one hop process; see `services.chassis.telemetry_port.Recorder`."""

    def __init__(self, exporter: Exporter, metrics: Metrics, *, hop: str) -> None:
        self._exporter = exporter
        self._metrics = metrics
        self._hop = hop
        self._forms: dict[tuple[object, ...], Form] = {}
        self._pending: deque[Processed] = deque()
        self._scheduled = False
        self._decision = telemetry.DECISION_SPANS.get(hop)

    def context_of(self, headers: Sequence[tuple[str, bytes]]) -> TraceContext | None:
        """Read the context that *headers* carry, or None where there is none or it is malformed (counted)."""
        return read_context(headers, self.refused_header)

    def refused_header(self) -> None:
        """Count one malformed ``traceparent``."""
        self._metrics.count(telemetry.BAD_TRACE_HEADERS, hop=self._hop)

    def committed(self, processed: Sequence[Processed]) -> None:
        """Take note of one committed transaction: metrics now, spans now or in slices between other work."""
        try:
            if processed:
                self._measure(processed)
                self._exporter.offer([self._commit(processed)])
                self._later(processed)
        except Exception:  # noqa: BLE001 - telemetry may never fail a hop that has committed
            self._drop("unmade", len(processed))

    def attempted(self, attempt: Attempt) -> None:
        """Record one delivery attempt and its span ``deliver <channel>``."""
        try:
            end = attempt.error or "delivered"
            self._metrics.count(telemetry.ATTEMPTS, agency=attempt.agency, channel=attempt.channel, end=end)
            seconds = (attempt.end_ns - attempt.start_ns) / 1e9
            self._metrics.observe(telemetry.ATTEMPT_SECONDS, seconds, channel=attempt.channel)
            self._exporter.offer([self._deliver(attempt)])
        except Exception:  # noqa: BLE001 - as above
            self._drop("unmade", 1)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Make the spans still to be made and wait until they are written; False when that took too long."""
        while self._pending:
            self._make_some()
        return self._exporter.flush(timeout_s)

    def close(self) -> None:
        """Write what there is and stop."""
        self.flush()
        self._exporter.close()

    # --- slices

    def _later(self, processed: Sequence[Processed]) -> None:
        room = PENDING - len(self._pending)
        if len(processed) > room:
            self._drop("queue_full", len(processed) - room)
        self._pending.extend(processed[:room])
        if self._scheduled:
            return
        if len(self._pending) > CHUNK:
            self._slice()
        else:
            self._make_some()

    def _slice(self) -> None:
        self._scheduled = False
        self._make_some()
        if not self._pending:
            return
        try:
            asyncio.get_running_loop().call_soon(self._slice)
            self._scheduled = True
        except RuntimeError:  # no loop: a test, or the end of the process
            while self._pending:
                self._make_some()

    def _make_some(self) -> None:
        made: list[bytes] = []
        for _ in range(min(CHUNK, len(self._pending))):
            try:
                self._spans(self._pending.popleft(), made)
            except Exception:  # noqa: BLE001 - one odd record costs its own spans only
                self._drop("unmade", 1)
        self._exporter.offer(made)

    # --- spans

    def _spans(self, done: Processed, made: list[bytes]) -> None:
        extra = self._extra(done.attributes)
        if self._decision is not None and done.record is not None and done.dead is None:
            made.append(self._internal(self._decision, done) + extra)
            extra = b""
        made.append(self._process(done) + extra)
        made.extend([self._send(sent, done) for sent in done.sent])

    def _process(self, done: Processed) -> bytes:
        record, parent = done.record, done.parent
        form = self._process_form(record, done, linked=parent is not None)
        form.message(done.given.event_id, done.tip, 0 if record is None else record.offset)
        if parent is not None:
            form.link(parent)
        parent_id = parent.span_id if parent is not None and parent.trace_id == done.context.trace_id else b""
        span = form.fill(done.context, parent_id, done.started_ns, max(done.committed_ns, done.ended_ns))
        if done.dead is None:
            return span
        reason = done.dead.value
        return span + FAILED + self._extra({telemetry.ERROR_TYPE: reason, telemetry.DEAD_REASON: reason})

    def _process_form(self, record: Record | None, done: Processed, *, linked: bool) -> Form:
        if record is None:
            name = telemetry.TIMER if done.given.timer is not None else telemetry.TOLD
            return self._form((name, linked), name, {telemetry.HOP: self._hop, telemetry.MESSAGE_ID: ""}, linked=linked)
        key = (telemetry.PROCESS, record.topic, record.partition, linked, done.tip is None)
        found = self._forms.get(key)
        if found is not None:
            return found
        attributes = _messaging(telemetry.PROCESS, telemetry.PROCESS, record.topic, tip=done.tip) | {
            telemetry.PARTITION: str(record.partition),
            telemetry.GROUP: self._hop,
        }
        return self._form(key, telemetry.span_name(telemetry.PROCESS, record.topic), attributes, linked=linked)

    def _send(self, sent: Sent, done: Processed) -> bytes:
        key = (telemetry.SEND, sent.topic, sent.partition, sent.fresh, done.tip is None)
        form = self._forms.get(key)
        if form is None:
            attributes = _messaging(telemetry.SEND, telemetry.SEND, sent.topic, tip=done.tip)
            attributes[telemetry.PARTITION] = str(sent.partition)
            form = self._form(key, telemetry.span_name(telemetry.SEND, sent.topic), attributes, linked=sent.fresh)
        form.message(sent.event_id, done.tip, sent.offset)
        context = sent.context
        if sent.fresh:
            form.link(context)
            context = TraceContext(done.context.trace_id, send_span(sent.event_id))
        return form.fill(context, done.context.span_id, done.began_ns or done.ended_ns, done.committed_ns or done.ended_ns)

    def _internal(self, name: str, done: Processed) -> bytes:
        form = self._forms.get((name,)) or self._form((name,), name, {telemetry.HOP: self._hop}, linked=False)
        context = TraceContext(done.context.trace_id, _derived(done.context.span_id, name))
        return form.fill(context, done.context.span_id, done.started_ns, done.ended_ns)

    def _commit(self, processed: Sequence[Processed]) -> bytes:
        first = processed[0]
        place = _place(first)
        attributes = _messaging(telemetry.COMMIT, "settle", place, tip=None) | {telemetry.HOP: self._hop}
        del attributes[telemetry.OFFSET], attributes[telemetry.MESSAGE_ID]
        name = telemetry.span_name(telemetry.COMMIT, place)
        form = self._forms.get((name,)) or self._form((name,), name, attributes, linked=False)
        own = _derived(first.context.span_id, telemetry.COMMIT)
        count = self._extra({telemetry.BATCH: len(processed)})
        times = first.began_ns or first.ended_ns, first.committed_ns or first.ended_ns
        if len(processed) == 1:
            return form.fill(TraceContext(first.context.trace_id, own), first.context.span_id, *times) + count
        context = TraceContext(_derived(first.context.span_id, telemetry.COMMIT, size=16), own)
        links = links_bytes([done.context for done in processed[:MAX_LINKS]])
        return form.fill(context, b"", *times) + count + links

    def _deliver(self, attempt: Attempt) -> bytes:
        name = f"{telemetry.DELIVER} {attempt.channel}"
        parent = attempt.parent
        linked = parent is not None
        form = self._forms.get((name, linked)) or self._form((name, linked), name, {telemetry.HOP: self._hop}, linked=linked)
        seed = f"{attempt.referral}/{attempt.attempt}/{attempt.channel}".encode()
        own = parent is None or attempt.late
        trace_id = _derived(seed, telemetry.DELIVER, size=16) if own or parent is None else parent.trace_id
        if parent is not None:
            form.link(parent)
        context = TraceContext(trace_id, _derived(seed, telemetry.DELIVER))
        span = form.fill(context, b"" if own or parent is None else parent.span_id, attempt.start_ns, attempt.end_ns)
        return span + self._extra(_attempt_attributes(attempt)) + (FAILED if attempt.error else b"")

    def _form(self, key: tuple[object, ...], name: str, attributes: dict[str, Attribute], *, linked: bool) -> Form:
        form = self._forms[key] = Form(name, attributes, linked=linked)
        return form

    def _extra(self, attributes: Mapping[str, Attribute]) -> bytes:
        made = []
        for key, value in attributes.items():
            kept = tuple(value) if isinstance(value, list) else value
            encoded = attribute_bytes(key, kept, type(kept))
            if encoded is None:
                self._metrics.count(telemetry.UNLISTED, kind="name" if key not in telemetry.ATTRIBUTES else "value")
            else:
                made.append(encoded)
        return b"".join(made)

    # --- metrics

    def _measure(self, processed: Sequence[Processed]) -> None:
        metrics, hop, first = self._metrics, self._hop, processed[0]
        metrics.count(telemetry.TRANSACTIONS, hop=hop, end="committed")
        metrics.observe(telemetry.COMMIT_SECONDS, (first.committed_ns - first.began_ns) / 1e9, hop=hop)
        for done in processed:
            topic = telemetry.topic_template(_place(done))
            metrics.count(telemetry.CONSUMED, hop=hop, topic=topic)
            metrics.observe(telemetry.PROCESS_SECONDS, (done.ended_ns - done.started_ns) / 1e9, hop=hop, topic=topic)
            if done.dead is not None:
                metrics.count(telemetry.DEAD_LETTERS, hop=hop, topic=topic, reason=done.dead.value)
            if hop == "router" and done.accepted_at is not None and done.sent:
                self._age(done.accepted_at, done.committed_ns, "routed", urgent=done.urgent)
        for topic, count in _sent_by_topic(processed).items():
            metrics.count(telemetry.SENT, count, hop=hop, topic=topic)

    def _age(self, accepted_at: bytes, now_ns: int, to: str, *, urgent: bool) -> None:
        age = age_s(accepted_at, now_ns)
        if age is not None:
            self._metrics.observe(telemetry.TIP_AGE, age, to=to, lane="urgent" if urgent else "routine")

    def _drop(self, reason: str, count: int) -> None:
        self._metrics.count(telemetry.SPANS_DROPPED, count, reason=reason)


def age_s(accepted_at: bytes, now_ns: int) -> float | None:
    """Seconds from the header ``vidare-accepted-at`` to *now_ns*; None where the header is not a time."""
    try:
        return max(0.0, now_ns / 1e9 - datetime.fromisoformat(accepted_at.decode("ascii")).timestamp())
    except (ValueError, UnicodeDecodeError):
        return None


def _messaging(name: str, kind: str, topic: str, *, tip: str | None) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {
        telemetry.MESSAGING_SYSTEM: "kafka",
        telemetry.OPERATION_NAME: name,
        telemetry.OPERATION_TYPE: kind,
        telemetry.DESTINATION: topic,
        telemetry.OFFSET: 0,
        telemetry.MESSAGE_ID: "",
    }
    if telemetry.topic_template(topic) != topic:
        attributes[telemetry.DESTINATION_TEMPLATE] = telemetry.topic_template(topic)
    if tip is not None:
        attributes[telemetry.CONVERSATION] = ""
    return attributes


def _place(done: Processed) -> str:
    if done.record is not None:
        return done.record.topic
    return "timer" if done.given.timer is not None else "told"


def _derived(seed: bytes, what: str, *, size: int = 8) -> bytes:
    return sha256(seed + what.encode() + bytes([size])).digest()[:size]


def _sent_by_topic(processed: Iterable[Processed]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for done in processed:
        for sent in done.sent:
            topic = telemetry.topic_template(sent.topic)
            counts[topic] = counts.get(topic, 0) + 1
    return counts


def _attempt_attributes(attempt: Attempt) -> dict[str, Attribute]:
    given: dict[str, Attribute | None] = {
        telemetry.AGENCY: attempt.agency,
        telemetry.REFERRAL: attempt.referral,
        telemetry.ATTEMPT: attempt.attempt,
        telemetry.TIP: attempt.tip,
        telemetry.HTTP_STATUS: attempt.status_code,
        telemetry.ERROR_TYPE: attempt.error,
        telemetry.BREAKER: attempt.breaker,
    }
    return {key: value for key, value in given.items() if value is not None}
