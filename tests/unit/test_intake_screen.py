"""Untrusted bytes: read strictly or refused in words; corpus of hostile transport and encoding."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.submission import MAX_SUBMISSION_BYTES
from contracts.vocabulary import REFUSAL_HTTP_STATUS, RefusalReason
from services.intake.check import Accepted, Refused, check_submission
from services.intake.refusal import Refusal, pointer
from services.intake.screen import screen
from tests.support.hostile import HOSTILE
from tests.support.intake import KEY, NOW, PNG, PUBLIC, VETTED, b64, fields, submission


def verdict(data: bytes) -> tuple[str, str | None]:
    """Reason and pointer of the refusal of *data*; ``accepted`` where it is a tip."""
    found = check_submission(data, VETTED, NOW, key=KEY)
    return (found.reason.value, found.pointer) if isinstance(found, Refused) else ("accepted", None)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_hostile_corpus_gets_its_verdicts(name: str) -> None:
    """Each input of the corpus is refused with its reason and place, or accepted."""
    data, expected = HOSTILE[name]
    assert verdict(data) == expected


def test_every_reason_has_an_http_status() -> None:
    """The closed list of reasons and the door's statuses agree."""
    assert set(REFUSAL_HTTP_STATUS) == set(RefusalReason)


def test_a_refusal_keeps_digest_size_and_reference_only() -> None:
    """Refused bytes leave their digest and size; the sender's reference tells which submission it was."""
    data = submission(reference="E-77", narrative=b64(PNG))
    found = check_submission(data, PUBLIC, NOW, key=KEY)
    assert isinstance(found, Refused)
    assert (found.reference, found.size) == ("E-77", len(data))
    assert found.digest.startswith("sha-256:")
    assert b64(PNG)[:12] not in repr(found)


def test_a_reference_that_is_media_is_not_repeated() -> None:
    """Where the reference itself is at fault, the refusal does not carry it."""
    found = check_submission(submission(reference=b64(PNG)), PUBLIC, NOW, key=KEY)
    assert isinstance(found, Refused)
    assert (found.pointer, found.reference) == ("/reference", None)


def test_null_is_absent() -> None:
    """Null fields are gone, at every depth; null items of a list are not."""
    assert screen(b'{"a":null,"b":{"c":null,"d":1},"e":[null,{"f":null}]}') == {"b": {"d": 1}, "e": [None, {}]}


def test_pointers_are_escaped_and_short() -> None:
    """A pointer follows RFC 6901, and ends where somebody's text would stand in it."""
    assert pointer(("a/b", "c~d", 3)) == "/a~1b/c~0d/3"
    assert pointer(("people", 0, "x" * 65)) == "/people/0"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
known_names = st.sampled_from(
    [*fields(), "addresses", "hashes", "people", "place", "narrative", "supersedes", "withdrawn", "signals"]
)


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    """Whatever the bytes are, the screen gives a dictionary or a reasoned no."""
    try:
        found = screen(data)
    except Refusal as refusal:
        assert refusal.reason in RefusalReason  # noqa: PT017 - either end is fine, any other exception is not
    else:
        assert isinstance(found, dict)


@given(st.dictionaries(known_names | st.text(max_size=8), anything, max_size=8))
def test_any_json_is_accepted_or_refused(given_fields: dict[str, Any]) -> None:
    """Whatever an object holds, the decision is a tip or a refusal with digest and size."""
    data = json.dumps(given_fields).encode()
    found = check_submission(data, PUBLIC, NOW, key=KEY)
    assert isinstance(found, Accepted) or (found.size == len(data) and found.reason in RefusalReason)


@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=80))
def test_odd_indicators_never_refuse_a_tip(url: str, address: str, value: str) -> None:
    """A tip with any URL, address and hash that is text is accepted, unless it is media or not Unicode."""
    data = submission(
        urls=[url],
        addresses=[{"ip": address, "role": "hosting"}],
        hashes=[{"algorithm": "sha1", "value": value}],
        narrative="a text",
    )
    found = check_submission(data, PUBLIC, NOW, key=KEY)
    assert isinstance(found, Accepted) or found.reason is RefusalReason.MEDIA_REFUSED
    if isinstance(found, Accepted):
        assert found.event.content.indicators.addresses[0].raw == address


@pytest.mark.parametrize(
    ("size", "reason"), [(MAX_SUBMISSION_BYTES, "accepted"), (MAX_SUBMISSION_BYTES + 1, "too_large")]
)
def test_a_submission_may_be_one_long_text_up_to_the_limit(size: int, reason: str) -> None:
    """256 KiB is the only limit of a text: a narrative that fills it is accepted, one byte more is too large."""
    frame = b'{"reference":"E-1","kind":"csam","narrative":""}'
    data = frame[:-2] + b"a " * ((size - len(frame)) // 2) + b"a" * (size % 2) + frame[-2:]
    assert len(data) == size
    assert verdict(data)[0] == reason
