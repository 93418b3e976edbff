"""
The recorder of a hop: spans and metrics of what was committed, made without holding anything up.

Spans are made in slices between other work, so that urgent records do not wait
for the telemetry of routine ones. Nothing here raises.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime

from contracts import telemetry
from services.chassis.export import Exporter
from services.chassis.metrics import Metrics
from services.chassis.spanmaker import Attempt, SpanMaker, place_of
from services.chassis.telemetry_port import Processed
from services.chassis.tracecontext import TraceContext, read_context

CHUNK = 64
"""Records whose spans are made in one go: under 1 ms of work."""
PENDING = 50_000
"""Records that may wait for their spans; beyond it spans are dropped and counted."""


class SpanRecorder:
    """The recorder of one hop process; see `services.chassis.telemetry_port.Recorder`."""

    def __init__(self, exporter: Exporter, metrics: Metrics, *, hop: str) -> None:
        self.metrics = metrics
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
        return self._exporter.flush(timeout_s)

    def close(self) -> None:
        """Write what there is and stop."""
        self.flush()
        self._exporter.close()

    def _commit(self, processed: Sequence[Processed]) -> None:
        measure(self.metrics, self._hop, processed)
        self._exporter.offer([self._maker.commit_span(processed)])
        room = PENDING - len(self._pending)
        if len(processed) > room:
            self.metrics.count(telemetry.SPANS_DROPPED, len(processed) - room, reason="queue_full")
        self._pending.extend(processed[:room])
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
        self._exporter.offer(made)

    def _attempt(self, attempt: Attempt) -> None:
        end, channel = attempt.error or "delivered", attempt.channel
        self.metrics.count(telemetry.ATTEMPTS, agency=attempt.agency, channel=channel, end=end)
        self.metrics.observe(telemetry.ATTEMPT_SECONDS, (attempt.end_ns - attempt.start_ns) / 1e9, channel=channel)
        self._exporter.offer([self._maker.attempt_span(attempt)])

    def _safely(self, records: int, make: Callable[[], None]) -> None:
        try:
            make()
        except Exception:  # noqa: BLE001 - telemetry may never fail a hop that has committed
            self.metrics.count(telemetry.SPANS_DROPPED, records, reason="unmade")


def measure(metrics: Metrics, hop: str, processed: Sequence[Processed]) -> None:
    """Count and time what one transaction did."""
    first, sent = processed[0], Counter[str]()
    metrics.count(telemetry.TRANSACTIONS, hop=hop, end="committed")
    metrics.observe(telemetry.COMMIT_SECONDS, (first.committed_ns - first.began_ns) / 1e9, hop=hop)
    for done in processed:
        topic = telemetry.topic_template(place_of(done))
        metrics.count(telemetry.CONSUMED, hop=hop, topic=topic)
        metrics.observe(telemetry.PROCESS_SECONDS, (done.ended_ns - done.started_ns) / 1e9, hop=hop, topic=topic)
        sent.update(telemetry.topic_template(one.topic) for one in done.sent)
        if done.dead is not None:
            metrics.count(telemetry.DEAD_LETTERS, hop=hop, topic=topic, reason=done.dead.value)
        if hop == "router" and done.record is not None and done.accepted_at is not None:
            age(metrics, done.accepted_at, done.committed_ns, "routed", urgent=done.urgent)
    for topic, count in sent.items():
        metrics.count(telemetry.SENT, count, hop=hop, topic=topic)


def age(metrics: Metrics, accepted_at: bytes, now_ns: int, to: str, *, urgent: bool) -> None:
    """Observe how long after intake accepted it a tip got *to* ``routed``, ``delivered`` or ``acknowledged``."""
    seconds = age_s(accepted_at, now_ns)
    if seconds is not None:
        metrics.observe(telemetry.TIP_AGE, seconds, to=to, lane="urgent" if urgent else "routine")


def age_s(accepted_at: bytes, now_ns: int) -> float | None:
    """Seconds from the header ``vidare-accepted-at`` to *now_ns*; None where the header is not a time."""
    try:
        return max(0.0, now_ns / 1e9 - datetime.fromisoformat(accepted_at.decode("ascii")).timestamp())
    except (ValueError, UnicodeDecodeError):
        return None
