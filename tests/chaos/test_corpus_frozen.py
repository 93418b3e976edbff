"""Number 77 of the hostile corpus: a worker that stands still in the middle of its work, and wakes to find an heir."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.crowd import Crowd
from tests.support.oracle import Reader, Seen, doubled, publish

RECORDS = 60
FOR_EVER = 3600.0
TRANSACTION_S = 15.0
"""After this the broker ends an open transaction by itself."""


@pytest.fixture
def prefix(kafka: str) -> str:
    """Topics of one test, with a single task."""
    name = f"fz{uuid.uuid4().hex[:6]}-"
    admin = AdminClient({"bootstrap.servers": kafka})
    made = [NewTopic(name + topic, 1, 1) for topic in ("in", "in-urgent", "out", "log", "in-dlq")]
    made += [] if "custody" in admin.list_topics(timeout=20).topics else [NewTopic("custody", 1, 1)]
    for future in admin.create_topics(made).values():
        future.result(30)
    return name


@pytest.fixture
def crowd(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Crowd]:
    """Workers whose batch takes seconds."""
    made = Crowd("ours", prefix, 1, kafka, tmp_path, {"BUSY_S": "0.05"})
    yield made
    made.disperse()


def put(kafka: str, prefix: str, word: str) -> set[bytes]:
    """Publish records; returns what they say."""
    values = [f"{word}{number}".encode() for number in range(RECORDS)]
    ids = [("ce_id", str(uuid.uuid5(uuid.NAMESPACE_OID, prefix + value.decode())).encode()) for value in values]
    publish(kafka, [(f"{prefix}in", value, [each]) for value, each in zip(values, ids, strict=True)])
    return set(values)


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for *condition*."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def in_the_middle(home: Path) -> bool:
    """A worker has begun a batch and not committed it: the note that it keeps against crashes says so."""
    try:
        return any(orjson.loads(path.read_bytes()).get("open") for path in (home / "crashes").glob("*/0.json"))
    except ValueError:  # it is being written
        return False


@pytest.mark.parametrize("longer_s", [0.0, TRANSACTION_S + 5.0], ids=["until it has an heir", "and 20 s more"])
def test_t77_of_two_workers_with_one_id_the_later_wins_and_nothing_is_doubled(
    kafka: str, prefix: str, crowd: Crowd, tmp_path: Path, longer_s: float
) -> None:
    """77: frozen with a batch in its hands; who took over does it all; the one that wakes can write nothing of it."""
    reader, seen = Reader(kafka, [f"{prefix}out", f"{prefix}in-dlq"]), list[Seen]()

    def came(wanted: set[bytes]) -> bool:
        seen.extend(reader.poll(0.2))
        return {record.value for record in seen} >= wanted

    def listen(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            seen.extend(reader.poll(0.2))

    first = put(kafka, prefix, "a")
    crowd.join("w0")
    until(lambda: in_the_middle(tmp_path), 60)
    crowd.freeze("w0", FOR_EVER)
    crowd.join("w1")
    until(lambda: came(first), 120)
    listen(longer_s)
    assert crowd.ends == []
    crowd.thaw("w0")
    until(lambda: crowd.ends != [], 60)  # it learns that it is fenced, and ends
    second = put(kafka, prefix, "b")
    until(lambda: came(first | second), 120)
    listen(3.0)
    reader.close()

    values = [record.value for record in seen]
    assert doubled(values) == doubled([record.key for record in seen]) == {}
    assert set(values) == first | second
