"""
Which spans a committed transaction is told by, and what stands in each.

Values in, serialised spans out; `services.chassis.telemetry.spans` decides when.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from contracts import telemetry
from services.chassis.hop import Record
from services.chassis.telemetry.spanforms import (
    Attribute,
    Form,
    attribute_bytes,
    event_bytes,
    failed_bytes,
    link_bytes,
    links_bytes,
    offset_bytes,
    tip_bytes,
)
from services.chassis.telemetry.telemetry_port import Processed, Sent
from services.chassis.telemetry.tracecontext import TraceContext

MAX_LINKS = 128
"""Links of one commit span; backends cut there anyway."""

FAILED = failed_bytes()
SETTLE = "settle"


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


class SpanMaker:
    """Makes the spans of one hop; *unlisted* is told of every attribute that may not be recorded."""

    def __init__(self, hop: str, unlisted: Callable[[str], None]) -> None:
        self._hop = hop
        self._unlisted = unlisted
        self._forms: dict[tuple[object, ...], Form] = {}
        self._decision = telemetry.DECISION_SPANS.get(hop)

    def record_spans(self, done: Processed) -> list[bytes]:
        """Make the spans of one input: its decision's, its own, those of what was sent."""
        extra = self._extra(done.attributes)
        tip = b"" if done.tip is None else tip_bytes(done.tip)
        made = []
        if self._decision is not None and done.record is not None and done.dead is None:
            made.append(self._internal(self._decision, done) + extra)
            extra = b""
        made.append(self._process(done, tip) + extra)
        made.extend([self._send(sent, done, tip) for sent in done.sent])
        return made

    def commit_span(self, processed: Sequence[Processed]) -> bytes:
        """Make the span of a transaction: below its record's span if it had one record, else linked to theirs."""
        first = processed[0]
        place = place_of(first)
        name = telemetry.span_name(telemetry.COMMIT, place)
        form = self._forms.get((name,)) or self._form((name,), name, self._commit_attributes())
        own = _derived(first.context.span_id, telemetry.COMMIT)
        count = self._extra({telemetry.BATCH: len(processed)})
        times = first.began_ns or first.ended_ns, first.committed_ns or first.ended_ns
        if len(processed) == 1:
            return form.fill(TraceContext(first.context.trace_id, own), first.context.span_id, *times) + count
        context = TraceContext(_derived(first.context.span_id, telemetry.COMMIT, size=16), own)
        return form.fill(context, b"", *times) + count + links_bytes([done.context for done in processed[:MAX_LINKS]])

    def attempt_span(self, attempt: Attempt) -> bytes:
        """Make the span ``deliver <channel>`` of one attempt."""
        name = f"{telemetry.DELIVER} {attempt.channel}"
        parent = attempt.parent
        form = self._forms.get((name,)) or self._form((name,), name, {telemetry.HOP: self._hop})
        seed = f"{attempt.referral}/{attempt.attempt}/{attempt.channel}".encode()
        trace_id, above, link = _derived(seed, telemetry.DELIVER, size=16), b"", b""
        if parent is not None:
            link = link_bytes(parent)
            if not attempt.late:
                trace_id, above = parent.trace_id, parent.span_id
        context = TraceContext(trace_id, _derived(seed, telemetry.DELIVER))
        span = form.fill(context, above, attempt.start_ns, attempt.end_ns) + link
        return span + self._extra(_attempt_attributes(attempt)) + (FAILED if attempt.error else b"")

    def _process(self, done: Processed, tip: bytes) -> bytes:
        record, parent, under = done.given.record, done.parent, done.under
        above, link = b"", b""
        if parent is not None:
            link = link_bytes(parent)
            # A context of another trace is an outsider's (an agency's): linked, never followed.
            above = parent.span_id if parent.trace_id == done.context.trace_id else b""
        if under is not None:
            above = under.span_id
        span = b"".join(
            (
                self._process_form(record, done).fill(
                    done.context, above, done.started_ns, max(done.committed_ns, done.ended_ns)
                ),
                event_bytes(done.text),
                tip,
                b"" if record is None else offset_bytes(record.offset),
                link,
            )
        )
        if done.dead is None:
            return span
        reason = done.dead.value
        return span + FAILED + self._extra({telemetry.ERROR_TYPE: reason, telemetry.DEAD_REASON: reason})

    def _process_form(self, record: Record | None, done: Processed) -> Form:
        key = (place_of(done), -1) if record is None else (record.topic, record.partition)
        found = self._forms.get(key)
        if found is not None:
            return found
        place = place_of(done)
        name = telemetry.span_name(telemetry.PROCESS, place)
        if record is None:
            return self._form(key, name, {telemetry.HOP: self._hop})
        attributes = _messaging(telemetry.PROCESS, place, record.partition)
        attributes[telemetry.GROUP] = self._hop
        return self._form(key, name, attributes)

    def _send(self, sent: Sent, done: Processed, tip: bytes) -> bytes:
        key = (telemetry.SEND, sent.topic, sent.partition)
        form = self._forms.get(key)
        if form is None:
            attributes = _messaging(telemetry.SEND, sent.topic, sent.partition)
            form = self._form(key, telemetry.span_name(telemetry.SEND, sent.topic), attributes)
        context, link = sent.context, b""
        if sent.fresh:
            link = link_bytes(context)
            context = TraceContext(done.context.trace_id, context.span_id)
        began, ended = done.began_ns or done.ended_ns, done.committed_ns or done.ended_ns
        span = form.fill(context, done.context.span_id, began, ended)
        return b"".join((span, event_bytes(sent.event), tip, offset_bytes(sent.offset), link))

    def _internal(self, name: str, done: Processed) -> bytes:
        form = self._forms.get((name,)) or self._form((name,), name, {telemetry.HOP: self._hop})
        above = done.context.span_id
        context = TraceContext(done.context.trace_id, _inner(above, name))
        return form.fill(context, above, done.started_ns, done.ended_ns)

    def _commit_attributes(self) -> dict[str, Attribute]:
        attributes: dict[str, Attribute] = {
            telemetry.MESSAGING_SYSTEM: "kafka",
            telemetry.OPERATION_NAME: telemetry.COMMIT,
            telemetry.OPERATION_TYPE: SETTLE,
            telemetry.GROUP: self._hop,
        }
        return attributes

    def _form(self, key: tuple[object, ...], name: str, attributes: Mapping[str, Attribute]) -> Form:
        form = self._forms[key] = Form(name, attributes)
        return form

    def _extra(self, attributes: Mapping[str, Attribute]) -> bytes:
        made = []
        for key, value in attributes.items():
            kept = tuple(value) if isinstance(value, list) else value
            encoded = attribute_bytes(key, kept, type(kept).__name__)
            if encoded is None:
                self._unlisted("value" if key in telemetry.ATTRIBUTES else "name")
            else:
                made.append(encoded)
        return b"".join(made)


def place_of(done: Processed) -> str:
    """Name where an input came from: its topic, ``timer`` or ``told``."""
    if done.record is not None:
        return done.record.topic
    return "timer" if done.given.timer is not None else "told"


def _messaging(operation: str, topic: str, partition: int) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {
        telemetry.MESSAGING_SYSTEM: "kafka",
        telemetry.OPERATION_NAME: operation,
        telemetry.OPERATION_TYPE: operation,
        telemetry.DESTINATION: topic,
        telemetry.PARTITION: str(partition),
    }
    if telemetry.topic_template(topic) != topic:
        attributes[telemetry.DESTINATION_TEMPLATE] = telemetry.topic_template(topic)
    return attributes


@lru_cache(maxsize=64)
def _mask(name: str) -> int:
    return int.from_bytes(_derived(b"", name))


def _inner(above: bytes, name: str) -> bytes:
    """Span id of the one span *name* inside the span *above*: another id, the same when done again, no hash."""
    return (int.from_bytes(above) ^ _mask(name)).to_bytes(8)


def _derived(seed: bytes, what: str, *, size: int = 8) -> bytes:
    return sha256(seed + what.encode() + bytes([size])).digest()[:size]


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
