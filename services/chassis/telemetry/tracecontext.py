"""W3C trace context, read with suspicion and written once; ids are derived, so that a step done twice has the same."""

import re
from binascii import unhexlify
from collections.abc import Callable, Sequence
from hashlib import sha256
from uuid import UUID

import msgspec

from contracts.headers import TRACEPARENT

_FORM = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
_LATER = re.compile(rb"(?!00|ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-[ -~]{0,512})?").fullmatch
"""Versions to come keep the first four fields; ``ff`` is forbidden for ever."""
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)


class TraceContext(msgspec.Struct, frozen=True, gc=False):
    """One span's place: the trace, the span, the flags."""

    trace_id: bytes
    span_id: bytes
    flags: int = 1

    @property
    def header(self) -> bytes:
        """The value of ``traceparent``."""
        return f"00-{self.trace_id.hex()}-{self.span_id.hex()}-{self.flags:02x}".encode()


def parse_traceparent(value: object) -> TraceContext | None:
    """Parse *value*, or return None for whatever is not exactly a valid ``traceparent``; never raises."""
    if not isinstance(value, bytes):
        return None
    if (_FORM(value) or _LATER(value)) is None:
        return None
    trace, span = unhexlify(value[3:35]), unhexlify(value[36:52])
    if trace == _NO_TRACE or span == _NO_SPAN:
        return None
    return TraceContext(trace, span, int(value[53:55], 16))


def read_context(headers: Sequence[tuple[str, bytes]], refused: Callable[[], None]) -> TraceContext | None:
    """Read the one ``traceparent`` of *headers*; two of them, or a malformed one, count as *refused* and give None."""
    found = [value for name, value in headers if name == TRACEPARENT]
    if not found:
        return None
    context = parse_traceparent(found[0]) if len(found) == 1 else None
    if context is None:
        refused()
    return context


def process_span(event: UUID, hop: str) -> bytes:
    """Span id of *hop* working the event *event*."""
    return sha256(event.bytes + hop.encode()).digest()[:8]


def send_span(event: UUID) -> bytes:
    """Span id of writing the event *event*."""
    return event.bytes[8:]


def trace_of_tip(tip: str) -> bytes:
    """Trace id of a tip that arrived without a context."""
    return sha256(b"trace/" + tip.encode()).digest()[:16]


def fresh_context(event: UUID) -> TraceContext:
    """A context for a receiver who must not learn ours: derived from the event alone, not sampled."""
    return TraceContext(sha256(b"fresh/" + event.bytes).digest()[:16], send_span(event), 0)
