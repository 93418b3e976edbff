"""The local broker: a real process that keeps its records through a kill."""

import os
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.chassis.settings import Settings
from services.cli.broker import Keeper, LocalBroker, ensure, status
from services.cli.broker.wire import answers
from tests.support.supervised import until

TOPIC = f"broker-test-{uuid.uuid4().hex[:8]}"


def test_a_killed_broker_comes_back_on_its_port_with_its_records(tmp_path: Path) -> None:
    """
    A record that was acknowledged before ``kill -9`` is read after the restart, at the same address.

    The process leads a session of its own (Ctrl-C does not reach it), and nothing is left of it after the stop.
    """
    broker = LocalBroker(tmp_path)
    try:
        before = broker.start()
        _publish(before, b"one")
        killed = broker.pid
        broker.kill()
        assert not answers(before)

        after = broker.start()

        assert (after, [b"one"]) == (before, _read(after, count=1))
        assert killed != broker.pid
        assert broker.pid == os.getsid(broker.pid or 0)
    finally:
        last = broker.pid
        broker.stop()
    assert last is not None
    assert not _exists(last)
    assert not answers(before)


def test_a_broker_that_is_looked_after_comes_back_until_nobody_does(tmp_path: Path) -> None:
    """It is started again at its address; whoever ends the care while it starts waits for no start and leaves none."""
    broker, said = LocalBroker(tmp_path), list[str]()
    address = broker.start()
    keeper = Keeper(broker, said.append)
    keeper.start()
    try:
        killed = broker.pid
        os.kill(killed or 0, signal.SIGKILL)
        assert until(lambda: broker.pid not in (None, killed) and answers(address), 60)

        again = broker.pid
        os.kill(again or 0, signal.SIGKILL)
        assert until(lambda: broker.pid not in (None, again), 30)
        began = time.monotonic()
        keeper.stop()
        assert time.monotonic() - began < 5
        assert not broker.running
        assert len(said) >= 2
    finally:
        keeper.stop()
        broker.stop()


def test_the_session_has_a_broker_that_keeps_records(kafka: str) -> None:
    """Whatever runs the session's broker, a published record can be read from it."""
    _publish(kafka, b"one")

    assert _read(kafka, count=1) == [b"one"]


def test_two_homes_have_two_brokers(kafka_broker: LocalBroker, tmp_path: Path) -> None:
    """A second home gets a broker and ports of its own; stopping it leaves the first one alone."""
    second = LocalBroker(tmp_path / "second")
    try:
        assert second.start() != kafka_broker.bootstrap
    finally:
        second.stop()

    assert not second.running
    assert answers(kafka_broker.bootstrap)


def test_two_starts_at_the_same_instant_have_one_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both get the same broker, and only the one that started it would stop it."""
    monkeypatch.setattr(ensure, "_running", lambda _: None)  # both looked before either of them started one
    settings = Settings(home=tmp_path, kafka=None)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure.ensure_broker(settings), range(2))
    try:
        assert first.bootstrap == second.bootstrap
        assert sorted((first.owned, second.owned)) == [False, True]
    finally:
        first.stop()
        second.stop()
    assert not answers(first.bootstrap)


def test_another_process_finds_the_broker_by_its_home(kafka_broker: LocalBroker) -> None:
    """The state file alone is enough to find the broker; a start finds it running and starts no second one."""
    again = LocalBroker(kafka_broker.home)

    assert kafka_broker.pid == again.pid
    assert kafka_broker.bootstrap == again.start()
    assert kafka_broker.pid == again.pid
    assert kafka_broker.bootstrap == status(Settings(home=kafka_broker.home, kafka=None)).bootstrap


def _publish(bootstrap: str, value: bytes) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])[TOPIC].result(timeout=20)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(TOPIC, value)
    assert producer.flush(20) == 0


def _read(bootstrap: str, *, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": TOPIC, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    try:
        records = [consumer.poll(30) for _ in range(count)]
        return [value for record in records if record is not None and (value := record.value()) is not None]
    finally:
        consumer.close()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
