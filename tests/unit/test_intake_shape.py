"""The contract's form: what is unknown, missing, wrong or says nothing."""

from typing import Any

import pytest

from contracts.submission import Submission
from contracts.vocabulary import RefusalReason
from services.intake.check import Accepted, Refused, check_submission
from services.intake.refusal import Refusal
from services.intake.shape import shape
from tests.support.intake import KEY, NOW, PUBLIC, fields, submission


def refusal(**changed: Any) -> tuple[str, str | None] | None:
    """Reason and pointer of the refusal of a submission with *changed* fields."""
    found = check_submission(submission(**changed), PUBLIC, NOW, key=KEY)
    return (found.reason.value, found.pointer) if isinstance(found, Refused) else None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"reference": ...}, ("invalid_field", "/reference")),
        ({"reference": None}, ("invalid_field", "/reference")),
        ({"reference": ""}, ("invalid_field", "/reference")),
        ({"reference": "x" * 201}, ("invalid_field", "/reference")),
        ({"kind": ...}, ("invalid_field", "/kind")),
        ({"addresses": [{"role": "hosting"}]}, ("invalid_field", "/addresses/0/ip")),
        ({"addresses": [{"ip": "192.0.2.1"}]}, ("invalid_field", "/addresses/0/role")),
        ({"addresses": [{"ip": None, "role": "hosting"}]}, ("invalid_field", "/addresses/0/ip")),
        ({"addresses": [{"ip": 3221225985, "role": "hosting"}]}, ("invalid_field", "/addresses/0/ip")),
        (
            {"addresses": [{"ip": "192.0.2.1", "role": "hosting", "port": 65_536}]},
            ("invalid_field", "/addresses/0/port"),
        ),
        (
            {"addresses": [{"ip": "192.0.2.1", "role": "hosting", "country": "se"}]},
            ("invalid_field", "/addresses/0/country"),
        ),
        (
            {"addresses": [{"ip": "192.0.2.1", "role": "peer", "observed_at": "x"}]},
            ("invalid_field", "/addresses/0/observed_at"),
        ),
        ({"hashes": [{"value": "ab" * 32}]}, ("invalid_field", "/hashes/0/algorithm")),
        ({"hashes": [{"algorithm": "sha256"}]}, ("invalid_field", "/hashes/0/value")),
        ({"hashes": [{"algorithm": "sha512", "value": "0"}]}, ("invalid_field", "/hashes/0/algorithm")),
        ({"accounts": [{"service": "chat.example"}]}, ("invalid_field", "/accounts/0/handle")),
        ({"people": [{"nationalities": ["SE"]}]}, ("invalid_field", "/people/0/role")),
        ({"known_to": [{"case": "1"}]}, ("invalid_field", "/known_to/0/agency")),
        ({"urls": [None]}, ("invalid_field", "/urls/0")),
        ({"urls": "https://host.example/"}, ("invalid_field", "/urls")),
        ({"signals": ["nonsense"]}, ("invalid_field", "/signals/0")),
        ({"assessment": {"status": "worst"}}, ("invalid_field", "/assessment/status")),
        ({"schema": 2}, ("unknown_schema", "/schema")),
        ({"narrativ": "x"}, ("unknown_field", "/narrativ")),
        ({"people": [{"role": "victim", "nickname": "x"}]}, ("unknown_field", "/people/0/nickname")),
        ({"refrence": "E-2", "reference": ...}, ("unknown_field", "/refrence")),
        ({"withdrawn": True, "urls": ...}, ("invalid_field", "/supersedes")),
    ],
)
def test_a_wrong_field_is_named(changed: dict[str, Any], expected: tuple[str, str]) -> None:
    """E60 and the rest: the reason and the field's own pointer, never its value."""
    assert refusal(**changed) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"urls": ...},
        {"urls": []},
        {"urls": ["", "  "]},
        {"urls": None, "narrative": " \n"},
        {"urls": ..., "place": {}},
        {"urls": ..., "place": {"country": None}},
        {"urls": ..., "addresses": [{"ip": "", "role": "hosting"}]},
        {"urls": ..., "accounts": [{"handle": " "}]},
        {"urls": ..., "people": []},
        {"urls": ..., "language": "sv", "signals": ["viral"], "reporter": {"contact": "x"}},
    ],
)
def test_e03_a_tip_that_says_nothing_is_refused(changed: dict[str, Any]) -> None:
    """E03: without an indicator, a person, a place or a text there is no tip."""
    assert refusal(**changed) == ("empty_tip", None)


@pytest.mark.parametrize(
    "changed",
    [
        {"urls": ..., "narrative": "x"},
        {"urls": ..., "people": [{"role": "victim"}]},
        {"urls": ..., "place": {"description": "a house"}},
        {"urls": ..., "hashes": [{"algorithm": "md5", "value": "not a hash"}]},
        {"urls": ..., "addresses": [{"ip": "not an address", "role": "other"}]},
        {"urls": ["javascript:x"]},
        {"urls": ..., "supersedes": "E-0", "withdrawn": True},
        {"schema": None},
        {"schema": "tip-submission/1"},
        {"addresses": [{"ip": "192.0.2.1", "role": "hosting", "country": "XK", "country_by": "analyst"}]},
    ],
)
def test_anything_that_says_something_is_accepted(changed: dict[str, Any]) -> None:
    """An odd indicator, a bare withdrawal, a missing schema: none refuses a tip."""
    assert refusal(**changed) is None


def test_the_surface_example_is_accepted() -> None:
    """Every field of the contract at once is a tip."""
    whole = fields(
        schema="tip-submission/1",
        observed_at="2026-11-22T09:15:00+01:00",
        addresses=[
            {
                "ip": "192.0.2.7", "role": "hosting", "port": 443, "observed_at": "2026-11-22T09:15:00+01:00",
                "possible_proxy": False, "country": None, "country_by": None,
            }
        ],
        hashes=[{"algorithm": "sha256", "value": "ab" * 32}],
        accounts=[{"service": "chat.example", "handle": "someone"}],
        people=[{"role": "victim", "nationalities": ["SE"], "location": "SE", "age": 12, "name": None, "note": None}],
        place={"country": "SE", "region": "Väst", "description": None},
        assessment={"status": "unassessed", "labels": [], "by": None},
        urgency={"immediate_danger": False, "reason": None},
        signals=[],
        narrative="free text",
        language="sv",
        reporter={"contact": "anything", "share_with_police": True},
        known_to=[{"agency": "police-se", "case": "5000-K123-26"}],
        preserve_until="2026-12-22T00:00:00Z",
        supersedes=None,
        withdrawn=False,
        is_test=False,
    )  # fmt: skip
    found = check_submission(submission(**whole), PUBLIC, NOW, key=KEY)
    assert isinstance(found, Accepted)
    assert set(whole) == {field.alias or name for name, field in Submission.model_fields.items()}


def test_what_is_refused_is_not_in_the_refusal() -> None:
    """The model's own message, which quotes the input, goes nowhere."""
    with pytest.raises(Refusal) as caught:
        shape(fields(kind="somebody's words"))
    assert caught.value.reason is RefusalReason.INVALID_FIELD
    assert "somebody" not in str(caught.value)
    assert caught.value.__suppress_context__
