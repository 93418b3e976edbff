"""What a tip says stays where it belongs: canaries through every hop, and a search in everything that was recorded."""

from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from contracts import topics
from services.chassis.hop import Record
from services.chassis.running.memory_run import Fed
from tests.support.canary import Canaries, plant
from tests.support.chain import Chain, chain
from tests.support.notifier_listener import says

POLICE = topics.AGENCY + "police-se"
STATUS = topics.STATUS + "ecpat-se"
MAY_HOLD_CONTENT = (
    topics.INBOX,
    topics.RECEIVED,
    topics.LOCATED,
    topics.ROUTED,
    topics.AGENCY,
    topics.CHANGELOG,
    topics.RECEIPTS_INBOX,
    topics.RECEIPTS_CHECKED,
)
"""Beginnings of the topics whose values carry tips or answers on; dead letters begin like the topic they came from."""
INNER = (topics.RECEIVED, topics.LOCATED, topics.ROUTED, topics.ROUTED + topics.URGENT, topics.RECEIPTS_CHECKED)
"""Topics that carry tips or answers between hops."""
POLICE_LEARN = frozenset(
    {
        "urls.host", "urls.path", "urls.query", "addresses.ip", "hashes.value", "accounts.handle", "people.name",
        "place.description", "urgency.reason", "narrative", "reporter.contact", "known_to.case",
    }
)  # fmt: skip
ECHO = b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"


def urgent(submission: dict[str, Any]) -> dict[str, Any]:
    """The same in immediate danger: the other lane, other rules."""
    return submission | {"urgency": submission["urgency"] | {"immediate_danger": True}}


def corrected(submission: dict[str, Any]) -> dict[str, Any]:
    """The sender's correction of *submission*: the same tip, its next revision."""
    before = submission["reference"]
    narrative = f"Again: {submission['narrative']}"
    return submission | {"reference": f"{before}-2", "supersedes": before, "narrative": narrative}


def spoiled(submission: dict[str, Any]) -> Iterator[bytes]:
    """Make submissions that are refused or hard to work, each with its content where something might quote it."""
    plain = orjson.dumps(submission)
    narrative, host, name = submission["narrative"], submission["urls"][0], submission["place"]["region"]
    yield plain[:-20]
    yield b"\xff\xfe" + plain
    yield narrative.encode()
    yield orjson.dumps(submission | {"kind": narrative})
    yield orjson.dumps(submission | {"schema": narrative})
    yield orjson.dumps(submission | {name: host})
    yield orjson.dumps(submission | {"people": [{name: host, "role": host}]})
    yield orjson.dumps(submission | {"addresses": [{"ip": narrative, "role": "upload"}]})
    yield orjson.dumps(submission | {"hashes": [{"algorithm": narrative, "value": host}]})
    yield orjson.dumps(submission | {"urls": [f"hxxp://{narrative}", f"http://[{host}"]})
    yield orjson.dumps(submission | {"known_to": [{"agency": host, "case": narrative}]})
    yield orjson.dumps(submission | {"place": {"country": narrative}})


def poison(submission: dict[str, Any]) -> Iterator[Fed]:
    """Make records that no hop can work: another document, a torn one, one without an id."""
    plain = orjson.dumps(submission)
    for number, topic in enumerate(INNER):
        yield Fed(topic, plain, key=b"k", headers=[("ce_id", str(UUID(int=100 + number)).encode())])
        yield Fed(topic, plain[:-5], key=b"k", headers=[("ce_id", str(UUID(int=200 + number)).encode())])
        yield Fed(topic, plain, key=b"k")


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Chain]:
    """A mesh whose agencies take everything."""
    async with chain(tmp_path) as made:
        yield made


def clean_places(mesh: Chain) -> Iterator[tuple[str, bytes]]:
    """Everything that must hold nothing of a tip, by name."""
    yield "logs", mesh.logs()
    yield from ((f"metrics of {hop}", text) for hop, text in mesh.metrics().items())
    yield from ((f"spans {name}", held) for name, held in mesh.span_bytes())
    yield from ((f"head of webhook {n}", request.partition(b"\r\n\r\n")[0]) for n, request in enumerate(mesh.posted))
    for record in mesh.all_records():
        yield from _clean_parts(record)


def _clean_parts(record: Record) -> Iterator[tuple[str, bytes]]:
    place = f"{record.topic}/{record.partition}/{record.offset}"
    if not record.topic.startswith(topics.INBOX):
        yield from ((f"header {name} of {place}", name.encode() + b"=" + value) for name, value in record.headers)
        if not record.topic.startswith(topics.STATUS):
            yield f"key of {place}", record.key or b""
    if not record.topic.startswith((*MAY_HOLD_CONTENT, topics.STATUS)) and not record.topic.endswith(topics.DLQ):
        yield f"value of {place}", record.value or b""


def statuses(mesh: Chain) -> Iterator[tuple[str, bytes]]:
    """What senders are told, keys included."""
    for topic in mesh.broker.topics:
        if topic.startswith(topics.STATUS):
            for record in mesh.records(topic):
                yield f"{topic} {record.offset}", (record.key or b"") + b" " + (record.value or b"")


def assert_clean(mesh: Chain, canaries: Canaries, *, told: frozenset[str] = frozenset({"reference"})) -> None:
    """Nothing of *canaries* in any clean place; of what senders are told, only the fields *told*."""
    assert canaries.search(clean_places(mesh)) == []
    assert {hit.field for hit in canaries.search(statuses(mesh))} <= told


async def test_the_police_get_what_the_tip_says(mesh: Chain) -> None:
    """The words arrive at the police by topic and by webhook: so a search that finds none elsewhere means something."""
    canaries = plant(3)

    await mesh.send(canaries.submissions)

    fed = canaries.search((POLICE, record.value or b"") for record in mesh.records(POLICE))
    pushed = canaries.search(("webhook", request) for request in mesh.posted)
    assert POLICE_LEARN <= {hit.field for hit in fed}
    assert {(hit.word, hit.field) for hit in fed} <= {(hit.word, hit.field) for hit in pushed}


@pytest.mark.parametrize("partner", ["ecpat-se", "ncmec", "public"])
async def test_nothing_of_a_tip_is_recorded_elsewhere(mesh: Chain, partner: str) -> None:
    """Spans, logs, metrics, keys, headers, decisions, deliveries, reviews and custody hold no word of any tip."""
    canaries = plant(4, seed=partner)
    tips = [*canaries.submissions[:2], *map(urgent, canaries.submissions[2:])]

    await mesh.send(tips, partner=partner)
    await mesh.send(tips[:1], partner=partner)
    await mesh.send(map(corrected, tips), partner=partner)

    accepted = [entry for entry in mesh.json(topics.CUSTODY) if entry["kind"] == "tip.accepted"]
    assert {entry["tally"]["revision"] for entry in accepted} == {1, 2}
    assert len({entry["tip"] for entry in accepted}) == len(tips)
    assert len(mesh.spans()) > len(tips) * 10
    assert_clean(mesh, canaries)


async def test_a_refusal_quotes_nothing(mesh: Chain) -> None:
    """Whatever is wrong with a submission, its refusal names a reason and a place, and no word of it."""
    canaries = plant(1)
    bad = list(spoiled(canaries.submissions[0]))

    await mesh.send(bad)

    first = [status["status"] for status in mesh.json(STATUS) if status["status"] in ("accepted", "refused")]
    assert len(bad) == len(first)
    assert first.count("refused") > len(bad) / 2
    # The name of an unknown field goes back to who wrote it, and to nobody else.
    assert_clean(mesh, canaries, told=frozenset({"reference", "place.region"}))


async def test_a_dead_letter_says_why_in_a_closed_word(mesh: Chain) -> None:
    """Records that no hop can work keep their bytes and get a reason; nothing else of them is recorded."""
    canaries = plant(1)
    fed = list(poison(canaries.submissions[0]))

    await mesh.feed(*fed)

    letters = [record for topic in mesh.broker.topics if topic.endswith(topics.DLQ) for record in mesh.records(topic)]
    assert len(fed) == len(letters)
    assert canaries.search(("letters", record.value or b"") for record in letters)
    assert_clean(mesh, canaries)


@pytest.mark.parametrize("status", [b"500 Oops", b"400 Bad", b"410 Gone", b"200 OK", b"302 Found"])
async def test_an_agency_that_echoes_leaks_nothing(tmp_path: Path, status: bytes) -> None:
    """What an endpoint answers, the whole document even, is in no reason, span, log or metric."""
    canaries = plant(2)
    whole = orjson.dumps(canaries.submissions)

    async with chain(tmp_path, answer=says(ECHO % (status, len(whole), whole))) as mesh:
        await mesh.send(canaries.submissions)

        assert mesh.posted
        assert_clean(mesh, canaries)


async def test_an_agencys_answer_goes_to_the_sender_only(mesh: Chain) -> None:
    """A question's text reaches its sender; a case number stands with the deliveries, broken answers nowhere."""
    canaries, agency = plant(4), plant(1, seed="agency")
    said = agency.submissions[0]
    await mesh.send(canaries.submissions)
    referrals = [orjson.loads(record.value or b"")["referral_id"] for record in mesh.records(POLICE)]
    inbox = topics.RECEIPTS_INBOX + "police-se"

    await mesh.feed(*(Fed(inbox, answer, key=b"k") for answer in _answers(referrals, said)))

    text = {word for word, field in agency.words.items() if field == "narrative"}
    assert text == {hit.word for hit in agency.search(statuses(mesh))}
    assert_clean(mesh, canaries)
    found = {(hit.field, hit.place.partition("/")[0]) for hit in agency.search(clean_places(mesh))}
    assert found == {("people.name", "value of deliveries")}, "the agency's own case number, there by contract"


def _answers(referrals: list[str], said: dict[str, Any]) -> Iterator[bytes]:
    narrative = said["narrative"]
    first = {"schema": "receipt/1", "referral_id": referrals[0]}
    yield orjson.dumps(first | {"status": "question", "text": narrative})
    person, others = said["people"][0], [{"schema": "receipt/1", "referral_id": each} for each in referrals[1:]]
    yield orjson.dumps(others[0] | {"status": "acknowledged", "reference": person["name"]})
    yield orjson.dumps(others[1] | {"status": "nack", "nack": person["note"]})
    yield orjson.dumps(first | {"status": said["reference"], said["accounts"][0]["handle"]: narrative})
    yield orjson.dumps(deepcopy(said))
    yield said["place"]["description"].encode()
