"""A foreign client publishes and reads: what goes in comes out once, rubbish is refused once, nothing crashes."""

import base64
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.broker import LocalBroker
from tests.support.mesh import ProcessMesh
from tests.support.oracle import Reader, Seen, doubled, publish, topics_like

TIPS = int(os.environ.get("VIDARE_TEST_TIPS", "2000"))
REPEATS = 100
RUN = uuid.uuid4().hex[:8]


def tip(index: int) -> dict[str, object]:
    """A valid tip on a target of its own; a known Swedish victim, so that the police is a destination."""
    return {
        "schema": "tip-submission/1",
        "reference": f"F-{RUN}-{index}",
        "kind": "csam",
        "urls": [f"https://host{index}.{RUN}.example/page"],
        "assessment": {"status": "baseline"},
        "people": [{"role": "victim", "nationalities": ["SE"]}],
        "narrative": "neutral invented text",
    }


def rubbish(index: int) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """One of eight kinds of records that can't be a tip; malformed headers ride on some of them."""
    media = base64.b64encode(b"\xff\xd8\xff\xe0" + os.urandom(3_000)).decode()
    base = tip(10_000_000 + index)
    kinds: list[bytes | None] = [
        b"this is not JSON",
        b'{"reference": "\xff\xfe", "kind": "csam"}',
        json.dumps(base | {"narrative": "x" * 600_000}).encode(),
        None,
        json.dumps(base | {"unknown": 1}).encode(),
        json.dumps(base | {"kind": 7}).encode(),
        json.dumps(base | {"narrative": f"data:image/jpeg;base64,{media}"}).encode(),
        json.dumps({"reference": f"F-{RUN}-empty-{index}", "kind": "other"}).encode(),
    ]
    headers = [("traceparent", b"\xff\xfe not a context"), ("baggage", b"\x00" * 100)] if index % 2 else []
    return kinds[index % len(kinds)], headers


@pytest.fixture
def mesh(kafka_broker: LocalBroker, tmp_path: Path) -> Iterator[ProcessMesh]:
    """Every hop once, on a real broker of its own."""
    mesh = ProcessMesh(kafka_broker.bootstrap, tmp_path / "mesh")
    mesh.start()
    yield mesh
    mesh.stop()


@pytest.mark.timeout(400)
def test_every_tip_comes_out_once_and_every_rubbish_is_refused_once(mesh: ProcessMesh) -> None:
    """
    One referral per tip and destination, one refusal per rubbish record, and no process died.
    """
    kafka, inbox = mesh.kafka, "tips-inbox-ecpat-se"
    good = [
        (inbox, json.dumps(tip(i)).encode(), [("traceparent", b"garbage")] if i % 50 == 0 else []) for i in range(TIPS)
    ]
    again = good[:REPEATS]
    bad = [(inbox, *rubbish(i)) for i in range(100)]
    status = Reader(kafka, ["tips-status-ecpat-se"], from_now=True)
    agencies = Reader(kafka, topics_like(kafka, "referrals-agency-"), from_now=True)

    before = settled(mesh)

    publish(kafka, good[: TIPS // 2] + bad[:50] + good[TIPS // 2 :] + again + bad[50:])

    def answered(seen: list[Seen]) -> bool:
        words = [record.json()["status"] for record in seen]
        return words.count("accepted") >= TIPS + REPEATS and words.count("refused") >= len(bad)

    statuses = [record.json() for record in status.until(answered, seconds=200)]
    accepted = {s["tip_id"] for s in statuses if s["status"] == "accepted"}
    refused = [s for s in statuses if s["status"] == "refused"]
    referrals = agencies.until(lambda seen: police(seen) >= TIPS, seconds=200)
    pairs = [(r.json()["tip_id"], r.json()["destination"]) for r in referrals if r.json()["action"] == "new"]

    assert len(accepted) == TIPS
    assert len(refused) == len(bad)
    assert doubled(pairs) == {}
    assert {t for t, destination in pairs if destination == "police-se"} == accepted
    assert {worker.name: worker.starts for worker in mesh.places if worker.starts != 1} == {}
    books = settled(mesh)
    assert books["unaccounted"] == []
    assert books["duplicates"] == 0
    assert count(books, "repeated") - count(before, "repeated") == REPEATS


def police(seen: list[Seen]) -> int:
    """How many referrals the home police has."""
    return sum(record.topic == "referrals-agency-police-se" for record in seen)


def count(books: dict[str, object], word: str) -> int:
    """One number of the books."""
    value = books[word]
    assert isinstance(value, int)
    return value


def settled(mesh: ProcessMesh) -> dict[str, object]:
    """The books once nothing is in flight any more."""
    end = time.monotonic() + 60
    while True:
        books: dict[str, object] = mesh.json("reconcile")
        if books["in_flight"] == 0 or time.monotonic() > end:
            return books
