"""Untrusted answers: checked or refused in words, never raised, never quoted."""

from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.referral import ReceiptChecked
from services.chassis.hop import Input, Record
from services.notifier.answering.intake import ReceiptsHop, bucket_of
from services.notifier.answering.receipts import LARGEST_BYTES, RefusedReceipt, check
from tests.support.notifier_world import START, World

GOOD = {
    "schema": "receipt/1",
    "referral_id": "5b0f3a52-9a44-5d0e-b6a1-3d4c5e1f2a70",
    "status": "acknowledged",
    "reference": "NL-000001",
}


def checked(**changes: object) -> ReceiptChecked | RefusedReceipt:
    """What becomes of the good receipt with *changes*."""
    return check(orjson.dumps(GOOD | changes), agency="hotline-nl", received_at=START)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "actioned", "outcome": "content_removed", "reference": None},
        {"status": "actioned", "outcome": "moved", "moved_to": "NL"},
        {"status": "closed"},
        {"status": "nack", "nack": "not_ours"},
        {"status": "question", "text": "Which account?"},
        {"status": "active_investigation"},
        {"unknown": "ignored", "at": "2026-11-22T10:00:00Z"},
    ],
)
def test_every_status_of_the_contract_is_taken(changes: dict[str, object]) -> None:
    """The agency is the one that we know, whatever the body says."""
    found = checked(**changes, agency="police-se")

    assert isinstance(found, ReceiptChecked)
    assert "hotline-nl" == found.agency


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reference": None}, "missing_reference"),
        ({"reference": ""}, "invalid_field"),
        ({"status": "nack"}, "missing_nack"),
        ({"status": "question"}, "missing_text"),
        ({"status": "actioned", "outcome": "moved"}, "missing_moved_to"),
        ({"status": "moved"}, "invalid_field"),
        ({"nack": "tired"}, "invalid_field"),
        ({"moved_to": "Netherlands"}, "invalid_field"),
        ({"referral_id": "../../x"}, "invalid_field"),
        ({"at": "yesterday"}, "invalid_field"),
        ({"schema": "receipt/2"}, "unknown_schema"),
        ({"text": "x" * 20_001}, "invalid_field"),
    ],
)
def test_a_wrong_receipt_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    """E73: an acknowledgement without a reference, and every other fault, is named by a closed word."""
    found = checked(**changes)

    assert isinstance(found, RefusedReceipt)
    assert reason == found.reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(None, "empty"), (b"", "empty"), (b"{", "not_json"), (b"\xff\xfe", "not_json"), (b"[]", "invalid_field")],
)
def test_bytes_that_are_no_receipt_are_refused(raw: bytes | None, reason: str) -> None:
    """No bytes raise."""
    found = check(raw, agency="hotline-nl", received_at=START)

    assert isinstance(found, RefusedReceipt)
    assert reason == found.reason


def test_a_receipt_that_is_too_large_is_not_read() -> None:
    """64 kB is the most that anybody needs to say."""
    assert RefusedReceipt("too_large") == check(b" " * (LARGEST_BYTES + 1), agency="hotline-nl", received_at=START)


@given(raw=st.binary(max_size=300))
def test_any_bytes_are_checked_or_refused(raw: bytes) -> None:
    """Nothing raises and nothing gets through that does not read back."""
    found = check(raw, agency="hotline-nl", received_at=START)

    assert isinstance(found, RefusedReceipt | ReceiptChecked)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@given(
    changes=st.dictionaries(st.sampled_from([*GOOD, "outcome", "nack", "text", "moved_to", "at"]), _JSON, max_size=4)
)
def test_a_refusal_never_quotes_the_receipt(changes: dict[str, object]) -> None:
    """A reason is a closed word and the name of a field of ours."""
    raw = orjson.dumps(GOOD | changes, option=orjson.OPT_NON_STR_KEYS) if _encodable(changes) else b"{"
    found = check(raw, agency="hotline-nl", received_at=START)

    if isinstance(found, RefusedReceipt):
        assert found.field is None or found.field in {*GOOD, "outcome", "nack", "text", "moved_to", "at"}
    else:
        assert found == ReceiptChecked.model_validate_json(found.model_dump_json(by_alias=True))


def _encodable(changes: dict[str, object]) -> bool:
    try:
        orjson.dumps(changes)
    except TypeError:
        return False
    return True


def given_record(value: bytes | None, topic: str = "receipts-inbox-hotline-nl") -> Input:
    """An input of the receipts hop."""
    return Input(UUID(int=7), START, record=Record(topic, 0, 7, None, value, (), 0))


def test_the_topic_says_who_answers() -> None:
    """A receipt goes on keyed by its agency, with an entry that names the agency as the actor."""
    outcome = ReceiptsHop(["hotline-nl"]).decide(given_record(orjson.dumps(GOOD)), World())

    assert [("receipts-checked", "hotline-nl")] == [(event.topic, event.key) for event in outcome.events]
    assert [("receipt.checked", "agency:hotline-nl")] == [(entry.kind, entry.actor) for entry in outcome.entries]


def test_a_refused_receipt_keeps_digest_size_and_reason() -> None:
    """Nothing goes on, and the bytes are nowhere."""
    outcome = ReceiptsHop(["hotline-nl"]).decide(given_record(b'{"text": "secret words"}'), World())

    assert [] == outcome.events
    assert "receipt.refused" == outcome.entries[0].kind
    assert {"agency", "reason", "size", "digest", "field"} == set(outcome.entries[0].tally)
    assert "secret" not in str(outcome)


def test_sixty_agencies_share_few_tasks() -> None:
    """Every inbox is read by exactly one of at most four tasks."""
    agencies = [f"hotline-{number}" for number in range(60)]
    tasks = ReceiptsHop(agencies).tasks()

    assert len(tasks) <= 4
    assert sorted(f"receipts-inbox-{agency}" for agency in agencies) == sorted(
        topic for task in tasks for topic, _, _ in task.inputs
    )
    assert bucket_of("hotline-nl") == bucket_of("hotline-nl")
