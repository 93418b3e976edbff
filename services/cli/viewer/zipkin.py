"""
From the spans that are kept here to Zipkin's JSON (v2): values in, values out.

Zipkin has no links and no status: links and failures become tags. It draws a dependency only between a span's own
service and a named far end, so what goes to or comes from the broker names the broker, and a delivery its agency.
"""

from collections.abc import Sequence
from typing import Any

from contracts import telemetry
from services.chassis.telemetry.localtraces import LocalSpan, Value

BROKER = "kafka"
KINDS = {"server": "SERVER", "client": "CLIENT", "producer": "PRODUCER", "consumer": "CONSUMER"}
"""Internal spans have no kind in Zipkin."""
SHORTEST_US = 1
"""Zipkin takes a duration of 0 for an unfinished span."""


def zipkin_spans(spans: Sequence[LocalSpan]) -> list[dict[str, Any]]:
    """Turn *spans* into the body of ``POST /api/v2/spans``."""
    return [zipkin_span(span) for span in spans]


def zipkin_span(span: LocalSpan) -> dict[str, Any]:
    """Turn one span into Zipkin's form."""
    made: dict[str, Any] = {
        "traceId": span.trace_id,
        "id": span.span_id,
        "name": span.name,
        "timestamp": span.start_ns // 1_000,
        "duration": max(SHORTEST_US, (span.end_ns - span.start_ns) // 1_000),
        "localEndpoint": {"serviceName": span.service},
        "tags": _tags(span),
    }
    if span.parent_id is not None:
        made["parentId"] = span.parent_id
    if span.kind in KINDS:
        made["kind"] = KINDS[span.kind]
    far = far_end(span)
    if far is not None:
        made["remoteEndpoint"] = {"serviceName": far}
    return made


def far_end(span: LocalSpan) -> str | None:
    """Name who is at the other end of *span*: the broker, an agency, or nobody that we may name."""
    if span.kind in ("producer", "consumer") or span.attributes.get(telemetry.MESSAGING_SYSTEM) == BROKER:
        return BROKER
    agency = span.attributes.get(telemetry.AGENCY)
    return str(agency) if span.kind == "client" and agency else None


def _tags(span: LocalSpan) -> dict[str, str]:
    tags = {key: _text(value) for key, value in sorted(span.attributes.items())}
    tags |= {f"link.{n}": f"{trace}/{other}" for n, (trace, other) in enumerate(span.links)}
    if span.failed:
        tags["error"] = tags.get(telemetry.ERROR_TYPE, "true")
    return tags


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return str(value)
