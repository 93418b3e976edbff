"""What lies in keys and headers: partitions, event ids, times, the CloudEvents envelope."""

import zlib
from binascii import unhexlify
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID, SafeUUID

from contracts import headers as h
from contracts.vocabulary import DeadReason
from services.chassis.errors import Poison
from services.chassis.hop import Record, record_id

SCHEMA_URN = "urn:vidare:schema:"
_ID_LENGTHS = (32, 36)
_ID_BYTES = 16
_VARIANT = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}
"""The digit of a UUID that holds its variant, by the digit of the hash."""
_new, _set = object.__new__, object.__setattr__
_UNKNOWN = SafeUUID.unknown
"""Read once: an attribute of an enumeration costs a call in Python 3.11."""


def partition_of(key: str, partitions: int) -> int:
    """Where *key* lies in a topic of ours with *partitions* partitions."""
    return zlib.crc32(key.encode()) % partitions


def rfc3339_ms(at: datetime) -> str:
    """*at* in UTC with three decimals and ``Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def epoch_ms(at: datetime) -> int:
    """*at* in milliseconds since 1970."""
    return int(at.timestamp() * 1000)


class Found(NamedTuple):
    """Headers by name, and whether each name came once."""

    by_name: dict[str, bytes]
    once: bool


def header_map(headers: Sequence[tuple[str, bytes]]) -> Found:
    """*headers* by name, read once for all who ask."""
    found = dict(headers)
    return Found(found, len(found) == len(headers))


def event_of(record: Record, *, untrusted: bool, found: Found | None = None) -> UUID:
    """
    Id of the event in *record*: its ``ce_id``; in an inbox the place where it lies, whatever the sender wrote.

    Raises:
        Poison: The record of an inner topic has no valid ``ce_id``, or more than one.
    """
    if untrusted:
        return record_id(record.topic, record.partition, record.offset)
    by_name, once = found or header_map(record.headers)
    if not once and sum(1 for name, _ in record.headers if name == h.CE_ID) != 1:
        raise Poison(DeadReason.INVALID_EVENT)
    return parse_id(by_name.get(h.CE_ID))


def parse_id(value: bytes | None) -> UUID:
    """
    Read the UUID in *value*, with dashes or without.

    Raises:
        Poison: It is none.
    """
    if not value or len(value) not in _ID_LENGTHS:
        raise Poison(DeadReason.INVALID_EVENT)
    try:
        raw = unhexlify(value.replace(b"-", b""))
    except ValueError:
        raise Poison(DeadReason.INVALID_EVENT) from None
    if len(raw) != _ID_BYTES:
        raise Poison(DeadReason.INVALID_EVENT)
    return _uuid(raw)


def _uuid(raw: bytes) -> UUID:
    """``UUID(bytes=raw)`` without its checks: *raw* has sixteen bytes."""
    made = _new(UUID)
    _set(made, "int", int.from_bytes(raw))
    _set(made, "is_safe", _UNKNOWN)
    return made


def text_of(event: UUID) -> bytes:
    """``str(event)`` as bytes, in two thirds of the time."""
    return _dashed(event.int.to_bytes(_ID_BYTES).hex())


def _dashed(text: str) -> bytes:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


def derived(cause: bytes, name: bytes) -> bytes:
    """The text of ``uuid5(UUID(bytes=cause), name)``, without making one."""
    text = sha1(cause + name, usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}".encode()


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
