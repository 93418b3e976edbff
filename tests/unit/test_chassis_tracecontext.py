"""W3C trace context from strangers."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.telemetry.telemetry_port import NoRecorder
from services.chassis.telemetry.tracecontext import (
    TraceContext,
    fresh_context,
    parse_traceparent,
    process_span,
    send_span,
    trace_of_tip,
)

GOOD = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_valid_context_is_read_and_written_back() -> None:
    """Reading and writing are inverse."""
    context = parse_traceparent(GOOD)

    assert context == TraceContext(
        bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), bytes.fromhex("b7ad6b7169203331"), 1
    )
    assert context is not None
    assert context.header == GOOD


@pytest.mark.parametrize(
    "value",
    [
        b"", b"\xff\xfe", None, "text", GOOD.upper(), GOOD + b"-more", b"ff" + GOOD[2:], b"00-" + b"0" * 32 + GOOD[35:],
        GOOD[:36] + b"0" * 16 + b"-01", GOOD[:-1], b" " + GOOD, GOOD + b"\n", b"00-" + b"a" * 10_000,
        b"01" + GOOD[2:] + b"\x00",
    ],
)  # fmt: skip
def test_malformed_contexts_are_none(value: object) -> None:
    """Not UTF-8, null, upper case, too long, forbidden version, zero ids: no context."""
    assert parse_traceparent(value) is None


def test_a_later_version_with_more_fields_is_read() -> None:
    """Versions to come keep the first fields."""
    assert parse_traceparent(b"01" + GOOD[2:] + b"-what-comes") == parse_traceparent(GOOD)


@given(st.one_of(st.binary(max_size=200), st.none(), st.text(), st.integers()))
def test_reading_never_raises(value: object) -> None:
    """Whatever stands in the header, the answer is a context or None."""
    context = parse_traceparent(value)
    assert context is None or (len(context.trace_id), len(context.span_id)) == (16, 8)


def test_two_contexts_are_none_and_counted() -> None:
    """With two headers nobody knows which is right; both are ignored, one count."""
    recorder = NoRecorder()

    assert recorder.context_of([("traceparent", GOOD), ("traceparent", GOOD)]) is None
    assert recorder.context_of([("traceparent", b"\xff")]) is None
    assert recorder.context_of([("other", b"x")]) is None
    assert recorder.refused == 2


def test_derived_ids_are_the_same_when_a_step_is_done_again() -> None:
    """Span ids depend on the event and the hop alone; an agency's trace tells nothing of ours."""
    event = uuid4()

    assert process_span(event, "router") == process_span(event, "router") != process_span(event, "intake")
    assert send_span(event) == send_span(event)
    assert fresh_context(event).trace_id != trace_of_tip(str(event))
    assert fresh_context(event).flags == 0
