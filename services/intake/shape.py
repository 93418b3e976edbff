"""
From screened JSON to a `Submission`: is it the contract's form, and does it say anything.

Precedence of refusals, after the screen's: ``unknown_schema``, ``too_many``,
``unknown_field``, ``invalid_field`` (the first in the order of the contract), ``empty_tip``.
"""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.submission import MAX_INDICATORS, Submission
from contracts.vocabulary import RefusalReason
from services.intake.refusal import Refusal, pointer
from services.intake.times import readable

SCHEMA = "tip-submission/1"
LISTS = ("urls", "addresses", "hashes", "accounts")


def shape(fields: dict[str, Any]) -> Submission:
    """
    Understand *fields* as a submission.

    Raises:
        Refusal: With the reason and the pointer of the field at fault.
    """
    if fields.get("schema", SCHEMA) != SCHEMA:
        raise Refusal(RefusalReason.UNKNOWN_SCHEMA, "/schema")
    if sum(len(fields[name]) for name in LISTS if isinstance(fields.get(name), list)) > MAX_INDICATORS:
        raise Refusal(RefusalReason.TOO_MANY)
    try:
        submission = Submission.model_validate(fields)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_context=False, include_input=False)) from None
    _check_times(submission)
    _check_withdrawal(submission)
    if not submission.withdrawn and not says_something(submission):
        raise Refusal(RefusalReason.EMPTY_TIP)
    return submission


def says_something(tip: Submission) -> bool:
    """Tell whether any of the fields that can carry a tip does."""
    place = tip.place
    texts = [
        tip.narrative,
        *(tip.urls or ()),
        *(address.ip for address in tip.addresses or ()),
        *(item.value for item in tip.hashes or ()),
        *(account.handle for account in tip.accounts or ()),
        *((place.country, place.region, place.description) if place else ()),
    ]
    return bool(tip.people) or any(text and text.strip() for text in texts)


def _refusal(errors: list[ErrorDetails]) -> Refusal:
    unknown = next((error for error in errors if error["type"] == "extra_forbidden"), None)
    if unknown:
        return Refusal(RefusalReason.UNKNOWN_FIELD, pointer(unknown["loc"]))
    return Refusal(RefusalReason.INVALID_FIELD, pointer(errors[0]["loc"]))


def _check_times(tip: Submission) -> None:
    times = [
        (("observed_at",), tip.observed_at),
        (("preserve_until",), tip.preserve_until),
        *((("addresses", n, "observed_at"), address.observed_at) for n, address in enumerate(tip.addresses or ())),
    ]
    for path, text in times:
        if text is not None and not readable(text):
            raise Refusal(RefusalReason.INVALID_FIELD, pointer(path))


def _check_withdrawal(tip: Submission) -> None:
    if tip.withdrawn and tip.supersedes is None:
        raise Refusal(RefusalReason.INVALID_FIELD, "/supersedes")
