"""Untrusted bytes: read strictly or refused in words; corpus of hostile transport and encoding."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.vocabulary import REFUSAL_HTTP_STATUS, RefusalReason
from services.intake.check import Accepted, Refused, check_submission
from services.intake.refusal import Refusal, pointer
from services.intake.screen import screen
from tests.support.intake import JPEG, KEY, NOW, PNG, PUBLIC, VETTED, ZIP, b64, fields, submission


def verdict(data: bytes) -> tuple[str, str | None]:
    """Reason and pointer of the refusal of *data*; ``accepted`` where it is a tip."""
    found = check_submission(data, VETTED, NOW, key=KEY)
    return (found.reason.value, found.pointer) if isinstance(found, Refused) else ("accepted", None)


def nested(depth: int) -> bytes:
    """A submission with an unknown field that is *depth* containers deep in all."""
    return b'{"reference":"E-1","kind":"csam","x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


HOSTILE: dict[str, tuple[bytes, tuple[str, str | None]]] = {
    "1 empty": (b"", ("not_json", None)),
    "1 null": (b"null", ("invalid_field", "")),
    "1 list": (b"[]", ("invalid_field", "")),
    "1 text": (b'"x"', ("invalid_field", "")),
    "1 number": (b"7", ("invalid_field", "")),
    "1 empty object": (b"{}", ("invalid_field", "/reference")),
    "2 truncated": (submission()[:-3], ("not_json", None)),
    "2 trailing": (submission() + b"x", ("not_json", None)),
    "2 two documents": (submission() * 2, ("not_json", None)),
    "3 invalid UTF-8": (b'{"reference":"\xff"}', ("not_json", None)),
    "3 overlong": (b'{"reference":"\xc0\xaf"}', ("not_json", None)),
    "3 surrogate in UTF-8": (b'{"reference":"\xed\xa0\x80"}', ("not_json", None)),
    "3 UTF-16": (submission().decode().encode("utf-16"), ("not_json", None)),
    "3 BOM": (b"\xef\xbb\xbf" + submission(), ("accepted", None)),
    "3 two BOMs": (b"\xef\xbb\xbf" * 2 + submission(), ("not_json", None)),
    "4 lone surrogate": (submission(narrative="\ud800"), ("invalid_field", "/narrative")),
    "4 lone surrogate in a key": (b'{"reference":"E-1","kind":"csam","\\udc00":1}', ("invalid_field", "")),
    "4 pair of surrogates": (submission(narrative="\U0001f600"), ("accepted", None)),
    "5 a key twice": (b'{"reference":"E-1","kind":"csam","kind":"csam"}', ("invalid_field", "/kind")),
    "5 a key twice inside": (
        b'{"reference":"E-1","kind":"csam","place":{"country":"SE","country":"NO"}}',
        ("invalid_field", "/place/country"),
    ),
    "6 NaN": (b'{"reference":"E-1","kind":"csam","x":NaN}', ("invalid_field", "/x")),
    "6 Infinity": (
        b'{"reference":"E-1","kind":"csam","people":[{"age":-Infinity}]}',
        ("invalid_field", "/people/0/age"),
    ),
    "6 minus zero": (
        b'{"reference":"E-1","kind":"csam","people":[{"role":"victim","age":-0}]}',
        ("invalid_field", "/people/0/age"),
    ),
    "6 1e400": (b'{"reference":"E-1","kind":"csam","x":1e400}', ("invalid_field", "/x")),
    "6 many digits": (b'{"reference":"E-1","kind":"csam","x":' + b"1" * 200_000 + b"}", ("invalid_field", "/x")),
    "6 2^53": (b'{"reference":"E-1","kind":"csam","x":9007199254740992}', ("invalid_field", "/x")),
    "7 endless nesting": (b"[" * 100_000, ("not_json", None)),
    "7 endless objects": (b'{"a":' * 40_000, ("not_json", None)),
    "7 17 deep": (nested(17), ("not_json", None)),
    "7 17 objects deep": (b'{"a":' * 17 + b"1" + b"}" * 17, ("not_json", None)),
    "7 16 objects deep": (b'{"a":' * 16 + b"1" + b"}" * 16, ("unknown_field", "/a")),
    "7 16 deep": (nested(16), ("unknown_field", "/x")),
    "8 over the limit": (submission(narrative="x" * 262_144), ("too_large", None)),
    "10 zip": (ZIP, ("not_json", None)),
    "13 data URI as URL": (submission(urls=["data:image/png;base64,AAAA"]), ("media_refused", "/urls/0")),
    "14 base64 in free text": (submission(narrative="see " + b64(JPEG)), ("media_refused", "/narrative")),
    "15 PNG as JSON": (PNG, ("not_json", None)),
    "16 zero-width run": (submission(narrative="\u200b" * 5_000), ("accepted", None)),
    "17 unknown fields": (submission(**{f"f{n}": 1 for n in range(50)}), ("unknown_field", "/f0")),
    "17 unknown enum value": (submission(kind="nonsense"), ("invalid_field", "/kind")),
    "17 wrong type": (submission(people=[{"role": "victim", "age": "12"}]), ("invalid_field", "/people/0/age")),
    "17 number as text": (submission(reference=12), ("invalid_field", "/reference")),
    "17 true as a number": (submission(people=[{"role": "victim", "age": True}]), ("invalid_field", "/people/0/age")),
    "18 future version": (submission(schema="tip-submission/2", brand_new=1), ("unknown_schema", "/schema")),
    "26 year 0000": (submission(observed_at="0000-01-01T00:00:00Z"), ("invalid_field", "/observed_at")),
    "26 year 9999": (submission(observed_at="9999-12-31T23:59:59Z"), ("accepted", None)),
    "26 year 1970": (submission(observed_at="1970-01-01T00:00:00Z"), ("accepted", None)),
    "26 leap second": (submission(observed_at="2016-12-31T23:59:60Z"), ("accepted", None)),
    "26 no zone": (submission(observed_at="2026-11-22T09:15:00"), ("accepted", None)),
    "26 +99:00": (submission(observed_at="2026-11-22T09:15:00+99:00"), ("invalid_field", "/observed_at")),
    "26 no time": (submission(preserve_until="soon"), ("invalid_field", "/preserve_until")),
    "27 1,001 indicators": (submission(urls=["https://a.example/"] * 1_001), ("too_many", None)),
    "27 1,000 indicators": (submission(urls=["https://a.example/"] * 1_000), ("accepted", None)),
    "57 10^4 hashes": (submission(hashes=[{"algorithm": "md5", "value": "0"}] * 10_000), ("too_large", None)),
    "57 5,000 hashes": (submission(hashes=[{"algorithm": "md5", "value": "0"}] * 5_000), ("too_many", None)),
    "63 log forging": (submission(narrative="\nERROR admin logged in\x1b[2J\x07"), ("accepted", None)),
    "64 markup": (submission(narrative="<script>{{7*7}}${jndi:x}%s'--$(x)</script><svg onload=1>"), ("accepted", None)),
    "67 zalgo": (submission(narrative="e" + "\u0301" * 500 + "\U000e0041\ue000\ufffe"), ("accepted", None)),
    "media in a key": (submission(iVBORw0KGgoAAAANSUhEUg=1), ("media_refused", "")),
    "media deep inside": (submission(x=[{"y": [{"z": [b64(JPEG)]}]}]), ("media_refused", "/x/0/y/0/z/0")),
    "media outranks a key twice": (
        b'{"reference":"E-1","kind":"csam","narrative":"data:image/png;base64,AA","narrative":"x"}',
        ("media_refused", "/narrative"),
    ),
    "media outranks an unknown schema": (submission(schema="x/9", narrative=b64(PNG)), ("media_refused", "/narrative")),
    "media in an escaped text": (
        b'{"reference":"E-1","kind":"csam","narrative":"\\u002f9j\\/4AAQSkZJRgABAQAAAQABAAD"}',
        ("media_refused", "/narrative"),
    ),
}


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
