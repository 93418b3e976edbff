"""
How a process gets its telemetry: one exporter for all of its spans, one registry, one recorder.

``hop_recorder`` is what ``services.<name> hop`` needs, `telemetry.tracing.DoorTracing` what a door needs.
"""

import os
from importlib.metadata import PackageNotFoundError, version

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from contracts import labels, telemetry
from services.chassis.running.allocation import hand_back
from services.chassis.settings import Settings
from services.chassis.telemetry.export import Exporter, OtlpSink, Sink
from services.chassis.telemetry.localtraces import LocalSink
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.spanforms import any_value
from services.chassis.telemetry.spans import SpanRecorder

UNKNOWN_VERSION = "0"


def resource_names(service: str, instance: str | None = None) -> dict[str, str]:
    """Say who records: the service (``intake``, ``intake-door``), its version and which process it is."""
    values = (service, "vidare", installed_version(), instance or f"{service}-{os.getpid()}")
    return dict(zip(telemetry.RESOURCE, values, strict=True))


def installed_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("vidare")
    except PackageNotFoundError:
        return UNKNOWN_VERSION


def exporter_of(settings: Settings, metrics: Metrics, service: str, instance: str | None = None) -> Exporter:
    """Make the way out of this process's spans: to the collector that is set, else to files under ``home``."""
    names = resource_names(service, instance)
    resource = Resource(attributes=[KeyValue(key=key, value=any_value(value)) for key, value in names.items()])
    sink: Sink = OtlpSink(settings.otlp, resource) if settings.otlp else LocalSink(settings.home, resource)
    for reason in ("queue_full", "unmade", f"{sink.name}_failed"):
        metrics.count(telemetry.SPANS_DROPPED, 0, reason=reason)
    for kind in labels.UNLISTED_KINDS:
        metrics.count(telemetry.UNLISTED, 0, kind=kind)
    metrics.count(telemetry.SPANS_EXPORTED, 0, to=sink.name)
    return Exporter(
        sink,
        on_drop=lambda reason, count: metrics.count(telemetry.SPANS_DROPPED, count, reason=reason),
        on_export=lambda to, count: metrics.count(telemetry.SPANS_EXPORTED, count, to=to),
    )


def hop_recorder(settings: Settings, hop: str, member: str | None = None) -> SpanRecorder:
    """Make the recorder of a hop process, first of all; its ``metrics.render`` is what ``/metrics`` answers."""
    hand_back()
    metrics = Metrics()
    exporter = exporter_of(settings, metrics, hop, member) if settings.spans == "on" else None
    return SpanRecorder(exporter, metrics, hop=hop)
