"""Operators at work: ``vidare agencies`` and its orders, with a notifier that is killed, on a real broker."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer, Producer

from contracts.vocabulary import Priority
from tests.support.mesh import ProcessMesh
from tests.support.notifier_orders import gaps
from tests.support.notifier_world import a_referral

WITHIN_S = 60.0
AGENCY = "hotline-nl"
AGENCIES = """
[[agency]]
id = "hotline-nl"
name = "Example hotline (test endpoint)"
kind = "hotline"
country = "NL"
profile = "hotline"
basis = "test"
channels = ["webhook", "topic"]
concurrency = 1
webhook = {{ url = "http://127.0.0.1:{port}/hotline-nl", secret = "env:VIDARE_DEMO_WEBHOOK_SECRET" }}
"""


class Receiver(ThreadingHTTPServer):
    """An agency: answers with `status`, keeps what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Takes)
        self.status = 200
        self.got: list[tuple[str, bytes]] = []

    def count(self, referral: UUID) -> int:
        """How many times *referral* came."""
        return [each for each, _ in self.got].count(str(referral))


class _Takes(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take one webhook."""
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        server.got.append((self.headers["webhook-id"], body))
        self.send_response(server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class names it
        """Nothing is told."""


class Desk:
    """A notifier, its agency, and an operator."""

    def __init__(self, mesh: ProcessMesh, receiver: Receiver) -> None:
        self.mesh, self.receiver = mesh, receiver
        self._producer = Producer({"bootstrap.servers": mesh.kafka})

    def refer(self, **changes: Any) -> UUID:
        """Write a routed referral as the router does; returns its id."""
        event = a_referral(uuid4().int % 10**9, **changes)
        topic = "referrals-routed-urgent" if event.priority.urgent else "referrals-routed"
        headers: list[tuple[str, str | bytes | None]] = [("ce_id", str(uuid4())), ("vidare-tip", str(event.tip_id))]
        self._producer.produce(topic, event.model_dump_json(by_alias=True), AGENCY, partition=0, headers=headers)
        self._producer.flush()
        return event.referral_id

    def says(self) -> dict[str, Any]:
        """How the agency is, as the command tells programs."""
        said: dict[str, Any] = self.mesh.json("agencies", AGENCY)
        return said

    def until(self, what: Callable[[], bool], why: str) -> None:
        """Wait for *what*."""
        end = time.monotonic() + WITHIN_S
        while not what():
            assert time.monotonic() < end, why
            time.sleep(0.2)

    def feed(self) -> list[bytes]:
        """The agency's topic as it is, oldest first."""
        reader = Consumer(
            {
                "bootstrap.servers": self.mesh.kafka,
                "group.id": str(uuid4()),
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        reader.subscribe([f"referrals-agency-{AGENCY}"])
        found: list[bytes] = []
        try:
            while True:
                record = reader.poll(10)
                assert record is not None, "the feed does not end"
                if record.error():
                    return found
                found.append(record.value() or b"")
        finally:
            reader.close()


@pytest.fixture(scope="module")
def desk(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A notifier on a real broker, and an agency that listens."""
    home = Path(tmp_path_factory.mktemp("agencies"))
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    file = home / "agencies.toml"
    file.write_text(AGENCIES.format(port=receiver.server_address[1]))
    mesh = ProcessMesh(
        kafka,
        home,
        partitions=1,
        extra={"VIDARE_AGENCIES": str(file), "VIDARE_ALLOW_LOOPBACK": "on"},
        hops=(("notifier", "hop"),),
    )
    mesh.start()
    yield Desk(mesh, receiver)
    mesh.stop()
    receiver.shutdown()
    receiver.server_close()


def test_pause_kill_resume(desk: Desk) -> None:
    """During the pause nothing leaves, not even after ``kill -9``; after it everything leaves, once."""
    paused = desk.mesh.vidare("agencies", "pause", AGENCY, "--reason", "an invented move", "--by", "duty-7")
    assert "paused" in paused.stdout
    referred = [desk.refer(priority=Priority.P0 if number == 3 else Priority.P2) for number in range(6)]
    desk.until(lambda: desk.says()["feed"] >= len(referred), "the referrals were not taken")
    (worker,) = desk.mesh.places
    desk.mesh.kill(worker)
    desk.until(lambda: worker.starts == 2, "the notifier was not started again")
    again = desk.mesh.json("agencies", "pause", AGENCY, "--reason", "again", "--by", "duty-2", seconds=90)
    said = desk.says()

    assert ("refused", "already_paused") == (again["state"], again["refused"])
    assert [] == desk.receiver.got
    assert ("paused", "an invented move", ["duty-7"]) == (
        said["state"],
        said["paused"]["reason"],
        said["paused"]["by"],
    )
    assert len(referred) == said["backlog"]["queued"]

    assert "done" == desk.mesh.json("agencies", "resume", AGENCY)["state"]
    desk.until(lambda: len(desk.receiver.got) >= len(referred), "not everything left")
    desk.until(lambda: desk.says()["unanswered"] == len(referred), "not everything is told as delivered")
    assert [1] * len(referred) == [desk.receiver.count(each) for each in referred]
    assert str(referred[3]) == desk.receiver.got[0][0]
    assert [] == gaps([body for _, body in desk.receiver.got])
    assert [] == gaps(desk.feed())


def test_case_86_two_operators_take_up_the_same_parked_referral(desk: Desk) -> None:
    """Both call at the same time: it goes out once more, one is done and the other is told."""
    desk.receiver.status = 404
    referral = desk.refer()
    desk.until(lambda: desk.says()["backlog"]["parked"] == 1, "the referral was not parked")
    (parked,) = desk.says()["parked"]
    assert (str(referral), "http_404", 1) == (parked["referral"], parked["reason"], parked["attempts"])
    desk.receiver.status = 200

    def call(name: str) -> dict[str, Any]:
        answer: dict[str, Any] = desk.mesh.json("agencies", "redeliver", AGENCY, str(referral), "--by", name)
        return answer

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(call, ("duty-7", "duty-2")))
    desk.until(lambda: desk.says()["backlog"]["parked"] == 0, "the referral is parked still")

    assert ["done", "refused"] == sorted(answer["state"] for answer in answers)
    assert {answer["refused"] for answer in answers} <= {None, "overtaken", "under_way", "just_replayed"}
    assert 2 == desk.receiver.count(referral)
    assert 1 == len({body for each, body in desk.receiver.got if each == str(referral)})


def test_close_by_name_and_reason(desk: Desk) -> None:
    """One person may not close a P0; two may, and it stands in the custody log with its reason."""
    desk.receiver.status = 404
    referral = desk.refer(priority=Priority.P0)
    desk.until(lambda: desk.says()["backlog"]["parked"] == 1, "the referral was not parked")
    why = ("--reason", "an invented agreement")
    alone = desk.mesh.vidare("agencies", "close", str(referral), "--by", "duty-7", *why, check=False)
    both = desk.mesh.vidare("agencies", "close", str(referral), "--by", "duty-7", "--by", "duty-2", *why)
    tip = a_tip_of(desk, referral)
    entries = desk.mesh.json("tip", tip)["timeline"]
    desk.receiver.status = 200

    assert (2, "two people" in alone.stderr) == (alone.returncode, True)
    assert "is closed" in both.stdout
    assert 0 == desk.says()["backlog"]["parked"]
    closed = [entry for entry in entries if entry["kind"] == "delivery.closed"]
    assert ["operator:duty-7,duty-2"] == [entry["actor"] for entry in closed]
    ordered = next(entry for entry in entries if entry["kind"] == "agency.ordered")
    assert "an invented agreement" == ordered["basis"]["reason"]


def a_tip_of(desk: Desk, referral: UUID) -> str:
    """The tip that *referral* is of, as the agency's own document says."""
    documents = (json.loads(raw) for raw in desk.feed())
    return str(next(each["tip_id"] for each in documents if each["referral_id"] == str(referral)))


def test_e81_a_replay_of_an_hour_reaches_the_agency_as_the_same_referrals(desk: Desk) -> None:
    """Everything that is not acknowledged comes again, with the ids and the bytes that came before."""
    desk.until(lambda: sum(desk.says()["backlog"].values()) == 0, "something is on its way still")
    before = dict(desk.receiver.got)
    unanswered = desk.says()["unanswered"]
    answer = desk.mesh.json("agencies", "redeliver", AGENCY, "--since", "1h", "--reason", "lost on their side")
    desk.until(lambda: sum(desk.says()["backlog"].values()) == 0, "the replay does not end")

    assert {"sent_again": unanswered - 1, "just_replayed": 1} == answer["counts"]
    assert before == dict(desk.receiver.got)
    assert unanswered == desk.says()["unanswered"]


def test_the_table_names_only_agencies_with_something_to_tell(desk: Desk) -> None:
    """A line per agency for people; an id that is wrong ends with 2 and names the one that was meant."""
    table = desk.mesh.vidare("agencies").stdout
    wrong = desk.mesh.vidare("agencies", "pause", "hotline-ln", "--reason", "x", check=False)
    shown = desk.mesh.vidare("agencies", AGENCY).stdout

    assert AGENCY in table
    assert (2, True) == (wrong.returncode, "did you mean hotline-nl?" in wrong.stderr)
    assert "breaker of webhook" in shown
