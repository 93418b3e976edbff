"""
A stranger at the outside names: a hotline and an agency with clients of their own, who know only the contract.

Nothing of the services is imported here: what they see is what anybody sees.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from confluent_kafka import Consumer, Producer, TopicPartition

from services.cli.broker import LocalBroker
from tests.support.mesh import ProcessMesh
from tests.support.oracle import Reader, Seen

PARTNER = "ecpat-se"
INBOX = f"tips-inbox-{PARTNER}"
STATUS = f"tips-status-{PARTNER}"
TOKEN = "a token of the stranger"
OTHER_TOKEN = "a token of somebody else"
WITHIN_S = 30.0
DECIDED = ("accepted", "refused")

Headers = list[tuple[str, str | bytes | None]]


def digest(data: bytes) -> str:
    """How a refusal names bytes."""
    return f"sha-256:{sha256(data).hexdigest()}"


class Stranger:
    """Publishes, reads and asks."""

    def __init__(self, broker: LocalBroker, mesh: ProcessMesh, door: str = "") -> None:
        self.broker = broker
        self.mesh = mesh
        self.http = httpx.Client(base_url=door, headers={"authorization": f"Bearer {TOKEN}"}, timeout=40)
        self._producer = Producer({"bootstrap.servers": mesh.kafka, "message.max.bytes": 2_000_000})
        self._run, self._count = uuid4().hex[:6], 0

    def tip(self, **changed: Any) -> dict[str, Any]:
        """A small submission under a reference and on a target of its own."""
        self._count += 1
        name = f"{self._run}-{self._count}"
        base = {"schema": "tip-submission/1", "reference": name, "kind": "csam", "urls": [f"https://{name}.example/a"]}
        return base | changed

    def hosted(self, country: str, **changed: Any) -> dict[str, Any]:
        """A tip that an analyst of the sender says is hosted in *country*."""
        address = {"ip": "192.0.2.7", "role": "hosting", "country": country, "country_by": "analyst"}
        return self.tip(addresses=[address], assessment={"status": "baseline"}, **changed)

    def publish(
        self, *values: bytes | dict[str, Any] | None, topic: str = INBOX, headers: Headers | None = None
    ) -> None:
        """Publish *values* in order."""
        for value in values:
            data = json.dumps(value).encode() if isinstance(value, dict) else value
            self._producer.produce(topic, data, partition=0, headers=headers)
        assert self._producer.flush(WITHIN_S) == 0

    def decisions(self, *values: bytes | dict[str, Any] | None) -> list[Seen]:
        """Publish *values* and return the one decision (accepted, refused) on each, in order."""
        reader = self.reader(STATUS)
        self.publish(*values)

        def decided(seen: list[Seen]) -> list[Seen]:
            return [one for one in seen if one.json()["status"] in DECIDED]

        seen = reader.until(lambda seen: len(decided(seen)) >= len(values), seconds=WITHIN_S, quiet=0.3)
        reader.close()
        assert len(decided(seen)) == len(values)
        return decided(seen)

    def reader(self, *topics: str) -> Reader:
        """A reader of what comes from now on."""
        return Reader(self.mesh.kafka, topics, from_now=True)

    def told(self, reader: Reader, reference: str, word: str) -> list[dict[str, Any]]:
        """Statuses about *reference*, once one of them is *word*."""

        def mine(seen: list[Seen]) -> list[dict[str, Any]]:
            return [told for one in seen if (told := one.json()).get("reference") == reference]

        def enough(seen: list[Seen]) -> bool:
            return any(told["status"] == word for told in mine(seen))

        return mine(reader.until(enough, seconds=WITHIN_S, quiet=0.2))

    def one(self, reader: Reader) -> dict[str, Any]:
        """The next document that *reader* sees."""
        return reader.until(bool, seconds=WITHIN_S, quiet=0.0)[0].json()

    def left_in(self, topic: str) -> tuple[int, int]:
        """First and next offset of *topic*."""
        consumer = Consumer({"bootstrap.servers": self.mesh.kafka, "group.id": str(uuid4())})
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
        finally:
            consumer.close()

    def until_ready(self, status: int = 200) -> httpx.Response:
        """Wait until the door answers ``/ready`` with *status*."""
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            try:
                answer = self.http.get("/ready")
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code == status:
                return answer
            time.sleep(0.1)
        raise AssertionError(f"the door never answered {status}")

    @contextmanager
    def silent_broker(self) -> Iterator[None]:
        """Freeze the broker for the length of the block."""
        pid = self.broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def stranger(home: Path, hops: Sequence[tuple[str, str]], *, door: bool = False) -> Iterator[Stranger]:
    """A stranger beside the processes *hops* (and intake's door) on a broker of their own."""
    broker = LocalBroker(home / "kafka")
    tokens = {"VIDARE_TOKEN_ECPAT_SE": TOKEN, "VIDARE_TOKEN_NCMEC": OTHER_TOKEN}
    try:
        broker.start()
        mesh = ProcessMesh(broker.bootstrap, home / "mesh", partitions=1, extra=tokens, hops=tuple(hops))
        try:
            mesh.start()
            made = _opened(broker, mesh, door=door)
            yield made
            made.http.close()
        finally:
            mesh.stop()
    finally:
        broker.stop()


def _opened(broker: LocalBroker, mesh: ProcessMesh, *, door: bool) -> Stranger:
    if not door:
        return Stranger(broker, mesh)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    mesh.extra["VIDARE_PORT"] = str(port)
    mesh.add("intake", "door", 0)
    del mesh.extra["VIDARE_PORT"]
    made = Stranger(broker, mesh, f"http://127.0.0.1:{port}")
    made.until_ready()
    return made
