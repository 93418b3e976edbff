"""
Prepared span messages: what never changes about a kind of span is built once, ids and times are filled in.

A fill and its serialisation cost about 1 us; the SDK's span objects cost sixty
times that, which is why hops do not use them. What differs from record to
record (attributes of a decision) is serialised apart and appended: repeated
fields of a message may be concatenated.
"""

from functools import lru_cache
from uuid import UUID

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from contracts import telemetry
from services.chassis.tracecontext import TraceContext

KINDS = {
    "internal": Span.SPAN_KIND_INTERNAL,
    "server": Span.SPAN_KIND_SERVER,
    "client": Span.SPAN_KIND_CLIENT,
    "producer": Span.SPAN_KIND_PRODUCER,
    "consumer": Span.SPAN_KIND_CONSUMER,
}

RENEW_AFTER = 4_096
"""A message keeps the memory of every value it ever held: after this many fills (about 0.5 MB) it is made anew."""

REMOTE = 0x300
"""OTLP span flags: the parent is known to be in another process."""

Attribute = str | int | float | bool | list[str] | tuple[str, ...]


class Form:
    """One kind of span at one place, ready to be filled."""

    __slots__ = (
        "_attributes",
        "_conversation",
        "_fills",
        "_link",
        "_linked",
        "_message_id",
        "_name",
        "_offset",
        "_span",
    )

    def __init__(self, name: str, attributes: dict[str, Attribute], *, linked: bool) -> None:
        self._name = name
        self._attributes = attributes
        self._linked = linked
        self._renew()

    def _renew(self) -> None:
        span = Span(name=self._name, kind=KINDS[telemetry.SPANS[self._name]])
        span.attributes.extend(KeyValue(key=key, value=any_value(value)) for key, value in self._attributes.items())
        self._span = span
        self._offset = self._slot(telemetry.OFFSET)
        self._message_id = self._slot(telemetry.MESSAGE_ID)
        self._conversation = self._slot(telemetry.CONVERSATION)
        self._link = span.links.add() if self._linked else None
        self._fills = 0

    def _slot(self, key: str) -> AnyValue | None:
        return next((pair.value for pair in self._span.attributes if pair.key == key), None)

    def message(self, event: UUID | None, tip: str | None, offset: int = 0) -> None:
        """Fill in which record the span is about."""
        if self._message_id is not None and event is not None:
            self._message_id.string_value = str(event)
        if self._conversation is not None and tip is not None:
            self._conversation.string_value = tip
        if self._offset is not None:
            self._offset.int_value = offset

    def link(self, context: TraceContext) -> None:
        """Fill in the one link of a linked form."""
        if self._link is not None:
            self._link.trace_id = context.trace_id
            self._link.span_id = context.span_id

    def fill(self, context: TraceContext, parent: bytes, start_ns: int, end_ns: int) -> bytes:
        """Fill in ids and times and serialise; *parent* may be empty."""
        span = self._span
        span.trace_id = context.trace_id
        span.span_id = context.span_id
        span.parent_span_id = parent
        span.start_time_unix_nano = start_ns
        span.end_time_unix_nano = end_ns
        made: bytes = span.SerializeToString()
        self._fills += 1
        if self._fills >= RENEW_AFTER:
            self._renew()
        return made


def any_value(value: Attribute) -> AnyValue:
    """Turn a plain value into OTLP's."""
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case _:
            return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=item) for item in value]))


@lru_cache(maxsize=8_192)
def attribute_bytes(key: str, value: str | float | tuple[str, ...], kind: str) -> bytes | None:
    """
    Serialise one attribute so that it can be appended to a span; None if it may not be recorded.

    *kind* names the value's type: it keeps 1, 1.0 and True apart in the cache.
    """
    texts = value if isinstance(value, tuple) else (value,) if kind == "str" else ()
    if key not in telemetry.ATTRIBUTES or any(telemetry.forbidden_shape(str(text)) for text in texts):
        return None
    made: bytes = Span(attributes=[KeyValue(key=key, value=any_value(value))]).SerializeToString()
    return made


def failed_bytes() -> bytes:
    """Serialise the status of a span that failed; its reason is an attribute, never a message."""
    made: bytes = Span(status=Status(code=Status.STATUS_CODE_ERROR)).SerializeToString()
    return made


def links_bytes(contexts: list[TraceContext]) -> bytes:
    """Serialise several links."""
    links = [Span.Link(trace_id=context.trace_id, span_id=context.span_id) for context in contexts]
    made: bytes = Span(links=links).SerializeToString()
    return made
