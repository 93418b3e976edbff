"""Spans of hops: whose child each is, what it links to, and that no name is outside the list."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from contracts import telemetry
from contracts.vocabulary import DeadReason
from services.chassis.hop import NAMESPACE, Input, Record, Timer
from services.chassis.telemetry.export import Exporter
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.spanforms import Form, any_value, event_bytes, link_bytes, offset_bytes, tip_bytes
from services.chassis.telemetry.spanmaker import Attempt, SpanMaker
from services.chassis.telemetry.spans import SpanRecorder
from services.chassis.telemetry.telemetry_port import Processed, Sent
from services.chassis.telemetry.tracecontext import TraceContext, fresh_context, process_span, send_span

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
BEGAN = 1_790_000_000_000_000_000
TIP = str(uuid5(NAMESPACE, "a tip"))
TRACE = bytes(range(16))


def some_processed(
    number: int = 0, *, hop: str = "geolocate", topic: str = "tips-received", **changes: object
) -> Processed:
    """One worked record with one event sent on, as the runner tells it."""
    event = uuid5(NAMESPACE, f"event {number}")
    out = uuid5(event, f"{hop}/0")
    given = Input(event, NOW, record=Record(topic, 3, 40 + number, b"key", b"value", [], 0))
    made = Processed(
        hop=hop,
        task="3",
        given=given,
        parent=TraceContext(TRACE, b"parentid"),
        context=TraceContext(TRACE, process_span(event, hop)),
        started_ns=BEGAN,
        ended_ns=BEGAN + 40_000,
        attributes={telemetry.COUNTRIES: ["NL", "SE"]},
        tip=TIP,
        sent=[Sent("tips-located", str(out).encode(), TraceContext(TRACE, send_span(out)), partition=3, offset=7)],
        began_ns=BEGAN + 50_000,
        committed_ns=BEGAN + 9_000_000,
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def spans_made(done: Processed) -> dict[str, Span]:
    """The spans of one record by name; fails on an attribute or name outside the list."""
    made = [Span.FromString(span) for span in SpanMaker(done.hop, pytest.fail).record_spans(done)]
    for span in made:
        assert span.name in telemetry.SPANS
        assert {pair.key for pair in span.attributes} <= set(telemetry.ATTRIBUTES)
    return {span.name: span for span in made}


def attributes(span: Span) -> dict[str, object]:
    """Attributes of *span* as plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


def test_a_record_is_told_by_three_spans_that_hang_together() -> None:
    """The process span is a child of the record's context and links to it; send and locate are its children."""
    done = some_processed()

    spans = spans_made(done)

    process, send, locate = spans["process tips-received"], spans["send tips-located"], spans["locate"]
    assert (process.parent_span_id, process.kind) == (b"parentid", Span.SPAN_KIND_CONSUMER)
    assert [(link.trace_id, link.span_id) for link in process.links] == [(TRACE, b"parentid")]
    assert (send.parent_span_id, send.kind, send.end_time_unix_nano) == (process.span_id, 4, done.committed_ns)
    assert (locate.parent_span_id, locate.end_time_unix_nano) == (process.span_id, done.ended_ns)
    assert {span.trace_id for span in spans.values()} == {TRACE}
    assert send.span_id == done.sent[0].context.span_id


def test_a_span_says_where_its_record_lies() -> None:
    """Messaging attributes name topic, partition, offset, event and tip."""
    spans = spans_made(some_processed(2))

    told = attributes(spans["process tips-received"])
    assert told == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "tips-received",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 42,
        "messaging.message.id": str(uuid5(NAMESPACE, "event 2")),
        "messaging.message.conversation_id": TIP,
        "messaging.consumer.group.name": "geolocate",
    }
    assert attributes(spans["send tips-located"])["messaging.kafka.offset"] == 7
    assert [item.string_value for item in spans["locate"].attributes[-1].value.array_value.values] == ["NL", "SE"]


def test_values_do_not_stay_from_the_record_before() -> None:
    """A prepared message filled twice tells each record as a fresh one would."""
    maker = SpanMaker("geolocate", pytest.fail)
    first, second = some_processed(1), some_processed(2, parent=None, tip=None)

    maker.record_spans(first)
    again = maker.record_spans(second)

    assert again == SpanMaker("geolocate", pytest.fail).record_spans(second)
    assert not Span.FromString(again[1]).parent_span_id
    assert not Span.FromString(again[1]).links


@given(
    trace=st.binary(min_size=16, max_size=16),
    parent=st.binary(min_size=8, max_size=8) | st.just(b""),
    times=st.tuples(st.integers(0, 2**63), st.integers(0, 2**63)),
    offset=st.integers(-1, 2**62),
    tip=st.sampled_from([TIP, "short", "å" * 18, "x" * 300]),
)
def test_a_span_put_together_from_bytes_is_what_the_library_would_write(
    *, trace: bytes, parent: bytes, times: tuple[int, int], offset: int, tip: str
) -> None:
    """Ids, times, links and attributes of any size are read back as what OpenTelemetry's own classes hold."""
    context, link = TraceContext(trace, b"spanspan"), TraceContext(trace[::-1], b"linklink")
    form = Form("process tips-received", {telemetry.HOP: "notifier"})
    made = form.fill(context, parent, *times) + event_bytes(TIP.encode()) + tip_bytes(tip) + offset_bytes(offset)

    said: dict[str, str | int] = {
        telemetry.HOP: "notifier",
        telemetry.MESSAGE_ID: TIP,
        telemetry.CONVERSATION: tip,
        telemetry.OFFSET: offset,
    }
    assert Span.FromString(made + link_bytes(link)) == Span(
        trace_id=trace,
        span_id=b"spanspan",
        parent_span_id=parent,
        name="process tips-received",
        kind=Span.SPAN_KIND_CONSUMER,
        start_time_unix_nano=times[0],
        end_time_unix_nano=times[1],
        attributes=[KeyValue(key=key, value=any_value(value)) for key, value in said.items()],
        links=[Span.Link(trace_id=link.trace_id, span_id=link.span_id)],
    )


def test_an_agency_is_linked_not_told_our_trace() -> None:
    """The send span stays in our trace and links to the fresh context that the document carries."""
    out = uuid5(NAMESPACE, "document")
    sent = Sent("referrals-agency-hotline-nl", str(out).encode(), fresh_context(out), fresh=True)

    span = spans_made(some_processed(hop="notifier", topic="referrals-routed", sent=[sent]))[
        "send referrals-agency-{agency}"
    ]

    assert span.trace_id == TRACE != sent.context.trace_id
    assert [link.trace_id for link in span.links] == [sent.context.trace_id]
    assert attributes(span)["messaging.destination.template"] == "referrals-agency-{agency}"


def test_a_context_of_another_trace_is_linked_only() -> None:
    """A receipt's own trace context never becomes the parent of ours."""
    parent = TraceContext(b"o" * 16, b"outsider")

    span = spans_made(some_processed(hop="receipts", topic="receipts-inbox-police-se", parent=parent, sent=[]))

    process = span["process receipts-inbox-{agency}"]
    assert not process.parent_span_id
    assert [link.trace_id for link in process.links] == [b"o" * 16]


def test_a_dead_letter_failed_with_its_reason() -> None:
    """The process span of a dead letter has status error and the closed reason."""
    span = spans_made(some_processed(dead=DeadReason.NOT_JSON, attributes={}))["process tips-received"]

    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == attributes(span)["vidare.dead_reason"] == "not_json"


def test_a_timer_has_a_span_of_its_own() -> None:
    """What a timer led to is told, without a place in a topic."""
    given = Input(UUID(int=5), NOW, timer=Timer("retry", NOW))

    spans = spans_made(some_processed(hop="notifier", given=given, parent=None, attributes={}))

    assert attributes(spans["process timer"])["vidare.hop"] == "notifier"
    assert "send tips-located" in spans


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("vidare.unheard_of", "x", "name"),
        (telemetry.FLAGS, ["https://host.example/a"], "value"),
        (telemetry.PX, "192.0.2.7", "value"),
        (telemetry.PX, "2001:db8::7", "value"),
        (telemetry.PX, "someone@mail.example", "value"),
        (telemetry.PX, "a" * 40, "value"),
        (telemetry.PX, "words " * 60, "value"),
    ],
)
def test_what_may_not_be_recorded_is_left_out_and_counted(key: str, value: str | list[str], kind: str) -> None:
    """An unlisted name, or a value that looks like a tip's content, never gets into a span."""
    counted: list[str] = []

    made = SpanMaker("geolocate", counted.append).record_spans(some_processed(attributes={key: value}))

    assert counted == [kind]
    assert all(key not in attributes(Span.FromString(span)) for span in made)


def test_a_transaction_of_one_is_below_its_record() -> None:
    """The commit span of one record is in its trace, so that it shows where the time went."""
    done = some_processed()

    span = Span.FromString(SpanMaker("geolocate", pytest.fail).commit_span([done]))

    assert (span.name, span.parent_span_id, span.trace_id) == ("commit tips-received", done.context.span_id, TRACE)


def test_a_transaction_of_many_links_to_its_records() -> None:
    """The commit span of a batch is a trace of its own with bounded links."""
    batch = [some_processed(number) for number in range(200)]

    span = Span.FromString(SpanMaker("geolocate", pytest.fail).commit_span(batch))

    assert (span.parent_span_id, len(span.links)) == (b"", 128)
    assert attributes(span)["messaging.batch.message_count"] == 200


@pytest.mark.parametrize("late", [False, True])
def test_a_late_attempt_begins_a_trace_and_links_back(late: bool) -> None:
    """An attempt soon after the referral is its child; one hours later only links to it."""
    parent = TraceContext(TRACE, b"parentid")
    attempt = Attempt(
        "webhook", "hotline-nl", TIP, 3, BEGAN, BEGAN + 1, status_code=503, error="refused", parent=parent, late=late
    )

    span = Span.FromString(SpanMaker("notifier", pytest.fail).attempt_span(attempt))

    assert (span.name, span.status.code) == ("deliver webhook", Status.STATUS_CODE_ERROR)
    assert (span.trace_id == TRACE, span.parent_span_id == b"parentid") == (not late, not late)
    assert [link.span_id for link in span.links] == [b"parentid"]


class Kept:
    """A place to write to that remembers."""

    name = "kept"

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def write(self, spans: Sequence[bytes]) -> None:
        """Remember *spans*."""
        self.spans.extend(Span.FromString(span) for span in spans)

    def close(self) -> None:
        """Nothing to close."""


async def test_a_large_transaction_is_told_in_slices() -> None:
    """Between two slices the loop is free, and in the end every record has its spans."""
    sink, metrics = Kept(), Metrics()
    recorder = SpanRecorder(Exporter(sink), metrics, hop="geolocate")

    recorder.committed([some_processed(number) for number in range(1_000)])
    turns = 0
    while recorder._pending:
        turns += 1
        await asyncio.sleep(0)
    recorder.close()

    assert turns >= 1_000 // 64 - 1
    assert len(sink.spans) == 3 * 1_000 + 1
    assert metrics.value(telemetry.CONSUMED, hop="geolocate", topic="tips-received") == 1_000
    assert metrics.value(telemetry.SENT, hop="geolocate", topic="tips-located") == 1_000


def test_an_odd_record_costs_its_own_spans_only() -> None:
    """A topic outside the contract fails nothing: its spans are counted as dropped."""
    sink, metrics = Kept(), Metrics()
    recorder = SpanRecorder(Exporter(sink), metrics, hop="geolocate")

    recorder.committed(
        [
            some_processed(),
            some_processed(1, sent=[Sent("no-such-topic", str(UUID(int=1)).encode(), fresh_context(UUID(int=1)))]),
        ]
    )
    recorder.close()

    assert metrics.value(telemetry.SPANS_DROPPED, reason="unmade") == 1
    assert len(sink.spans) == 3 + 1


def test_the_age_of_a_routed_tip_is_measured_from_its_acceptance() -> None:
    """The router's commit puts the tip's age into the histogram of its lane."""
    metrics = Metrics()
    recorder = SpanRecorder(Exporter(Kept()), metrics, hop="router")
    accepted = datetime.fromtimestamp(BEGAN / 1e9 - 2, UTC).isoformat().encode()

    recorder.committed([some_processed(hop="router", topic="tips-located-urgent", accepted_at=accepted, urgent=True)])
    recorder.close()

    assert metrics.registry.get_sample_value("vidare_tip_age_seconds_count", {"to": "routed", "lane": "urgent"}) == 1
    assert (
        2
        <= (metrics.registry.get_sample_value("vidare_tip_age_seconds_sum", {"to": "routed", "lane": "urgent"}) or 0)
        < 3
    )


def test_spans_cost_little() -> None:
    """Making the three spans of a record stays in the order of 10 us (bound generous for a busy machine)."""
    maker, batch = SpanMaker("geolocate", pytest.fail), [some_processed(number) for number in range(2_000)]

    started = time.process_time()
    for done in batch:
        maker.record_spans(done)
    spent = (time.process_time() - started) / len(batch)

    assert spent < 60e-6
