"""
Traces kept on this machine, for when no collector is named: append-only segment files under ``VIDARE_HOME/traces``.

A segment belongs to one process and opens with that process's resource. A frame
is magic, trace id, length, checksum, serialised span: a trace is found by
searching the files for its id, and a torn last frame is passed over.
"""

import mmap
import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

FOLDER = "traces"
SUFFIX = ".spans"
MAGIC = b"\xd7VSPAN1\n"
HEADER = struct.Struct(">8s16sII")
"""Magic, trace id (zero: the payload is the resource), length, CRC-32 of the payload."""
NO_TRACE = bytes(16)

MIB = 1024 * 1024
SEGMENT_BYTES = 64 * MIB
TOTAL_BYTES = 1024 * MIB
"""All processes together; the oldest segments go first. About two million spans."""

TRACE_ID = slice(2, 18)
"""Where a serialised span has its trace id: field 1 comes first, tag and length take two bytes."""

Value: TypeAlias = "str | int | float | bool | list[Value]"


@dataclass(frozen=True, slots=True)
class LocalSpan:
    """One span as it was kept."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    links: tuple[tuple[str, str], ...]
    """(trace id, span id) of each link."""
    failed: bool


class LocalSink:
    """Writes segments, starts a new one when it is full, and keeps the folder below its limit."""

    name = "local"

    def __init__(
        self, home: Path, resource: Resource, *, segment_bytes: int = SEGMENT_BYTES, total_bytes: int = TOTAL_BYTES
    ) -> None:
        self._folder = home / FOLDER
        self._resource = resource.SerializeToString()
        self._segment_bytes = segment_bytes
        self._total_bytes = total_bytes
        self._file: BinaryIO | None = None
        self._size = 0

    def write(self, spans: Sequence[bytes]) -> None:
        """
        Append *spans* to this process's segment.

        Raises:
            OSError: The folder cannot be written (full, read-only).
        """
        frames = b"".join([frame(span[TRACE_ID], span) for span in spans])
        file = self._segment(len(frames))
        file.write(frames)
        file.flush()
        self._size += len(frames)

    def close(self) -> None:
        """Close the segment; the next write begins another."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _segment(self, coming: int) -> BinaryIO:
        if self._file is not None and self._size + coming <= self._segment_bytes:
            return self._file
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{time.time_ns():020d}-{os.getpid()}{SUFFIX}"
        self._file = path.open("ab")
        head = frame(NO_TRACE, self._resource)
        self._file.write(head)
        self._size = len(head)
        self._remove_oldest(keep=path)
        return self._file

    def _remove_oldest(self, *, keep: Path) -> None:
        """Make room for one more segment; another process may do the same at the same time."""
        sizes = {path: _size(path) for path in segments(self._folder)}
        total = sum(sizes.values()) + self._segment_bytes
        for path, size in sizes.items():
            if total <= self._total_bytes or path == keep:
                return
            path.unlink(missing_ok=True)
            total -= size


def frame(trace_id: bytes, payload: bytes) -> bytes:
    """Wrap *payload* so that it is found by *trace_id* and known to be whole."""
    return HEADER.pack(MAGIC, trace_id, len(payload), zlib.crc32(payload)) + payload


def segments(folder: Path) -> list[Path]:
    """Every segment in *folder*, oldest first (a segment is named by the time it was begun)."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def spans_of(home: Path, trace_id: str) -> list[LocalSpan]:
    """Read every kept span of *trace_id* (32 hex digits), whichever process wrote it, in order of start."""
    wanted = bytes.fromhex(trace_id)
    found = [span for span in _spans_naming(home, wanted) if span.trace_id == trace_id]
    return sorted(found, key=lambda span: (span.start_ns, span.end_ns))


def traces_linked_to(home: Path, trace_id: str) -> list[str]:
    """List the other traces with a span that links to *trace_id*: late attempts, commits."""
    wanted = bytes.fromhex(trace_id)
    return list(dict.fromkeys(span.trace_id for span in _spans_naming(home, wanted) if span.trace_id != trace_id))


def traces_naming(home: Path, tip_id: str) -> list[str]:
    """List every trace with a span that names *tip_id*: its own, late attempts', one that a partner began."""
    return list(dict.fromkeys(span.trace_id for span in _spans_naming(home, tip_id.encode())))


def _spans_naming(home: Path, wanted: bytes) -> Iterator[LocalSpan]:
    for path in segments(home / FOLDER):
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
                yield from _search(held, wanted)
        except (OSError, ValueError):  # removed meanwhile, or still empty
            continue


def _search(held: mmap.mmap, wanted: bytes) -> Iterator[LocalSpan]:
    service = _service(held)
    at = held.find(wanted)
    while at >= 0:
        start = held.rfind(MAGIC, 0, at)
        payload = _payload(held, start)
        if payload is None or start + HEADER.size + len(payload) <= at:
            at = held.find(wanted, at + 1)
            continue
        yield _local(Span.FromString(payload), service)
        at = held.find(wanted, start + HEADER.size + len(payload))


def _payload(held: mmap.mmap, start: int) -> bytes | None:
    """Read the payload of the frame at *start*, or None where it is torn."""
    if start < 0 or start + HEADER.size > len(held):
        return None
    _, _, length, checksum = HEADER.unpack_from(held, start)
    payload = held[start + HEADER.size : start + HEADER.size + length]
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None


def _service(held: mmap.mmap) -> str:
    payload = _payload(held, 0)
    if payload is None:
        return "unknown"
    names = {pair.key: pair.value.string_value for pair in Resource.FromString(payload).attributes}
    return str(names.get("service.name", "unknown"))


def _local(span: Span, service: str) -> LocalSpan:
    return LocalSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        name=span.name,
        kind=str(Span.SpanKind.Name(span.kind)).removeprefix("SPAN_KIND_").lower(),
        service=service,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes={pair.key: _value(pair.value) for pair in span.attributes},
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
    )


def _value(value: AnyValue) -> Value:
    match value.WhichOneof("value"):
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case _:
            return str(value.string_value)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
