"""The pull channel's read model on a real broker: more records than it takes at once."""

import asyncio
from contextlib import suppress
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.chassis.broker.kafka import KafkaBroker
from services.notifier.channels.pull import TAKEN_AT_ONCE, PullView, follow

DOCUMENTS = 2 * TAKEN_AT_ONCE + 37
PAYLOAD = b'{"referral_id": "x"}'


def fill(kafka: str, agency: str) -> None:
    """Write a feed of *agency* whose records come in one answer of the broker."""
    topic = f"referrals-agency-{agency}"
    admin = AdminClient({"bootstrap.servers": kafka})
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(30)
    writer = Producer({"bootstrap.servers": kafka, "linger.ms": 50})
    for number in range(DOCUMENTS):
        writer.produce(topic, PAYLOAD, str(number))
    writer.flush()


async def test_a_door_that_starts_behind_a_backlog_becomes_ready_and_shows_all_of_it(kafka: str) -> None:
    """What one take leaves behind is taken too: the client tells of no record twice, and fetches nothing beside it."""
    agency = f"backlog-{uuid4().hex[:8]}"
    fill(kafka, agency)
    broker, view, ready = KafkaBroker(kafka), PullView(), asyncio.Event()
    await broker.start()
    following = asyncio.create_task(follow(view, broker, [agency], ready))
    try:
        async with asyncio.timeout(20):
            await ready.wait()
        page = view.page(agency, limit=DOCUMENTS + 1)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await broker.stop()
        view.close()

    assert len(page.documents) == DOCUMENTS
