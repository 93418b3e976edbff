"""Commands as values in, values out: topics, submissions, dead letters, the demo's tips and rows."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from contracts import headers as h
from contracts.documents import document
from contracts.onboarding import Partner
from contracts.referral import Receipt
from contracts.submission import Submission
from contracts.topics import all_topics
from contracts.vocabulary import PartnerKind, RefusalReason
from services.chassis.errors import Misconfigured
from services.chassis.hop import Record, tip_id
from services.cli.commands.dlq import as_dead_letter_topic, dead_letter_topics, letter_of, replayed
from services.cli.commands.submit import Given, judge, split
from services.cli.commands.topics import Found, acls, compare, refuse_partitions
from services.cli.demo.desk import receipts_for
from services.cli.demo.rows import Stories, refusals, where
from services.cli.demo.tips import TIPS, read_tips
from services.cli.wronguse import WrongUse
from services.custody.books import Books, State

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
TOPICS = all_topics(["p"], ["a"], 4)
AS_WANTED = {topic.name: Found(topic.partitions, topic.config) for topic in TOPICS}
PARTNER = Partner(id="ecpat-se", name="x", kind=PartnerKind.HOTLINE, vetted=True)
EVENT = "6f0c8a52-9a44-5d0e-b6a1-3d4c5e1f2a71"
TIP = str(tip_id("ecpat-se", "E-1"))


def test_a_broker_as_the_contract_says_has_no_difference() -> None:
    """Topics of others and settings that the contract does not name are none of our business."""
    found = AS_WANTED | {"somebody-elses": Found(1, {})}
    found["custody"] = Found(1, {**AS_WANTED["custody"].config, "compression.type": "zstd"})

    assert compare(TOPICS, found) == []


def test_what_is_missing_or_otherwise_is_named() -> None:
    """A missing topic, another setting and another partition count are three differences."""
    found = dict(AS_WANTED)
    del found["custody"]
    found["decisions"] = Found(12, AS_WANTED["decisions"].config)
    found["reviews"] = Found(4, {**AS_WANTED["reviews"].config, "retention.ms": "1"})

    assert {(d.topic, d.what) for d in compare(TOPICS, found)} == {
        ("custody", "missing"),
        ("decisions", "partitions"),
        ("reviews", "retention.ms"),
    }


def test_another_partition_count_changes_nothing_and_says_what_to_do() -> None:
    """Keys would move between tasks: the command ends before it touches a topic."""
    found = AS_WANTED | {"decisions": Found(12, AS_WANTED["decisions"].config)}

    with pytest.raises(Misconfigured, match="VIDARE_PARTITIONS=12"):
        refuse_partitions(compare(TOPICS, found))


def test_a_sender_may_write_its_inbox_and_read_its_status_only() -> None:
    """The topic is the identity: no partner can write as another."""
    mine = {(a.operation, a.topic) for a in acls(all_topics(["p", "q"], ["a"], 4)) if a.principal == "User:partner-p"}

    assert mine == {("WRITE", "tips-inbox-p"), ("WRITE", "tips-inbox-p-urgent"), ("READ", "tips-status-p")}


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b'{"a": 1}', 1),
        (b'{\n  "a": 1\n}\n', 1),
        (b'[{"a": 1}, {"a": 2}]', 2),
        (b'{"a": 1}\n\n{"a": 2}\nnot json\n', 3),
        (b"", 0),
    ],
)
def test_a_file_is_cut_into_submissions(data: bytes, count: int) -> None:
    """One document, an array, or one on each line; lines that are no JSON are refused later, not lost."""
    assert len(list(split("f", data))) == count


def test_a_good_submission_is_sent_as_it_is_in_its_lane() -> None:
    """Triage of the body chooses the lane."""
    calm = judge(Given("f", b'{"reference": "E-1", "kind": "csam", "urls": ["https://a.example"]}'), PARTNER, NOW)
    urgent = judge(Given("f", b'{"reference": "E-2", "kind": "live_abuse", "narrative": "x"}'), PARTNER, NOW)

    assert (calm.topic, urgent.topic) == ("tips-inbox-ecpat-se", "tips-inbox-ecpat-se-urgent")


def test_a_bad_submission_is_refused_with_reason_and_place() -> None:
    """The same words that intake would use."""
    found = judge(Given("f:3", b'{"reference": "E-1", "kind": "csam", "narative": "x"}'), PARTNER, NOW)

    assert (found.sent, found.reason, found.pointer, found.where) == (False, "unknown_field", "/narative", "f:3")


def _letter(**more: bytes) -> Record:
    headers = {
        h.CE_ID: EVENT.encode(), h.VIDARE_TIP: TIP.encode(), h.TRACEPARENT: b"00-%b-%b-01" % (b"a" * 32, b"b" * 16),
        h.DLQ_REASON: b"invalid_event", h.DLQ_TOPIC: b"tips-located", h.DLQ_PARTITION: b"3", h.DLQ_OFFSET: b"17",
        h.DLQ_SERVICE: b"router@1", h.DLQ_AT: b"2026-11-22T09:15:00.000Z",
    } | more  # fmt: skip
    return Record("tips-located-dlq", 0, 5, b"group", b'{"text": "of a tip"}', tuple(headers.items()), 0)


def test_a_dead_letter_is_described_without_its_content() -> None:
    """Reason, origin, size and digest are enough to decide; the bytes are shown only on request."""
    letter = letter_of(_letter())

    assert (letter.reason, letter.origin, letter.tip) == ("invalid_event", "tips-located/3/17", TIP)
    assert "of a tip" not in repr(letter)


def test_a_replay_is_the_original_record_where_it_came_from() -> None:
    """Same key, bytes and headers, without those that the dead letter added; same partition."""
    original, entry = replayed(_letter(), "anna", NOW)

    assert (original.topic, original.partition, original.key, original.value) == (
        "tips-located",
        3,
        b"group",
        b'{"text": "of a tip"}',
    )
    assert dict(original.headers).keys() == {h.CE_ID, h.VIDARE_TIP, h.TRACEPARENT}
    said = orjson.loads(entry.value or b"")
    assert (said["kind"], said["actor"], said["tip"], said["trace"]) == ("tip.reopened", "person:anna", TIP, "a" * 32)
    document("custody/1").model.model_validate(said)


def test_a_replay_opens_the_books_again() -> None:
    """Parked by the dead letter, missing after the replay until its hop has answered."""
    books = Books()
    accepted = {"kind": "tip.accepted", "tip": TIP, "out": [{"event": EVENT, "topic": "tips-located"}], "tally": {}}
    parked = {"kind": "tip.parked", "tip": TIP, "cause": EVENT, "in": {"topic": "tips-located"}, "tally": {}}
    for entry in (accepted, parked):
        books.add(entry)
    before = books.state(TIP)

    books.add(orjson.loads(replayed(_letter(), "anna", NOW)[1].value or b""))

    assert (before, books.state(TIP)) == (State.PARKED, State.MISSING)
    assert books.expected() == {UUID(EVENT).bytes}


def test_a_letter_without_origin_is_not_sent_anywhere() -> None:
    """A header that says no partition is an error, not a guess."""
    with pytest.raises(Misconfigured, match="does not say where"):
        replayed(_letter(**{h.DLQ_PARTITION: b"x"}), "anna", NOW)


def test_dead_letter_topics_are_named_with_or_without_their_ending() -> None:
    """Inboxes have none: bytes that nobody has looked at are refused, never kept."""
    assert as_dead_letter_topic("tips-located") == as_dead_letter_topic("tips-located-dlq") == "tips-located-dlq"
    assert not [name for name in dead_letter_topics(4) if "inbox" in name]
    with pytest.raises(WrongUse, match="tips-received-dlq"):
        as_dead_letter_topic("tips-inbox-p")


def test_the_demo_has_tips_of_every_partner_kind_and_lane() -> None:
    """At least 66, of all five partners, urgent ones among them, with repeats and rubbish."""
    tips = read_tips()
    references = [(tip.partner, tip.reference) for tip in tips if tip.reference]

    assert len(tips) >= 66
    assert {tip.partner for tip in tips} == {"ecpat-se", "ncmec", "arachnid", "inhope-peer", "public"}
    assert len({tip.urgent for tip in tips}) == 2
    assert len(references) > len(set(references))
    assert len([tip for tip in tips if tip.reference is None]) >= 3


def test_the_demo_is_refused_for_every_reason_an_inbox_can_meet() -> None:
    """Each note of a refused line begins with its reason; those without memory are refused so here and now."""
    words = {reason.value for reason in RefusalReason}
    noted = {tip: tip.note.partition(":")[0] for tip in read_tips() if tip.note.partition(":")[0] in words}
    with_memory = {"unknown_reference", "reference_reused"}

    assert set(noted.values()) == words - {"not_permitted"}
    for tip, reason in noted.items():
        if reason not in with_memory:
            assert judge(Given("f", tip.value), PARTNER, NOW).reason == reason


def test_all_other_lines_of_the_demo_are_accepted() -> None:
    """No tip is refused by mistake."""
    words = {reason.value for reason in RefusalReason}
    good = [tip for tip in read_tips() if tip.note.partition(":")[0] not in words]

    assert [
        (tip.note, judge(Given("f", tip.value), PARTNER, NOW))
        for tip in good
        if not judge(Given("f", tip.value), PARTNER, NOW).sent
    ] == []
    assert {Submission.model_validate_json(tip.value).kind.value for tip in good} >= {
        "csam", "grooming", "sextortion", "live_abuse", "trafficking", "travelling_offender", "solicitation", "other",
    }  # fmt: skip


def test_a_broken_line_of_the_demo_is_named(tmp_path: Any) -> None:
    """File and line, and what is needed."""
    path = tmp_path / "t.jsonl"
    path.write_text(TIPS.read_text().splitlines()[0] + '\n{"no": "partner"}\n')

    with pytest.raises(Misconfigured, match=r"t\.jsonl:2"):
        read_tips(path)


def _located(**more: Any) -> dict[str, Any]:
    verdict = {"country": "NL", "confidence": 0.95}
    return {
        "jurisdiction": {"hosting": [verdict, verdict]},
        "received": {"tip_id": TIP, "partner": "p", "reference": "E-1", "facts": {"kind": "csam"}},
    } | more


def test_a_row_tells_one_tip_from_end_to_end() -> None:
    """Reference, kind, priority, where, who by which rules and how far, trace."""
    stories = Stories()
    stories.located(_located())
    stories.decided(
        {
            "tip_id": TIP,
            "priority": "P2",
            "destinations": [{"id": "hotline-nl", "rules": ["R08"]}, {"id": "review", "rules": ["R20"]}],
        }
    )
    for what in ("attempted", "acknowledged", "delivered"):
        stories.delivered({"tip_id": TIP, "destination": "hotline-nl", "version": 1, "what": what})
    stories.entered({"tip": TIP, "kind": "tip.accepted", "trace": "a" * 32})

    (story,) = stories.in_order([("p", "E-1"), ("p", "E-1")])

    assert story.row() == (
        "p",
        "E-1",
        "csam",
        "P2",
        "NL 0.95",
        "hotline-nl (R08): acknowledged; review (R20): a person decides",
        "a" * 32,
    )


@pytest.mark.parametrize(
    ("jurisdiction", "said"),
    [
        ({}, "none"),
        ({"hosting": [{"country": None, "candidates": ["MU", "CA"]}]}, "? MU/CA"),
        ({"hosting": [{"country": None, "flags": ["cdn"]}]}, "? cdn"),
        ({"persons": [{"country": "SE", "confidence": 0.6}]}, "person SE 0.60"),
    ],
)
def test_a_jurisdiction_is_said_in_short(jurisdiction: dict[str, Any], said: str) -> None:
    """Where nobody knows, the row says why."""
    assert where(jurisdiction) == said


def test_refusals_are_rows_of_their_own() -> None:
    """Reference, reason and place; never what was refused."""
    statuses: list[tuple[str, dict[str, Any]]] = [
        ("p", {"status": "accepted"}),
        ("p", {"status": "refused", "reference": None, "refusal": {"reason": "not_json"}}),
    ]

    assert refusals(statuses) == [("p", "-", "not_json", "-")]


@pytest.mark.parametrize(
    ("number", "words"), [(1, ["acknowledged"]), (2, ["acknowledged", "question"]), (3, ["acknowledged", "closed"])]
)
def test_the_desk_answers_with_valid_receipts(number: int, words: list[str]) -> None:
    """Every answer is a receipt/1 as the contract wants it."""
    made = receipts_for({"action": "new", "referral_id": EVENT, "destination": "police-fi"}, number, NOW)

    assert [Receipt.model_validate(answer).status for answer in made] == words


def test_a_notice_gets_no_receipt() -> None:
    """Sightings and withdrawals ask for nothing."""
    assert receipts_for({"action": "sightings", "referral_id": EVENT, "destination": "police-fi"}, 1, NOW) == []
