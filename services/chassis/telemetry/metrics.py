"""
Metrics of a process in Prometheus text; names, labels and buckets come from the closed list.

A label that the list does not name raises at once: it is a mistake of the
programmer, and every call of every metric is run by some test. A value that is
not listed becomes ``other``: it may be somebody's words.
"""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from contracts import labels as closed
from contracts import telemetry
from contracts.telemetry import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series beside each counter, which nobody reads and which is on no list


class Metrics:
    """One registry with every listed metric."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._made = {name: _make(metric, self.registry) for name, metric in telemetry.METRICS.items()}
        self._children: dict[tuple[str, ...], MetricWrapperBase] = {}

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add *amount* to a counter; 0 makes it known, so that its first increase is seen as one."""
        child = self._child(metric, labels)
        assert isinstance(child, Counter), metric.name  # noqa: S101 - the list says what it is
        child.inc(amount)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Put *value* into a histogram."""
        self.histogram(metric, **labels).observe(value)

    def histogram(self, metric: Metric, **labels: str) -> Histogram:
        """The histogram of one set of labels, for those who observe often."""
        child = self._child(metric, labels)
        assert isinstance(child, Histogram), metric.name  # noqa: S101
        return child

    def level(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge to *value*."""
        child = self._child(metric, labels)
        assert isinstance(child, Gauge), metric.name  # noqa: S101
        child.set(value)

    def levels(self, metric: Metric, values: Mapping[tuple[str, ...], float]) -> None:
        """Set every level of a gauge with labels; others go away: another process has them."""
        for labels, value in values.items():
            self.level(metric, value, **dict(zip(metric.labels, labels, strict=True)))
        for key in [key for key in self._children if key[0] == metric.name and key[1:] not in values]:
            del self._children[key]
            self._made[metric.name].remove(*_closed(metric, key[1:]))

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
            child = made.labels(*_closed(metric, key[1:])) if labels else made
            if len(self._children) < MOST_CHILDREN:
                self._children[key] = child
        return child


MOST_CHILDREN = 20_000
"""Sets of labels that are kept resolved: values that are not listed are without number."""


def _closed(metric: Metric, values: tuple[str, ...]) -> list[str]:
    pairs = zip(metric.labels, values, strict=True)
    return [value if closed.listed(metric, label, value) else closed.OTHER for label, value in pairs]


def _make(metric: Metric, registry: CollectorRegistry) -> MetricWrapperBase:
    text = f"{metric.meaning} ({metric.unit})"
    if metric.type == "histogram":
        return Histogram(metric.name, text, metric.labels, buckets=metric.buckets, registry=registry)
    if metric.type == "gauge":
        return Gauge(metric.name, text, metric.labels, registry=registry)
    return Counter(metric.name, text, metric.labels, registry=registry)
