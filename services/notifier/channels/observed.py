"""What a pushed channel tells of each attempt: its span and its metrics, never an address or a body."""

from collections.abc import Callable
from datetime import timedelta

from services.chassis.telemetry.spanmaker import Attempt
from services.chassis.telemetry.tracecontext import parse_traceparent
from services.notifier.delivering.attempt import Asked, AttemptEnd, read_key
from services.notifier.delivering.verdicts import Verdict, of_end, reason

LATE = timedelta(minutes=10)
"""An attempt later than this begins a trace of its own."""

Observe = Callable[[Attempt], None]
"""Is told of every end, for its span and metrics."""


def unobserved(attempt: Attempt) -> None:
    """Nobody counts."""


def span_of(key: str, asked: Asked, end: AttemptEnd, times: tuple[int, int], *, late: bool) -> Attempt:
    """The attempt that the effect *key* asked for, as its span tells it; *times* in ns since 1970."""
    named = read_key(key)
    failed = of_end(end.status, end.fault, end.reply) is not Verdict.DELIVERED
    return Attempt(
        channel=named.channel.value,
        agency=named.agency,
        referral=str(named.id),
        attempt=named.tries,
        start_ns=times[0],
        end_ns=times[1],
        tip=asked.tip,
        status_code=end.status,
        error=reason(end.status, end.fault, end.reply) if failed else None,
        parent=parse_traceparent(asked.trace.encode()) if asked.trace else None,
        late=late,
    )
