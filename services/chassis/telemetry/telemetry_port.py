"""
What the runner tells whoever records spans and metrics; the recorder is plugged in, never imported.

Everything here is known only after the commit, so that telemetry exists for
what happened and for nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from contracts.headers import VIDARE_VIA
from contracts.telemetry import Metric
from contracts.vocabulary import DeadReason
from services.chassis.hop import Input, Record
from services.chassis.telemetry.tracecontext import TraceContext, read_context

Attribute = str | int | float | bool | list[str]


class Sent(msgspec.Struct, gc=False):
    """One event that was written; *partition* and *offset* are known once it is committed."""

    topic: str
    event: bytes
    """Text of the event's id."""
    context: TraceContext
    """Context of the send span, as it stands in the event's ``traceparent``."""
    fresh: bool = False
    """True where the event carries a trace of its own (agencies): link it, do not parent it."""
    partition: int = -1
    offset: int = -1


class Processed(msgspec.Struct, gc=False):
    """One input that was worked in a committed transaction."""

    hop: str
    task: str
    given: Input
    parent: TraceContext | None
    """Context the record brought (of the one who sent it); None: this is the first span of its trace."""
    context: TraceContext
    """Context of the process span."""
    started_ns: int
    ended_ns: int
    """Begin and end of the decision."""
    attributes: Mapping[str, Attribute]
    tip: str | None
    dead: DeadReason | None = None
    """Set where the record went to the dead letters."""
    sent: list[Sent] = msgspec.field(default_factory=list)
    urgent: bool = False
    accepted_at: bytes | None = None
    """Header ``vidare-accepted-at`` of the record, for ages."""
    under: TraceContext | None = None
    """Where the decision said this belongs (`Outcome.traceparent`): the parent, whatever the record brought."""
    began_ns: int = 0
    committed_ns: int = 0
    """Begin and end of the transaction."""
    text: bytes = b""
    """Text of the input's event id; made from it where it is not given."""

    def __post_init__(self) -> None:
        """Write the id out, once."""
        if not self.text:
            self.text = str(self.given.event_id).encode()

    def lighten(self, *, inbox: bool = False) -> None:
        """Let go of the record's body and headers, for spans may wait long; of an *inbox*, metrics count the way in."""
        given, record = self.given, self.given.record
        if record is not None:
            kept = [header for header in record.headers if header[0] == VIDARE_VIA] if inbox else ()
            place = Record(record.topic, record.partition, record.offset, None, None, kept, record.timestamp_ms)
            self.given = Input(given.event_id, given.now, place)

    @property
    def record(self) -> Record | None:
        """The record, where the input is one."""
        return self.given.record


class Level(NamedTuple):
    """
    What a task's store tells of one level, as a hop's ``levels(view, now)`` gives it.

    Numbers of one metric and set of labels are added up, ages and states are not: the highest counts.
    """

    metric: Metric
    labels: tuple[str, ...]
    value: float


class Recorder(Protocol):
    """Makes spans and metrics of what was committed; must never raise."""

    def context_of(self, headers: Sequence[tuple[str, bytes]]) -> TraceContext | None:
        """The context that *headers* carry, or None where there is none or it is malformed."""

    def committed(self, processed: Sequence[Processed]) -> None:
        """Take note of one committed transaction."""

    def refused_header(self) -> None:
        """Count one malformed ``traceparent``."""


class NoRecorder:
    """Forwards contexts and records nothing."""

    def __init__(self) -> None:
        self.refused = 0

    def context_of(self, headers: Sequence[tuple[str, bytes]]) -> TraceContext | None:
        """The context that *headers* carry, or None."""
        return read_context(headers, self.refused_header)

    def committed(self, processed: Sequence[Processed]) -> None:
        """Nothing."""

    def refused_header(self) -> None:
        """Count one malformed ``traceparent``."""
        self.refused += 1


MetricsText = Callable[[], bytes]
"""Renders the process's metrics in Prometheus text."""
