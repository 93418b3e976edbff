"""
Metrics of a process in Prometheus text; names, labels and buckets come from the closed list.

A label that the list does not name raises at once: it is a mistake of the
programmer, and every call of every metric is run by some test.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from contracts import telemetry
from contracts.telemetry import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry with every listed metric."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._made = {name: _make(metric, self.registry) for name, metric in telemetry.METRICS.items()}
        self._children: dict[tuple[str, ...], MetricWrapperBase] = {}

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add *amount* to a counter."""
        child = self._child(metric, labels)
        assert isinstance(child, Counter), metric.name  # noqa: S101 - the list says what it is
        child.inc(amount)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Put *value* into a histogram."""
        child = self._child(metric, labels)
        assert isinstance(child, Histogram), metric.name  # noqa: S101
        child.observe(value)

    def level(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge to *value*."""
        child = self._child(metric, labels)
        assert isinstance(child, Gauge), metric.name  # noqa: S101
        child.set(value)

    def value(self, metric: Metric, **labels: str) -> float:
        """Read the value of a counter or gauge; 0 where nothing was recorded."""
        return self.registry.get_sample_value(metric.name, labels) or 0.0

    def render(self) -> bytes:
        """Write everything in Prometheus text."""
        return generate_latest(self.registry)

    def _child(self, metric: Metric, labels: dict[str, str]) -> MetricWrapperBase:
        # Resolved once per set of labels: looking a child up by its labels costs more than counting.
        key = (metric.name, *labels.values())
        child = self._children.get(key)
        if child is None:
            if tuple(labels) != metric.labels:
                raise KeyError(f"{metric.name} has the labels {metric.labels}, in this order, not {tuple(labels)}")
            made = self._made[metric.name]
            child = self._children[key] = made.labels(**labels) if labels else made
        return child


def _make(metric: Metric, registry: CollectorRegistry) -> MetricWrapperBase:
    text = f"{metric.meaning} ({metric.unit})"
    if metric.type == "histogram":
        return Histogram(metric.name, text, metric.labels, buckets=metric.buckets, registry=registry)
    if metric.type == "gauge":
        return Gauge(metric.name, text, metric.labels, registry=registry)
    return Counter(metric.name, text, metric.labels, registry=registry)
