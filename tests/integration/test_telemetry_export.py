"""Spans on their way out: to a collector over HTTP, or to files; and never in the way of a tip."""

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from contracts import telemetry
from services.chassis.settings import Settings
from services.chassis.telemetry.export import Exporter
from services.chassis.telemetry.localtraces import spans_of
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.recording import exporter_of, hop_recorder
from services.chassis.telemetry.tracecontext import parse_traceparent
from services.chassis.telemetry.tracing import DoorTracing
from tests.support.otlp import OtlpReceiver

INCOMING = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def some_spans(count: int) -> list[bytes]:
    """Serialised spans."""
    return [
        Span(trace_id=b"T" * 16, span_id=n.to_bytes(8, "big"), name="locate").SerializeToString()
        for n in range(1, count + 1)
    ]


def settings(tmp_path: Path, otlp: str | None = None) -> Settings:
    """Settings of a process with a home of its own."""
    return Settings(home=tmp_path, otlp=otlp)


async def test_spans_arrive_at_a_collector(tmp_path: Path) -> None:
    """What was offered is received whole, under the service's name, version and instance."""
    async with OtlpReceiver().running() as receiver:
        exporter = exporter_of(settings(tmp_path, receiver.endpoint), Metrics(), "geolocate", "geolocate-0")
        exporter.offer(some_spans(9_000))
        await receiver.until(lambda got: len(got.spans("geolocate")) == 9_000)
        exporter.close()

    assert {span.span_id for span in receiver.spans()} == {Span.FromString(span).span_id for span in some_spans(9_000)}
    attributes = {
        pair.key: pair.value.string_value for pair in receiver.requests[0].resource_spans[0].resource.attributes
    }
    assert set(attributes) == set(telemetry.RESOURCE)
    assert attributes["service.instance.id"] == "geolocate-0"
    assert not (tmp_path / "traces").exists()


async def test_a_collector_that_stumbles_is_asked_again(tmp_path: Path) -> None:
    """503 and 429 lose nothing as long as the next answer is good."""
    receiver = OtlpReceiver(answers=[503, 429])
    async with receiver.running():
        exporter = exporter_of(settings(tmp_path, receiver.endpoint), Metrics(), "router")
        exporter.offer(some_spans(3))
        await receiver.until(lambda got: len(got.spans()) == 3)
        exporter.close()

    assert exporter.dropped == 0


async def test_a_collector_that_says_no_loses_spans_and_nothing_else(tmp_path: Path) -> None:
    """A refusal is counted; the spans after it go out."""
    metrics, receiver = Metrics(), OtlpReceiver(answers=[400])
    async with receiver.running():
        exporter = exporter_of(settings(tmp_path, receiver.endpoint), metrics, "router")
        exporter.offer(some_spans(3))
        while not exporter.dropped:
            await asyncio.to_thread(exporter.flush, 0.1)
        exporter.offer(some_spans(2))
        await receiver.until(lambda got: len(got.spans()) == 2)
        exporter.close()

    assert metrics.value(telemetry.SPANS_DROPPED, reason="otlp_failed") == 3


def test_no_collector_at_all_never_waits(tmp_path: Path) -> None:
    """Offering to a collector that is not there takes no time, and closing ends within its limit."""
    metrics = Metrics()
    exporter = exporter_of(settings(tmp_path, "http://127.0.0.1:9"), metrics, "router")

    started = time.monotonic()
    for _ in range(100):
        exporter.offer(some_spans(10))
    offered = time.monotonic() - started
    exporter.close(timeout_s=5)

    assert offered < 0.5
    assert exporter.dropped == metrics.value(telemetry.SPANS_DROPPED, reason="otlp_failed") == 1_000


def test_a_full_queue_drops_and_counts() -> None:
    """While the place to write to is stuck the queue stays bounded, and what is lost is counted."""
    release = threading.Event()

    class Stuck:
        name = "stuck"
        written = 0

        def write(self, spans: Sequence[bytes]) -> None:
            release.wait()
            self.written += len(spans)

        def close(self) -> None:
            pass

    sink = Stuck()
    exporter = Exporter(sink, limit=5_000)
    for _ in range(20):
        exporter.offer(some_spans(1_000))
    release.set()
    exporter.close()

    assert sink.written == exporter.exported <= 5_000 + 4_000
    assert exporter.exported + exporter.dropped == 20_000


def test_without_a_collector_traces_are_kept_here(tmp_path: Path) -> None:
    """No endpoint: a hop's and a door's spans are found on this machine, as one trace."""
    tracing = DoorTracing.of(settings(tmp_path), "intake-door")
    with tracing.door_span("POST /v1/tips") as span:
        span.set(telemetry.PARTNER, "ecpat-se")
        span.status(202)
    tracing.close()
    recorder = hop_recorder(settings(tmp_path), "intake", "intake-0")
    recorder.close()

    (kept,) = spans_of(tmp_path, span.trace_id)
    assert (kept.name, kept.kind, kept.service) == ("POST /v1/tips", "server", "intake-door")
    assert kept.attributes == {
        "http.request.method": "POST", "http.route": "/v1/tips", "vidare.partner": "ecpat-se",
        "http.response.status_code": 202,
    }  # fmt: skip


async def test_a_partners_context_is_followed_and_a_strangers_linked(tmp_path: Path) -> None:
    """An authenticated partner's span is the parent; anybody else's context is a link from a trace of our own."""
    async with OtlpReceiver().running() as receiver:
        tracing = DoorTracing.of(settings(tmp_path, receiver.endpoint), "intake-door")
        with tracing.door_span("POST /v1/tips", traceparent=INCOMING, trusted=True) as partner:
            pass
        with tracing.door_span("POST /report", traceparent=INCOMING) as stranger:
            pass
        with tracing.door_span("POST /report", traceparent="00-not-a-header"):
            pass
        await receiver.until(lambda got: len(got.spans()) == 3)
        tracing.close()

    followed, linked, plain = receiver.spans("intake-door")
    assert followed.trace_id.hex() == INCOMING[3:35] == partner.trace_id
    assert followed.parent_span_id.hex() == INCOMING[36:52]
    assert linked.trace_id.hex() == stranger.trace_id != INCOMING[3:35]
    assert [link.span_id.hex() for link in linked.links] == [INCOMING[36:52]]
    assert not plain.links
    assert parse_traceparent(partner.traceparent) == partner.context
    assert tracing.metrics.value(telemetry.BAD_TRACE_HEADERS, hop="door") == 1


async def test_a_door_records_no_content_and_no_message(tmp_path: Path) -> None:
    """Attributes that look like content are left out; an exception leaves its class only."""
    async with OtlpReceiver().running() as receiver:
        tracing = DoorTracing.of(settings(tmp_path, receiver.endpoint), "intake-door")
        try:
            with tracing.door_span("POST /v1/tips") as span:
                span.set(telemetry.PX, "https://host.example/a")
                span.set("vidare.unheard_of", "x")
                raise RuntimeError("neutral canary")  # noqa: TRY301
        except RuntimeError:
            pass
        await receiver.until(lambda got: bool(got.spans()))
        tracing.close()

    everything = b"".join(request.SerializeToString() for request in receiver.requests)
    assert b"RuntimeError" in everything
    assert b"canary" not in everything
    assert b"host.example" not in everything
    assert b"unheard_of" not in everything
