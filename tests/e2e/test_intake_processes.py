"""Intake as it runs: door and hop as processes on a real broker, a foreign client as a sender."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Consumer, Producer

from services.chassis.hop import tip_id
from tests.support.intake import JPEG, b64, submission
from tests.support.mesh import ProcessMesh

WITHIN_S = 60.0
TOKEN = "a token of the tests"
AUTHORISED = {"authorization": f"Bearer {TOKEN}"}


class Sender:
    """A hotline with a Kafka client that is not ours, and with HTTP."""

    def __init__(self, kafka: str, door: str) -> None:
        self.kafka = kafka
        self.http = httpx.Client(base_url=door, headers=AUTHORISED, timeout=30)
        self._producer = Producer({"bootstrap.servers": kafka})

    def publish(self, *values: bytes | None, urgent: bool = False, headers: Any = None) -> None:
        """Publish to the inbox with another client."""
        topic = "tips-inbox-ecpat-se-urgent" if urgent else "tips-inbox-ecpat-se"
        for value in values:
            self._producer.produce(topic, value, partition=0, headers=headers)
        assert self._producer.flush(WITHIN_S) == 0

    def read(self, topic: str, count: int) -> list[dict[str, Any]]:
        """The first *count* committed records of *topic*; waits for them."""
        settings = {"auto.offset.reset": "earliest", "isolation.level": "read_committed", "enable.auto.commit": False}
        reader = Consumer({"bootstrap.servers": self.kafka, "group.id": str(uuid4())} | settings)
        reader.subscribe([topic])
        found: list[dict[str, Any]] = []
        end = time.monotonic() + WITHIN_S
        try:
            while time.monotonic() < end and len(found) < count:
                record = reader.poll(0.5)
                if record is not None and not record.error():
                    found.append(json.loads(record.value() or b"{}"))
        finally:
            reader.close()
        return found

    def state(self, tip: str, wanted: str) -> dict[str, Any]:
        """State of *tip* once it is *wanted* and the hop has answered."""
        end = time.monotonic() + WITHIN_S
        told: dict[str, Any] = {}
        while time.monotonic() < end:
            told = self.http.get(f"/v1/tips/{tip}").json()
            if told.get("state") == wanted and told.get("history"):
                return told
            time.sleep(0.1)
        raise AssertionError(f"not {wanted} within {WITHIN_S} s: {told}")


@pytest.fixture(scope="module")
def sender(module_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    """Intake's processes and somebody who sends."""
    home: Path = tmp_path_factory.mktemp("intake")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    mesh = ProcessMesh(
        module_kafka, home, partitions=1, extra={"VIDARE_TOKEN_ECPAT_SE": TOKEN}, hops=(("intake", "hop"),)
    )
    try:
        mesh.start()
        mesh.extra["VIDARE_PORT"] = str(port)
        mesh.add("intake", "door", 0)
        made = Sender(module_kafka, f"http://127.0.0.1:{port}")
        _wait(made.http)
        yield made
        made.http.close()
    finally:
        mesh.stop()


def _wait(http: httpx.Client) -> None:
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        try:
            if http.get("/ready").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("the door is not ready")


def test_every_record_of_an_inbox_gets_one_status(sender: Sender) -> None:
    """Good, repeated, reused, null, broken, media, huge and badly headed records: one status each, in words."""
    before = len(sender.read("tips-status-ecpat-se", 0))
    good = submission(reference="K-1", urls=["https://processes.example/1"])
    sender.publish(
        good, good, submission(reference="K-1", narrative="x"), None, b"\xff", submission(narrative=b64(JPEG))
    )
    sender.publish(b"x" * 600_000)
    sender.publish(
        submission(reference="K-2", urls=["https://processes.example/2"]),
        headers=[("traceparent", b"\xff\xfe"), ("traceparent", b"x" * 10_000), ("ce_id", b""), ("x", None)],
    )
    told = sender.read("tips-status-ecpat-se", before + 8)
    assert sorted(row["refusal"]["reason"] if row["status"] == "refused" else row["status"] for row in told) == [
        "accepted", "accepted", "accepted", "media_refused", "not_json", "not_json", "reference_reused", "too_large",
    ]  # fmt: skip
    received = sender.read("tips-received", 2)
    assert {row["tip_id"] for row in received} == {str(tip_id("ecpat-se", f"K-{n}")) for n in (1, 2)}


def test_the_door_and_the_hop_agree(sender: Sender) -> None:
    """What the door answers 202 is accepted by the hop under that id; its sender reads it there."""
    answer = sender.http.post("/v1/tips", content=submission(reference="H-1", urls=["https://processes.example/3"]))
    assert answer.status_code == 202
    found = sender.state(answer.json()["tip_id"], "received")
    assert (found["revision"], found["references"], found["priority"]) == (1, ["H-1"], "P3")


def test_a_batch_is_streamed_through(sender: Sender) -> None:
    """2,000 lines in one request are answered in order, and the last one is accepted."""
    lines = [submission(reference=f"B-{n}", urls=[f"https://processes.example/b/{n}"]) for n in range(2_000)]
    begun = time.perf_counter()
    answer = sender.http.post(
        "/v1/tips/batch", content=b"\n".join(lines), headers={"content-type": "application/x-ndjson"}
    )
    print(f"batch of {len(lines)}: {time.perf_counter() - begun:.2f} s")
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["status"] for row in told] == [202] * 2_000
    assert told[-1]["tip_id"] == str(tip_id("ecpat-se", "B-1999"))
    sender.state(told[-1]["tip_id"], "received")


def test_e01_media_in_a_raw_body_is_refused_at_the_socket(sender: Sender) -> None:
    """E01: a picture as such, as multipart and as a compressed body are 4xx, and the door stays up."""
    for kind in ("image/jpeg", "multipart/form-data; boundary=x", "application/json"):
        answer = sender.http.post("/v1/tips", content=JPEG, headers={"content-type": kind})
        assert 400 <= answer.status_code < 500
    assert sender.http.post("/v1/tips", content=b"x", headers={"content-encoding": "gzip"}).status_code == 415
    assert sender.http.get("/live").status_code == 200


def test_a_batch_from_a_caller_who_does_not_read_while_writing(sender: Sender) -> None:
    """A client that sends everything before it reads anything gets every answer: reading never waits for it."""
    lines = b"".join(b"not JSON, and so refused at once\n" for _ in range(60_000))
    answer = sender.http.post("/v1/tips/batch", content=lines, headers={"content-type": "application/x-ndjson"})
    assert len(answer.text.splitlines()) == 60_000
