"""Keys, ids, times and the envelope."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import headers as h
from services.chassis.codec import Envelope, event_of, partition_of, rfc3339_ms
from services.chassis.errors import Poison
from services.chassis.hop import Record, record_id

EVENT = UUID("0190c6f0-0000-7000-8000-000000000001")


def record(*headers: tuple[str, bytes]) -> Record:
    """A record with these headers."""
    return Record("tips-received", 3, 17, b"key", b"{}", headers, 0)


@given(st.text(), st.integers(1, 256))
def test_a_key_always_lies_in_the_same_partition(key: str, partitions: int) -> None:
    """The partition of a key is in range and never changes."""
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(key, partitions)


def test_partitions_are_those_of_crc32() -> None:
    """Other programs can compute the partition: it is the CRC-32 of the UTF-8 key."""
    assert partition_of("123456789", 1 << 32) == 0xCBF43926


def test_an_event_is_known_by_its_ce_id() -> None:
    """Inner topics name their events."""
    assert event_of(record((h.CE_ID, str(EVENT).encode())), untrusted=False) == EVENT


@pytest.mark.parametrize(
    "values", [[], [b""], [b"x" * 36], [b"\xff" * 36], [b"x" * 10_000], [None], [str(EVENT).encode()] * 2, [b"1" * 33]]
)
def test_a_record_without_a_valid_id_is_poison(values: list[bytes]) -> None:
    """No id, an empty one, nonsense, 10 kB, null or two of them: a dead letter, never an exception of another kind."""
    with pytest.raises(Poison, match="invalid_event"):
        event_of(record(*((h.CE_ID, value) for value in values)), untrusted=False)


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_whatever_stands_in_ce_id_is_an_id_or_poison(values: list[bytes]) -> None:
    """Reading an id raises Poison or nothing."""
    given_headers = record(*((h.CE_ID, value) for value in values))
    with suppress(Poison):
        assert isinstance(event_of(given_headers, untrusted=False), UUID)


def test_an_inbox_record_is_known_by_where_it_lies() -> None:
    """A sender cannot choose the id of an event."""
    assert event_of(record((h.CE_ID, str(EVENT).encode())), untrusted=True) == record_id("tips-received", 3, 17)


def test_times_are_utc_with_three_decimals() -> None:
    """Any zone becomes UTC, decimals are cut, never rounded up."""
    at = datetime(2026, 11, 22, 10, 15, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert rfc3339_ms(at) == "2026-11-22T09:15:00.999Z"
    assert rfc3339_ms(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"


def test_the_envelope_has_every_header_once() -> None:
    """CloudEvents in binary mode and exactly one traceparent."""
    built = Envelope("geolocate").headers("tip-located/1", b"id", b"time", b"context")
    names = [name for name, _ in built]

    assert sorted(names) == sorted(set(names))
    assert dict(built) == {
        h.CE_ID: b"id", h.CE_SOURCE: b"/vidare/geolocate", h.CE_TYPE: b"tip-located/1", h.CE_SPECVERSION: b"1.0",
        h.CE_TIME: b"time", h.CE_DATASCHEMA: b"urn:vidare:schema:tip-located/1", h.CONTENT_TYPE: b"application/json",
        h.TRACEPARENT: b"context",
    }  # fmt: skip
