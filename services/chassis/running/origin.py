"""What an input brought along, read once; and who works on it."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from contracts import headers as h
from contracts import topics
from services.chassis.codec import Found, epoch_ms, header_map, rfc3339_ms, text_of
from services.chassis.hop import Input, Record
from services.chassis.telemetry.telemetry_port import Recorder
from services.chassis.telemetry.tracecontext import TraceContext, parse_traceparent


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


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What an input brought along."""

    given: Input
    parent: TraceContext | None
    tip: str | None
    cause: bytes | None
    accepted_at: bytes | None
    text: bytes
    """Of the input's event id."""

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


def read_origin(given: Input, worker: Worker, recorder: Recorder, found: Found | None = None) -> Origin:
    """Read what *given* brought; headers of strangers are believed in nothing but a partner's trace."""
    record, text = given.record, text_of(given.event_id)
    if record is None:
        return Origin(given, None, None, None, None, text)
    if worker.untrusted:
        trusted = record.topic.startswith(topics.INBOX)
        return Origin(given, recorder.context_of(record.headers) if trusted else None, None, None, None, text)
    by_name, once = found or header_map(record.headers)
    parent = None
    if h.TRACEPARENT in by_name:
        # The recorder reads again, and counts, what is not simply valid.
        parent = (parse_traceparent(by_name[h.TRACEPARENT]) if once else None) or recorder.context_of(record.headers)
    tip = by_name.get(h.VIDARE_TIP)
    return Origin(
        given,
        parent,
        tip.decode("utf-8", "replace") if tip else None,
        by_name.get(h.VIDARE_CAUSE) or None,
        by_name.get(h.VIDARE_ACCEPTED_AT) or None,
        text,
    )
