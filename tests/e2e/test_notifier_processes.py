"""The notifier as it runs: hop, receipts and door as processes on a real broker, a receiver, a foreign client."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from confluent_kafka import Consumer, Producer

from contracts.vocabulary import Priority
from services.chassis.settings import ROOT
from tests.support.mesh import ProcessMesh
from tests.support.notifier_world import a_referral

WITHIN_S = 60.0
SECRET = "test-secret-of-the-demo-set"

AGENCIES = """
[[agency]]
id = "hotline-nl"
name = "Example hotline (test endpoint)"
kind = "hotline"
country = "NL"
profile = "hotline"
basis = "test"
channels = ["webhook", "topic"]
webhook = {{ url = "http://127.0.0.1:{port}/agencies/hotline-nl", secret = "env:VIDARE_DEMO_WEBHOOK_SECRET" }}

[[agency]]
id = "police-no"
name = "Example police (test endpoint)"
kind = "police"
country = "NO"
profile = "police"
basis = "test"
channels = ["pull"]
token = "env:VIDARE_TEST_TOKEN"
"""


class Desk:
    """A running notifier and what a test does with it."""

    def __init__(self, kafka: str, door: int) -> None:
        self.door = f"http://127.0.0.1:{door}"
        self._kafka = kafka
        self._producer = Producer({"bootstrap.servers": kafka})

    def refer(self, **changes: Any) -> UUID:
        """Write a routed referral as the router does; returns its id."""
        event = a_referral(uuid4().int % 10**9, **changes)
        topic = "referrals-routed-urgent" if event.priority.urgent else "referrals-routed"
        headers: list[tuple[str, str | bytes | None]] = [("ce_id", str(uuid4())), ("vidare-tip", str(event.tip_id))]
        body = event.model_dump_json(by_alias=True)
        self._producer.produce(topic, body, event.destination, partition=0, headers=headers)
        self._producer.flush()
        return event.referral_id

    def find(self, topic: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first committed record of *topic* that is *wanted*; waits for it."""
        reader = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": str(uuid4()),
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
            }
        )
        reader.subscribe([topic])
        end = time.monotonic() + WITHIN_S
        try:
            while time.monotonic() < end:
                record = reader.poll(0.5)
                if record is not None and not record.error() and wanted(body := json.loads(record.value() or b"{}")):
                    return dict(body)
        finally:
            reader.close()
        raise AssertionError(f"nothing like that in {topic} within {WITHIN_S} s")

    def status(self, status: str, tip: str) -> dict[str, Any]:
        """What the sender was told."""
        return self.find("tips-status-ecpat-se", lambda row: (row["status"], row.get("tip_id")) == (status, tip))


@pytest.fixture(scope="module")
def desk(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Everything of the notifier, and a receiver that plays the hotline."""
    home = tmp_path_factory.mktemp("notifier")
    receiver, door = _ports(2)
    agencies = Path(home) / "agencies.toml"
    agencies.write_text(AGENCIES.format(port=receiver))
    mesh = ProcessMesh(
        kafka,
        home,
        partitions=1,
        extra={
            "VIDARE_AGENCIES": str(agencies),
            "VIDARE_ALLOW_LOOPBACK": "on",
            "VIDARE_TEST_TOKEN": "token of no",
        },
        hops=(("notifier", "hop"), ("notifier", "receipts")),
    )
    ports = mesh.extra
    mesh.start()
    ports["VIDARE_PORT"] = str(door)
    mesh.add("notifier", "door", 0)
    with _receiver(receiver, mesh.env):
        _wait(f"http://127.0.0.1:{door}/ready")
        yield Desk(kafka, door)
    mesh.stop()


@contextmanager
def _receiver(port: int, env: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, str(ROOT / "deploy" / "receiver" / "receiver.py"), "--port", str(port)]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as program:
        _wait(f"http://127.0.0.1:{port}/ready")
        yield
        program.terminate()


def _ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(url: str) -> None:
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} is not ready within {WITHIN_S} s")


def test_a_referral_is_delivered_and_acknowledged(desk: Desk) -> None:
    """Into the feed, to the receiver, and the receiver's case number comes back as an acknowledgement."""
    began = time.monotonic()
    referral = desk.refer(priority=Priority.P0, partner="ecpat-se")
    document = desk.find("referrals-agency-hotline-nl", lambda row: row["referral_id"] == str(referral))
    acknowledged = desk.find("outcomes", lambda row: row["referral_id"] == str(referral))

    assert ("referral/1", "P0") == (document["schema"], document["priority"])
    assert "acknowledged" == acknowledged["what"]
    assert "hotline" == desk.status("acknowledged", document["tip_id"])["destination"]
    assert time.monotonic() - began < WITHIN_S


def test_an_agency_pulls_and_answers_through_the_door(desk: Desk) -> None:
    """Long-poll, document, receipt, and the referral is open no more."""
    headers = {"authorization": "Bearer token of no"}
    referral = desk.refer(destination="police-no", partner="ecpat-se")
    listed: list[dict[str, Any]] = []
    after, end = -1, time.monotonic() + WITHIN_S
    while not any(row["referral_id"] == str(referral) for row in listed) and time.monotonic() < end:
        page = httpx.get(f"{desk.door}/v1/referrals", params={"after": after, "wait": 5}, headers=headers, timeout=20)
        listed, after = page.json()["referrals"], page.json()["after"]
    receipt = {"schema": "receipt/1", "referral_id": str(referral), "status": "acknowledged", "reference": "NO-1"}
    answer = httpx.post(f"{desk.door}/v1/referrals/{referral}/receipts", json=receipt, headers=headers)

    assert 202 == answer.status_code
    assert "acknowledged" == desk.find("outcomes", lambda row: row["referral_id"] == str(referral))["what"]
    entry = desk.find(
        "custody", lambda row: row["kind"] == "delivery.acknowledged" and row["tally"]["agency"] == "police-no"
    )
    assert "agency:police-no" == entry["actor"]
    while httpx.get(f"{desk.door}/v1/referrals", headers=headers).json()["referrals"] and time.monotonic() < end:
        time.sleep(0.1)
    assert [] == httpx.get(f"{desk.door}/v1/referrals", headers=headers).json()["referrals"]


def test_a_receipt_by_topic_is_checked_and_taken(desk: Desk) -> None:
    """What an agency writes to its inbox reaches the sender; junk beside it is refused in the custody log."""
    referral = desk.refer(destination="police-no", partner="ecpat-se", priority=Priority.P3)
    desk.find("referrals-agency-police-no", lambda row: row["referral_id"] == str(referral))
    question = {"schema": "receipt/1", "referral_id": str(referral), "status": "question", "text": "Which account?"}
    for value in (b"junk", json.dumps(question).encode()):
        desk._producer.produce("receipts-inbox-police-no", value, partition=0)
    desk._producer.flush()

    told = desk.find("tips-status-ecpat-se", lambda row: row["status"] == "question")
    assert "Which account?" == told["text"]
    refused = desk.find("custody", lambda row: row["kind"] == "receipt.refused")
    assert "not_json" == refused["tally"]["reason"]
