"""
Records as the client parses them, made ours at once, and parsed again where it stumbles.

The client reads header names strictly as UTF-8 and raises in the middle of a
fetch. Nobody stops a sender from writing other bytes there, and a reader that
raises would block the partition for ever: such a fetch is parsed again, with
the unreadable bytes replaced.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

from services.chassis.hop import Record

# ruff: noqa: ANN401 - the client ships no types, and what it keeps to itself is needed here


class KeptRecords:
    """The client's fast parser, and the bytes it was given."""

    __slots__ = ("has_next", "next_batch", "raw", "size_in_bytes")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        fast = MemoryRecords(raw)
        self.has_next, self.next_batch, self.size_in_bytes = fast.has_next, fast.next_batch, fast.size_in_bytes


class _Patient(bytearray):
    """Bytes whose slices decode whatever they are."""

    def __getitem__(self, where: Any) -> Any:
        found = super().__getitem__(where)
        return _Patient(found) if isinstance(where, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        """Decode, replacing what cannot be read."""
        return bytes(self).decode(encoding, errors)


class _PatientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: Any

    def _read_msg(self, *_: Any) -> Any:
        if not isinstance(self._buffer, _Patient):
            self._buffer = _Patient(self._buffer)
        return super()._read_msg()


class _PatientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self, *_: Any) -> Any:
        found = self._next_slice
        self._cache_next()
        return _PatientBatch(found)


class LeanRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Gives `Record`; never raises for what stands in a header."""

    def __init__(self, tp: Any, records: Any, aborted: Any, *rest: Any) -> None:
        self._kept = (records, tuple(aborted or ()))
        super().__init__(tp, records, aborted, *rest)

    def _consumer_record(self, tp: Any, record: Any) -> Record:
        return Record(
            tp.topic, tp.partition, record.offset, record.key, record.value, tuple(record.headers), record.timestamp
        )

    def _unpack_records(self) -> Iterator[Record]:
        try:
            yield from super()._unpack_records()
        except UnicodeDecodeError:
            records, aborted = self._kept
            if not isinstance(records, KeptRecords):
                raise
            yield from self._again(records.raw, aborted, self.next_fetch_offset)

    def _again(self, raw: bytes, aborted: tuple[Any, ...], begin: int) -> Iterator[Record]:
        """Parse the same bytes patiently; what was given already is not given again."""
        self._records = _PatientRecords(raw)
        self._aborted_transactions = sorted(aborted, key=lambda entry: entry[1])
        self._aborted_producers: set[int] = set()
        for record in super()._unpack_records():
            if record.offset >= begin:
                yield record


def install() -> None:
    """Let the client parse like this; doing it twice does no harm."""
    fetcher.PartitionRecords = LeanRecords
    fetcher.MemoryRecords = KeptRecords
