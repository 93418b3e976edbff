"""Delivery as agencies and senders meet it: feeds, receipts, statuses and the operators' commands."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.topics import mesh_topics
from tests.support.mesh import HOPS
from tests.support.oracle import Reader, doubled, topics_like
from tests.support.stranger import STATUS, Stranger, stranger

KINDS = {"police", "hotline", "interpol", "europol", "provider", "takedown", "crawler", "review"}
ENVELOPE = {
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_specversion",
    "ce_time",
    "ce_dataschema",
    "content-type",
    "traceparent",
}
FINLAND, AUSTRIA = "referrals-agency-hotline-fi", "referrals-agency-hotline-at"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """A sender and agencies around a whole mesh."""
    with stranger(tmp_path_factory.mktemp("delivery"), [*HOPS, ("notifier", "receipts")]) as made:
        yield made


def receipt(referral: dict[str, Any], status: str, **more: Any) -> dict[str, Any]:
    """An agency's answer to *referral*."""
    return {"schema": "receipt/1", "referral_id": referral["referral_id"], "status": status, **more}


def answer(world: Stranger, agency: str, *receipts: bytes | dict[str, Any] | None) -> None:
    """Publish *receipts* as *agency*."""
    world.publish(*receipts, topic=f"receipts-inbox-{agency}")


def test_a_sender_hears_of_every_step_and_never_who(world: Stranger) -> None:
    """Accepted, routed, delivered, question, acknowledged, outcome: with kinds of destinations, no names."""
    statuses, feed = world.reader(STATUS), world.reader(FINLAND)
    tip = world.hosted("FI", narrative="neutral", reporter={"contact": "x@reporter.test", "share_with_police": True})
    world.publish(tip)
    told = world.told(statuses, tip["reference"], "delivered")
    referral = world.one(feed)

    answer(world, "hotline-fi", receipt(referral, "question", text="Which page?"))
    told += world.told(statuses, tip["reference"], "question")
    answer(world, "hotline-fi", receipt(referral, "acknowledged", reference="FI-1"))
    told += world.told(statuses, tip["reference"], "acknowledged")
    answer(world, "hotline-fi", receipt(referral, "actioned", outcome="content_removed"))
    told += world.told(statuses, tip["reference"], "outcome")

    hotline = [one for one in told if one.get("destination") == "hotline"]
    assert [one["status"] for one in hotline] == ["delivered", "question", "acknowledged", "outcome"]
    assert (hotline[1]["text"], hotline[3]["outcome"]) == ("Which page?", "content_removed")
    assert {kind for one in told for kind in (one.get("destination"), *one.get("destinations", ())) if kind} <= KINDS
    assert not re.search(r"hotline-fi|iccam|FI-1", json.dumps(told))
    assert all(one["at"] and UUID(one["tip_id"]) for one in told)
    assert (referral["people"], referral["narrative"], referral["reporter"]) == ([], None, None)
    assert {"narrative", "reporter"} <= set(referral["withheld"])


def test_receipts_that_prove_nothing_change_nothing(world: Stranger) -> None:
    """Malformed, incomplete, of nobody's referral, of another agency: the sender hears nothing, the next one counts."""
    statuses, feed = world.reader(STATUS), world.reader(FINLAND)
    tip = world.hosted("FI")
    world.publish(tip)
    world.told(statuses, tip["reference"], "delivered")
    referral = world.one(feed)
    acknowledged = receipt(referral, "acknowledged", reference="FI-2")

    answer(world, "hotline-at", acknowledged)
    answer(world, "hotline-fi", None, b"", b"{", b"\xff", b"null", b"[]", b"x" * 200_000, {"schema": "receipt/1"})
    answer(world, "hotline-fi", *(receipt(referral, status) for status in ("acknowledged", "nack", "question")))
    answer(world, "hotline-fi", receipt(referral, "nack", nack="because"), receipt(referral, "bogus", reference="1"))
    answer(world, "hotline-fi", acknowledged | {"schema": "receipt/2"}, acknowledged | {"referral_id": str(uuid4())})
    answer(world, "hotline-fi", acknowledged, acknowledged, receipt(referral, "closed", extra="is ignored"))

    told = world.told(statuses, tip["reference"], "outcome")
    assert [one["status"] for one in told if one.get("destination") == "hotline"] == ["acknowledged", "outcome"]


def test_not_ours_and_moved_lead_to_somebody_else(world: Stranger) -> None:
    """A nack leads to the next hotline of the country, a move to that of the new one: the same tip, version 2."""
    german = world.reader(*topics_like(world.mesh.kafka, "referrals-agency-hotline-de-"))
    world.publish(world.hosted("DE"))
    first = world.one(german)
    answer(world, first["destination"], receipt(first, "nack", nack="not_ours"))
    second = world.one(german)
    assert (second["tip_id"], second["version"], second["action"]) == (first["tip_id"], 2, "new")
    assert second["destination"] != first["destination"]

    feeds = world.reader(FINLAND, AUSTRIA)
    world.publish(world.hosted("FI"))
    here = world.one(feeds)
    answer(world, "hotline-fi", receipt(here, "actioned", outcome="moved", moved_to="AT"))
    there = world.one(feeds)
    assert (there["destination"], there["tip_id"], there["version"]) == ("hotline-at", here["tip_id"], 2)


def test_a_correction_updates_and_a_withdrawal_withdraws(world: Stranger) -> None:
    """One tip, three versions at the same agency, each naming the one it replaces; a repeat sends nothing."""
    feed = world.reader(FINLAND)
    tip = world.hosted("FI")
    better = world.hosted("FI", urls=tip["urls"], supersedes=tip["reference"], narrative="corrected")
    gone = {"reference": world.tip()["reference"], "kind": "csam", "supersedes": better["reference"], "withdrawn": True}
    world.publish(tip, tip, better, gone, gone)

    seen = [one.json() for one in feed.until(lambda seen: len(seen) >= 3, seconds=30, quiet=1.0)]
    assert [(one["version"], one["action"]) for one in seen] == [(1, "new"), (2, "update"), (3, "withdrawn")]
    assert [one["replaces"] for one in seen] == [None, seen[0]["referral_id"], seen[1]["referral_id"]]
    assert len({one["tip_id"] for one in seen}) == 1


def test_what_is_urgent_takes_the_urgent_lane_from_any_inbox(world: Stranger) -> None:
    """Intake triages again: danger in a routine inbox is urgent, a routine tip in the urgent inbox is not."""
    received = world.reader("tips-received", "tips-received-urgent")
    now, later = world.tip(narrative="det pågår just nu, livesänder"), world.tip()
    world.publish(now)
    world.publish(later, topic="tips-inbox-ecpat-se-urgent")

    seen = received.until(lambda seen: len(seen) >= 2, seconds=30, quiet=0.5)
    assert {one.json()["reference"]: one.topic for one in seen} == {
        now["reference"]: "tips-received-urgent",
        later["reference"]: "tips-received",
    }


def test_a_record_that_nobody_can_work_is_parked_and_shown(world: Stranger) -> None:
    """Rubbish in an inner topic: dead letters with reason and origin; the next tip is not held up; replay works."""
    feed = world.reader(FINLAND)
    world.publish(b"rubbish", None, b'{"schema": "tip-received/99"}', topic="tips-received")
    world.publish(world.hosted("FI"))
    world.one(feed)

    shown = world.mesh.json("dlq", "show", "tips-received")
    assert [one["topic"] for one in shown] == ["tips-received-dlq"] * 3
    assert all(one["reason"] and one["origin"].startswith("tips-received/0/") for one in shown)
    assert "rubbish" not in json.dumps(shown)
    assert world.mesh.json("dlq", "replay", "tips-received", "--by", "somebody")["replayed"] == 3


def test_the_commands_of_an_operator_answer(world: Stranger) -> None:
    """The books balance, a tip is told whole, submissions are checked; exit codes mean what they say."""
    mesh, good = world.mesh, world.mesh.home / "good.jsonl"
    tip = world.hosted("FI")
    good.write_text(f"{json.dumps(tip)}\n\n{{bad\n{json.dumps(tip | {'reference': 'x', 'kind': 'no'})}\n")
    statuses = world.reader(STATUS)
    sent = mesh.vidare("submit", str(good), "--as", "ecpat-se", "--json", check=False)
    told = json.loads(sent.stdout)
    assert (sent.returncode, told["sent"]) == (1, 1)
    assert [(one["reason"], one["pointer"]) for one in told["refused"]] == [
        ("not_json", None),
        ("invalid_field", "/kind"),
    ]

    tip_id = world.told(statuses, tip["reference"], "delivered")[0]["tip_id"]
    assert mesh.json("tip", tip_id)["tip_id"] == tip_id
    books = mesh.json("reconcile")
    assert (books["unaccounted"], books["duplicates"]) == ([], 0)
    assert books["accepted"] == books["ended"] + books["parked"] + books["in_flight"]

    def code(*arguments: str) -> int:
        return mesh.vidare(*arguments, check=False).returncode

    assert (code("topics", "check"), code("tip", str(uuid4()))) == (0, 1)
    assert (code("tip", "x"), code("submit", "/nowhere", "--as", "ecpat-se")) == (2, 2)
    mesh.extra["VIDARE_KAFKA"] = "127.0.0.1:1"
    try:
        away = mesh.vidare("reconcile", check=False)
    finally:
        del mesh.extra["VIDARE_KAFKA"]
    assert (away.returncode, "Traceback" in away.stderr, "127.0.0.1:1" in away.stderr) == (78, False, True)


def test_every_event_has_one_envelope_and_no_referral_comes_twice(world: Stranger) -> None:
    """CloudEvents and one trace context on every record that the mesh writes; every referral once at its feed."""
    kafka = world.mesh.kafka
    inner = {topic.name for topic in mesh_topics(1) if not topic.name.startswith("changelog-")}
    rubbish = [name for name in inner if name.endswith("-dlq")]
    feeds = topics_like(kafka, "referrals-agency-")
    names = [*(inner - {*rubbish, "rulebooks", "tips-received"}), *feeds, *topics_like(kafka, "tips-status-")]
    seen = Reader(kafka, names).until(lambda seen: len(seen) > 0, seconds=30)

    lacking = Counter((one.topic, name) for one in seen for name in ENVELOPE - set(one.headers))
    assert lacking == {}
    assert {one.headers["ce_specversion"] for one in seen} == {b"1.0"}
    assert all(re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", one.headers["traceparent"]) for one in seen)
    assert doubled((one.topic, one.headers["ce_id"]) for one in seen) == {}
    assert doubled(one.key for one in seen if one.topic in feeds) == {}
