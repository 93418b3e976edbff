"""
Spans of doors, through the OpenTelemetry SDK: the only module that imports it.

A request is a SERVER span named by method and route template; what the door
appends to an inbox carries this span's context, so that the hop's spans follow.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from contracts import telemetry
from services.chassis.settings import Settings
from services.chassis.telemetry.export import Exporter
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.recording import exporter_of, resource_names
from services.chassis.telemetry.spanforms import Attribute
from services.chassis.telemetry.tracecontext import TraceContext, parse_traceparent

SERVER_ERROR = 500


class DoorSpan:
    """The span of one request, while it is open."""

    def __init__(self, span: trace.Span, metrics: Metrics) -> None:
        self._span = span
        self._metrics = metrics
        context = span.get_span_context()
        self.context = TraceContext(context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big"))

    @property
    def traceparent(self) -> bytes:
        """Value of the header ``traceparent`` for the record that this request leads to."""
        return self.context.header

    @property
    def trace_id(self) -> str:
        """The trace id in 32 hex digits, as it is answered to the caller."""
        return self.context.trace_id.hex()

    def set(self, key: str, value: Attribute) -> None:
        """Set a listed attribute; an unlisted one, or one that looks like tip content, is counted and left out."""
        texts = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
        if key not in telemetry.ATTRIBUTES or any(telemetry.forbidden_shape(text) for text in texts):
            self._metrics.count(telemetry.UNLISTED, kind="value" if key in telemetry.ATTRIBUTES else "name")
            return
        self._span.set_attribute(key, value)

    def status(self, code: int) -> None:
        """Set the status code that was answered; from 500 on the span has failed."""
        self._span.set_attribute(telemetry.HTTP_STATUS, code)
        if code >= SERVER_ERROR:
            self._span.set_attribute(telemetry.ERROR_TYPE, str(code))
            self._span.set_status(trace.StatusCode.ERROR)


class DoorTracing:
    """Spans and metrics of a door process."""

    def __init__(self, exporter: Exporter, metrics: Metrics, service: str) -> None:
        self.metrics = metrics
        self._exporter = exporter
        provider = TracerProvider(resource=Resource(resource_names(service)), sampler=ALWAYS_ON)
        provider.add_span_processor(_Handover(exporter))
        self._tracer = provider.get_tracer(telemetry.SCOPE, schema_url=telemetry.SCHEMA_URL)

    @classmethod
    def of(cls, settings: Settings, service: str) -> "DoorTracing":
        """Make a door's tracing; *service* is named like ``intake-door``."""
        metrics = Metrics()
        return cls(exporter_of(settings, metrics, service), metrics, service)

    @contextmanager
    def door_span(
        self, route: str, *, traceparent: str | bytes | None = None, trusted: bool = False
    ) -> Iterator[DoorSpan]:
        """
        Open the span of one request.

        Args:
            route: One of `contracts.telemetry.DOOR_ROUTES`.
            traceparent: What the caller sent, unchecked.
            trusted: True for an authenticated partner, whose span becomes the parent; others are linked.

        Raises:
            KeyError: *route* is not listed.
        """
        telemetry.SPANS[route]
        outside = self._outside(traceparent)
        span = self._tracer.start_span(
            route,
            context=trace.set_span_in_context(trace.NonRecordingSpan(outside)) if outside and trusted else Context(),
            kind=trace.SpanKind.SERVER,
            attributes={telemetry.HTTP_METHOD: route.split(maxsplit=1)[0], telemetry.HTTP_ROUTE: route.split()[1]},
            links=[trace.Link(outside)] if outside else [],
        )
        try:
            yield DoorSpan(span, self.metrics)
        except BaseException as error:
            span.set_attribute(telemetry.ERROR_TYPE, type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.end()

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until every ended span is written; False when that took too long."""
        return self._exporter.flush(timeout_s)

    def close(self) -> None:
        """Write what there is and stop."""
        self._exporter.close()

    def _outside(self, header: str | bytes | None) -> trace.SpanContext | None:
        if header is None:
            return None
        context = parse_traceparent(header.encode("latin-1", "replace") if isinstance(header, str) else header)
        if context is None:
            self.metrics.count(telemetry.BAD_TRACE_HEADERS, hop="door")
            return None
        trace_id, span_id = (int.from_bytes(part, "big") for part in (context.trace_id, context.span_id))
        return trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(context.flags & 1))


class _Handover(SpanProcessor):
    """Gives every ended span, serialised, to the exporter that hops use too."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def on_end(self, span: ReadableSpan) -> None:
        """Hand *span* on."""
        self._exporter.offer(serialised([span]))


def serialised(spans: Sequence[ReadableSpan]) -> list[bytes]:
    """Serialise SDK spans one by one, as OTLP has them."""
    request = encode_spans(spans)
    return [
        span.SerializeToString()
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
