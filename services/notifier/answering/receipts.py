"""
An agency's answer, from raw bytes to a checked receipt or a reason; pure.

Who answers is told by the way the bytes came (its topic, its token, the
address we called), never by a field in them. A reason names no content.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from contracts.referral import Receipt, ReceiptChecked

LARGEST_BYTES = 64 * 1024
"""Room for a question of 20,000 characters; also what is read of a webhook's answer."""

Reason = Literal[
    "empty",
    "too_large",
    "not_json",
    "unknown_schema",
    "invalid_field",
    "missing_field",
    "missing_reference",
    "missing_nack",
    "missing_text",
    "missing_moved_to",
]


@dataclass(frozen=True, slots=True)
class RefusedReceipt:
    """Why a receipt changes nothing."""

    reason: Reason
    field: str | None = None
    """Name of the field of ``receipt/1``; never its value."""


def check(raw: bytes | None, *, agency: str, received_at: datetime) -> ReceiptChecked | RefusedReceipt:
    """Read *raw* as a ``receipt/1`` of *agency*: whole and true in form, or refused in words."""
    if not raw:
        return RefusedReceipt("empty")
    if len(raw) > LARGEST_BYTES:
        return RefusedReceipt("too_large")
    try:
        receipt = Receipt.model_validate_json(raw)
    except ValidationError as error:
        return _refused(error)

    return ReceiptChecked(agency=agency, receipt=receipt, received_at=received_at)


def _refused(error: ValidationError) -> RefusedReceipt:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return RefusedReceipt("not_json")
    field = str(first["loc"][0]) if first["loc"] else None
    if field == "schema":
        return RefusedReceipt("unknown_schema", field)
    if field is None:
        return _needed(first["msg"])
    return RefusedReceipt("missing_field" if first["type"] == "missing" else "invalid_field", field)


_NEEDED: dict[str, tuple[Reason, str]] = {
    "needs reference": ("missing_reference", "reference"),
    "needs nack": ("missing_nack", "nack"),
    "needs text": ("missing_text", "text"),
    "needs moved_to": ("missing_moved_to", "moved_to"),
}


def _needed(message: str) -> RefusedReceipt:
    """What the contract's own check missed: its message is ours, so it may be read."""
    for ending, (reason, field) in _NEEDED.items():
        if message.endswith(ending):
            return RefusedReceipt(reason, field)
    return RefusedReceipt("invalid_field")
