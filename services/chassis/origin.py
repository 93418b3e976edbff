"""What an input brought along, read once; and who works on it."""

from dataclasses import dataclass
from datetime import datetime

from contracts import headers as h
from contracts import topics
from services.chassis.codec import epoch_ms, header_map, rfc3339_ms
from services.chassis.hop import Input, Record
from services.chassis.telemetry_port import Recorder
from services.chassis.tracecontext import TraceContext


@dataclass(frozen=True, slots=True)
class Worker:
    """Who works: the hop, its version, the task."""

    hop: str
    version: str
    task: str
    untrusted: bool
    changelog: str | None

    @property
    def service(self) -> str:
        """The name that custody entries carry."""
        return f"{self.hop}@{self.version}"


@dataclass(slots=True)
class Origin:
    """What an input brought along."""

    given: Input
    parent: TraceContext | None
    tip: str | None
    cause: bytes | None
    accepted_at: bytes | None

    @property
    def record(self) -> Record | None:
        """The record, where the input is one."""
        return self.given.record


class Moment:
    """The time of an input in the forms that records need; inputs of one millisecond share them."""

    __slots__ = ("_at", "ms", "raw", "text")

    def __init__(self) -> None:
        self._at: datetime | None = None
        self.text = ""
        self.raw = b""
        self.ms = 0

    def of(self, at: datetime) -> "Moment":
        """Be *at* from now on."""
        if at is not self._at:
            self._at = at
            self.ms = epoch_ms(at)
            self.text = rfc3339_ms(at)
            self.raw = self.text.encode()
        return self


def read_origin(given: Input, worker: Worker, recorder: Recorder) -> Origin:
    """Read what *given* brought; headers of strangers are believed in nothing but a partner's trace."""
    record = given.record
    if record is None:
        return Origin(given, None, None, None, None)
    if worker.untrusted:
        trusted = record.topic.startswith(topics.INBOX)
        return Origin(given, recorder.context_of(record.headers) if trusted else None, None, None, None)
    found, once = header_map(record.headers)
    parent = None
    if h.TRACEPARENT in found:
        parent = recorder.context_of([(h.TRACEPARENT, found[h.TRACEPARENT])] if once else record.headers)
    tip = found.get(h.VIDARE_TIP)
    return Origin(
        given,
        parent,
        tip.decode("utf-8", "replace") if tip else None,
        found.get(h.VIDARE_CAUSE) or None,
        found.get(h.VIDARE_ACCEPTED_AT) or None,
    )
