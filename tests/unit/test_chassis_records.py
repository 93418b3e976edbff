"""Fetched bytes, above all those that a hostile sender can write."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from services.chassis.broker.kafka_records import KeptRecords, LeanRecords

NAME = b"header-name"


def batch(first: int, values: list[bytes], *, spoil: bool = False, value: bytes | None = b"v") -> bytes:
    """A batch as it lies in a topic; *spoil* makes the header names unreadable."""
    builder = BatchBuilder(1 << 20, 0, is_transactional=0)
    for body in values:
        assert builder.append(timestamp=1, key=None, value=body, headers=[(NAME.decode(), value)])
    raw = bytearray(builder._build())
    raw[0:8] = first.to_bytes(8, "big")
    if spoil:
        at = raw.index(NAME)
        raw[at : at + len(NAME)] = b"\xff" * len(NAME)
        raw[17:21] = calc_crc32c(bytes(raw[21:])).to_bytes(4, "big")
    return bytes(raw)


def read(raw: bytes, begin: int = 0) -> LeanRecords:
    """Parse *raw* as a fetch from *begin* on."""
    parsed: Any = LeanRecords(TopicPartition("in", 0), KeptRecords(raw), [], begin, None, None, True, 1)  # noqa: FBT003
    return parsed  # type: ignore[no-any-return]


def test_records_are_ours_at_once() -> None:
    """Topic, partition, offset, body, headers and time come out as they went in."""
    [record] = list(read(batch(7, [b"x"])))

    assert (record.topic, record.partition, record.offset, record.value, record.timestamp_ms) == ("in", 0, 7, b"x", 1)
    assert record.headers == (("header-name", b"v"),)


@pytest.mark.parametrize("begin", [0, 2, 4, 5])
def test_an_unreadable_header_name_blocks_nothing(begin: int) -> None:
    """Every record is given once, in order, before, in and behind the batch with the bad name, from any offset."""
    parts = {3: batch(0, [b"0", b"1", b"2"]), 5: batch(3, [b"3", b"4"], spoil=True), 7: batch(5, [b"5", b"6"])}
    parsed = read(b"".join(raw for end, raw in parts.items() if end > begin), begin)
    records = list(parsed)

    assert [record.offset for record in records] == list(range(begin, 7))
    assert [record.value for record in records] == [b"%d" % n for n in range(begin, 7)]
    assert parsed.next_fetch_offset == 7


def test_a_header_without_a_value_is_read() -> None:
    """Null is allowed as a header's value."""
    assert next(iter(read(batch(0, [b"x"], value=None)))).headers == (("header-name", None),)
