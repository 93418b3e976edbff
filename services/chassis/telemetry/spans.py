"""
The recorder of a hop: spans and metrics of what was committed, made without holding anything up.

Spans are made in slices between other work, so that urgent records do not wait
for the telemetry of routine ones. Nothing here raises.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from contracts import telemetry
from services.chassis.telemetry.export import Exporter
from services.chassis.telemetry.measuring import Measurer
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.spanmaker import Attempt, SpanMaker
from services.chassis.telemetry.telemetry_port import Processed
from services.chassis.telemetry.tracecontext import TraceContext, read_context

CHUNK = 64
"""Records whose spans are made in one go: under 1 ms of work."""
PENDING = 2_000
"""Records that may wait for their spans, about 10 MB; beyond it spans are made at once, so that memory stays flat."""


class SpanRecorder:
    """
    The recorder of one hop process; see `services.chassis.telemetry.telemetry_port.Recorder`.

    Without an exporter it measures and builds no spans.
    """

    def __init__(self, exporter: Exporter | None, metrics: Metrics, *, hop: str) -> None:
        self.metrics = metrics
        self._measurer = Measurer(metrics, hop)
        self._exporter = exporter
        self._hop = hop
        self._maker = SpanMaker(hop, lambda kind: metrics.count(telemetry.UNLISTED, kind=kind))
        self._pending: deque[Processed] = deque()
        self._scheduled = False

    def context_of(self, headers: Sequence[tuple[str, bytes]]) -> TraceContext | None:
        """Read the context that *headers* carry, or None where there is none or it is malformed (counted)."""
        return read_context(headers, self.refused_header)

    def refused_header(self) -> None:
        """Count one malformed ``traceparent``."""
        self.metrics.count(telemetry.BAD_TRACE_HEADERS, hop=self._hop)

    def committed(self, processed: Sequence[Processed]) -> None:
        """Take note of one committed transaction: metrics now, spans now or in slices between other work."""
        if processed:
            self._safely(len(processed), lambda: self._commit(processed))

    def attempted(self, attempt: Attempt) -> None:
        """Record one delivery attempt: its span ``deliver <channel>``, its count, its duration."""
        self._safely(1, lambda: self._attempt(attempt))

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Make the spans still to be made and wait until they are written; False when that took too long."""
        while self._pending:
            self._make_some()
        return self._exporter is None or self._exporter.flush(timeout_s)

    def close(self) -> None:
        """Write what there is and stop."""
        self.flush()
        if self._exporter is not None:
            self._exporter.close()

    def _commit(self, processed: Sequence[Processed]) -> None:
        self._measurer.transaction(processed)
        if self._exporter is None:
            return
        self._exporter.offer([self._maker.commit_span(processed)])
        self._pending.extend(processed)
        while len(self._pending) > PENDING:
            self._make_some()
        if not self._scheduled:
            self._slice()

    def _slice(self) -> None:
        self._scheduled = False
        self._make_some()
        if not self._pending:
            return
        try:
            asyncio.get_running_loop().call_soon(self._slice)
            self._scheduled = True
        except RuntimeError:  # no loop: a test, or the end of the process
            while self._pending:
                self._make_some()

    def _make_some(self) -> None:
        made: list[bytes] = []
        for _ in range(min(CHUNK, len(self._pending))):
            done = self._pending.popleft()
            self._safely(1, lambda one=done: made.extend(self._maker.record_spans(one)))  # type: ignore[misc]
        if self._exporter is not None:
            self._exporter.offer(made)

    def _attempt(self, attempt: Attempt) -> None:
        self._measurer.attempt(attempt)
        if self._exporter is not None:
            self._exporter.offer([self._maker.attempt_span(attempt)])

    def _safely(self, records: int, make: Callable[[], None]) -> None:
        try:
            make()
        except Exception:  # noqa: BLE001 - telemetry may never fail a hop that has committed
            self.metrics.count(telemetry.SPANS_DROPPED, records, reason="unmade")
