"""
Handing finished spans on: a bounded queue that drops and counts, a thread that writes, a place to write to.

Telemetry never holds up a tip: ``offer`` neither waits nor raises, and whatever
goes wrong behind it ends as a count.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Protocol
from urllib.parse import urlsplit

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from contracts import telemetry

QUEUE_SPANS = 50_000
"""About 20 MB of spans: a second or two of a hop at full speed."""
BATCH_SPANS = 2_000
"""About 1.5 MB a request; collectors accept 4 MiB."""
EVERY_S = 0.5
"""How long a span may wait in an idle process; ``vidare tip`` shows a trace about that late."""

ERROR = 300
NO_ANSWER = 503
LATER = (429, 502, 503, 504)
"""Answers after which OTLP lets a client try again."""
PAUSE_S = 0.2

RESOURCE_SPANS_FIELD = b"\x0a"
SCOPE_SPANS_FIELD = b"\x12"
SPANS_FIELD = b"\x12"
"""Tags of the repeated fields that the envelopes are put together from (length-delimited, OTLP 1.x)."""


class Sink(Protocol):
    """Where serialised spans go."""

    name: str

    def write(self, spans: Sequence[bytes]) -> None:
        """
        Write *spans*; called from one thread only.

        Raises:
            OSError: They could not be written; they are dropped and counted.
        """

    def close(self) -> None:
        """Let go of files and connections."""


class Exporter:
    """The way of finished spans out of a process."""

    def __init__(
        self,
        sink: Sink,
        *,
        limit: int = QUEUE_SPANS,
        every_s: float = EVERY_S,
        on_drop: Callable[[str, int], None] | None = None,
        on_export: Callable[[str, int], None] | None = None,
    ) -> None:
        self.sink = sink
        self.exported = 0
        self.dropped = 0
        self._limit = limit
        self._every_s = every_s
        self._on_drop = on_drop
        self._on_export = on_export
        self._queue: deque[bytes] = deque()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def offer(self, spans: Sequence[bytes]) -> None:
        """Take *spans* for export, or drop and count those for which there is no room."""
        room = self._limit - len(self._queue)
        if len(spans) > room:
            self._drop("queue_full", len(spans) - max(room, 0))
            spans = spans[: max(room, 0)]
        self._idle.clear()
        self._queue.extend(spans)
        if len(self._queue) >= BATCH_SPANS:
            self._wake.set()

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything offered before was written or dropped; False when that took longer."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self._wake.set()
            if self._idle.wait(0.05) and not self._queue:
                return True
        return False

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued, within *timeout_s*, and stop."""
        self.flush(timeout_s)
        self._closing = True
        self._wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not (self._closing and not self._queue):
            self._wake.wait(self._every_s)
            self._wake.clear()
            self._drain()
        self.sink.close()

    def _drain(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_SPANS))]
            try:
                self.sink.write(batch)
            except Exception:  # noqa: BLE001 - whatever a sink does wrong, spans are dropped and tips go on
                self._drop(f"{self.sink.name}_failed", len(batch))
            else:
                self._exported(len(batch))
        self._idle.set()

    def _exported(self, count: int) -> None:
        self.exported += count
        if self._on_export is not None:
            self._on_export(self.sink.name, count)

    def _drop(self, reason: str, count: int) -> None:
        self.dropped += count
        if self._on_drop is not None:
            self._on_drop(reason, count)


def delimited(tag: bytes, payload: bytes) -> bytes:
    """Frame *payload* as one element of a repeated message field."""
    size, length = len(payload), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"".join((tag, length, payload))


class OtlpSink:
    """OTLP/HTTP with protobuf to a collector, over one kept connection."""

    name = "otlp"

    def __init__(self, endpoint: str, resource: Resource, *, timeout_s: float = 5.0, tries: int = 3) -> None:
        self._address = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
        self._path = f"{self._address.path.removesuffix('/').removesuffix('/v1/traces')}/v1/traces"
        self._timeout_s = timeout_s
        self._tries = tries
        self._connection: HTTPConnection | None = None
        self._resource = ResourceSpans(resource=resource, schema_url=telemetry.SCHEMA_URL).SerializeToString()
        scope = InstrumentationScope(name=telemetry.SCOPE)
        self._scope = ScopeSpans(scope=scope, schema_url=telemetry.SCHEMA_URL).SerializeToString()

    def write(self, spans: Sequence[bytes]) -> None:
        """
        Post *spans*, trying again while the collector may come back.

        Raises:
            OSError: No collector answered, or it said no.
        """
        body = self.envelope(spans)
        for left in range(self._tries - 1, -1, -1):
            status = self._posted(body)
            if status < ERROR:
                return
            if status not in LATER or not left:
                raise ConnectionError(f"the collector answered {status}")
            time.sleep(PAUSE_S)

    def envelope(self, spans: Sequence[bytes]) -> bytes:
        """Serialise an ``ExportTraceServiceRequest`` around serialised *spans*."""
        scope = self._scope + b"".join([delimited(SPANS_FIELD, span) for span in spans])
        return delimited(RESOURCE_SPANS_FIELD, self._resource + delimited(SCOPE_SPANS_FIELD, scope))

    def close(self) -> None:
        """Close the connection; the next write opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _posted(self, body: bytes) -> int:
        try:
            return self._post(body)
        except (OSError, HTTPException):
            self.close()
            return NO_ANSWER

    def _post(self, body: bytes) -> int:
        if self._connection is None:
            kind = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
            self._connection = kind(self._address.hostname or "127.0.0.1", self._address.port, timeout=self._timeout_s)
        self._connection.request("POST", self._path, body, {"Content-Type": "application/x-protobuf"})
        answer = self._connection.getresponse()
        answer.read()
        return answer.status
