"""What lies in keys and headers: partitions, event ids, times, the CloudEvents envelope."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha1
from uuid import UUID, SafeUUID

from contracts import headers as h
from contracts.vocabulary import DeadReason
from services.chassis.errors import Poison
from services.chassis.hop import Record, record_id

SCHEMA_URN = "urn:vidare:schema:"
_ID_LENGTHS = (32, 36)
_ID_BYTES = 16
_new, _set = object.__new__, object.__setattr__


def partition_of(key: str, partitions: int) -> int:
    """Where *key* lies in a topic of ours with *partitions* partitions."""
    return zlib.crc32(key.encode()) % partitions


def rfc3339_ms(at: datetime) -> str:
    """*at* in UTC with three decimals and ``Z``."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def epoch_ms(at: datetime) -> int:
    """*at* in milliseconds since 1970."""
    return int(at.timestamp() * 1000)


Found = dict[str, bytes]


def header_map(headers: Sequence[tuple[str, bytes]]) -> tuple[Found, bool]:
    """Headers by name, and whether each name came once."""
    found = dict(headers)
    return found, len(found) == len(headers)


def event_of(record: Record, *, untrusted: bool) -> UUID:
    """
    Id of the event in *record*: its ``ce_id``; in an inbox the place where it lies, whatever the sender wrote.

    Raises:
        Poison: The record of an inner topic has no valid ``ce_id``, or more than one.
    """
    if untrusted:
        return record_id(record.topic, record.partition, record.offset)
    found, once = header_map(record.headers)
    if not once and sum(1 for name, _ in record.headers if name == h.CE_ID) != 1:
        raise Poison(DeadReason.INVALID_EVENT)
    return parse_id(found.get(h.CE_ID))


def parse_id(value: bytes | None) -> UUID:
    """
    Read the UUID in *value*, with dashes or without.

    Raises:
        Poison: It is none.
    """
    if not value or len(value) not in _ID_LENGTHS:
        raise Poison(DeadReason.INVALID_EVENT)
    try:
        raw = bytes.fromhex(value.replace(b"-", b"").decode("ascii"))
    except ValueError:
        raise Poison(DeadReason.INVALID_EVENT) from None
    if len(raw) != _ID_BYTES:
        raise Poison(DeadReason.INVALID_EVENT)
    return _uuid(raw)


def _uuid(raw: bytes | bytearray) -> UUID:
    """``UUID(bytes=raw)`` without its checks: *raw* has sixteen bytes."""
    made = _new(UUID)
    _set(made, "int", int.from_bytes(raw))
    _set(made, "is_safe", SafeUUID.unknown)
    return made


def derived(cause: UUID, name: bytes) -> tuple[UUID, bytes]:
    """``uuid5(cause, name)`` and its text: the same values as `uuid.uuid5` in a third of the time."""
    raw, text = _derived(cause, name)
    return _uuid(raw), text


def derived_text(cause: UUID, name: bytes) -> bytes:
    """The text of ``uuid5(cause, name)``."""
    return _derived(cause, name)[1]


def _derived(cause: UUID, name: bytes) -> tuple[bytearray, bytes]:
    raw = bytearray(sha1(cause.int.to_bytes(16) + name, usedforsecurity=False).digest()[:_ID_BYTES])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return raw, f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


class Envelope:
    """Builds the headers of the events of one hop; what never changes is built once per type."""

    def __init__(self, hop: str) -> None:
        self._source = f"/vidare/{hop}".encode()
        self._fixed: dict[str, tuple[tuple[str, bytes], ...]] = {}

    def fixed(self, type_: str) -> tuple[tuple[str, bytes], ...]:
        """Headers that all events of one type share."""
        known = self._fixed.get(type_)
        if known is None:
            known = self._fixed[type_] = (
                (h.CE_SPECVERSION, h.SPECVERSION),
                (h.CE_SOURCE, self._source),
                (h.CE_TYPE, type_.encode()),
                (h.CE_DATASCHEMA, (SCHEMA_URN + type_).encode()),
                (h.CONTENT_TYPE, h.JSON),
            )
        return known

    def headers(self, type_: str, event: bytes, at: bytes, traceparent: bytes) -> list[tuple[str, bytes]]:
        """Headers of one event: the envelope and exactly one ``traceparent``."""
        fixed = self._fixed.get(type_) or self.fixed(type_)
        return [(h.CE_ID, event), (h.CE_TIME, at), (h.TRACEPARENT, traceparent), *fixed]
