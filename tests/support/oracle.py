"""
The oracle: what a foreign client (confluent-kafka, read_committed) sees, compared as sets.

Nothing of the product is imported here, so that it cannot share a mistake with it.
"""

import collections
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

CONFIRMED_S = 240.0
"""A broker that was killed is back long before, even on a machine that does much else."""


@dataclass(frozen=True)
class Seen:
    """One committed record."""

    topic: str
    partition: int
    offset: int
    key: bytes | str | None
    value: bytes | str | None
    headers: dict[str, bytes]
    timestamp_ms: int

    def json(self) -> dict[str, Any]:
        """The body."""
        return json.loads(self.value or b"null")  # type: ignore[no-any-return]


def publish(
    kafka: str, records: Iterable[tuple[str, bytes | None, list[tuple[str, bytes]]]], *, key: bytes | None = None
) -> int:
    """Publish (topic, value, headers) triples and return how many the broker confirmed."""
    failed: list[KafkaError] = []
    sent = 0

    def confirmed(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5, "enable.idempotence": True})
    for topic, value, headers in records:
        while True:
            try:
                producer.produce(topic, value=value, key=key, headers=[*headers], on_delivery=confirmed)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        producer.poll(0)
    left = producer.flush(CONFIRMED_S)
    if failed or left:
        raise AssertionError(
            f"{len(failed)} records were refused ({failed[:1]}), {left} not confirmed in {CONFIRMED_S} s"
        )
    return sent


def topics_like(kafka: str, prefix: str) -> list[str]:
    """Names of existing topics that begin with *prefix*."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"oracle-{uuid.uuid4()}"})
    try:
        return sorted(name for name in consumer.list_topics(timeout=20).topics if name.startswith(prefix))
    finally:
        consumer.close()


def settled_members(kafka: str, group: str) -> frozenset[str]:
    """Ids of the members among whom *group* has shared out its partitions; none while it is sharing them out."""
    admin = AdminClient({"bootstrap.servers": kafka})
    found = admin.describe_consumer_groups([group], request_timeout=10)[group].result()
    return (
        frozenset(each.member_id for each in found.members) if found.state == ConsumerGroupState.STABLE else frozenset()
    )


class Reader:
    """A read_committed reader of whole topics, from the beginning or from now on, that goes on from where it was."""

    def __init__(self, kafka: str, topics: Iterable[str], *, from_now: bool = False) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": f"oracle-{uuid.uuid4()}",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
            }
        )
        names = set(topics)
        known = self._consumer.list_topics(timeout=20).topics
        places = [TopicPartition(name, number, 0) for name in names for number in known[name].partitions]
        if from_now:
            for place in places:
                place.offset = self._consumer.get_watermark_offsets(place, timeout=20)[1]
        self._consumer.assign(places)

    def poll(self, seconds: float) -> Iterator[Seen]:
        """What arrives within *seconds*; returns early when something did."""
        for message in self._consumer.consume(5_000, seconds):
            if message.error():
                continue
            yield _seen(message)

    def until(self, enough: Callable[[list[Seen]], bool], *, seconds: float, quiet: float = 2.0) -> list[Seen]:
        """
        Read until *enough* says so and then *quiet* seconds more (a duplicate would come late).

        Raises:
            AssertionError: *seconds* passed first; says how many were seen.
        """
        seen: list[Seen] = []
        end = time.monotonic() + seconds
        while not enough(seen):
            if time.monotonic() > end:
                raise AssertionError(f"only {len(seen)} records within {seconds} s")
            seen.extend(self.poll(0.5))
        calm = time.monotonic() + quiet
        while time.monotonic() < calm:
            seen.extend(self.poll(0.25))
        return seen

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def _seen(message: Message) -> Seen:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise AssertionError("a record without a place")
    headers: Any = message.headers() or []
    return Seen(topic, partition, offset, message.key(), message.value(), dict(headers), message.timestamp()[1])


def doubled(values: Iterable[object]) -> dict[object, int]:
    """The values that came more than once, and how often."""
    return {value: count for value, count in collections.Counter(values).items() if count > 1}
