"""Bytes of inner topics to their events, or the reason why they can never be worked; pure."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from contracts.events import AgencyOrdered, ReferralRouted
from contracts.referral import ReceiptChecked
from contracts.vocabulary import DeadReason
from services.chassis.errors import Poison

Model = TypeVar("Model", bound=BaseModel)


def referral_routed(raw: bytes | None) -> ReferralRouted:
    """
    The referral that the router wrote.

    Raises:
        Poison: It is none.
    """
    return _read(ReferralRouted, raw)


def receipt_checked(raw: bytes | None) -> ReceiptChecked:
    """
    The receipt that the receipts hop wrote.

    Raises:
        Poison: It is none.
    """
    return _read(ReceiptChecked, raw)


def agency_ordered(raw: bytes | None) -> AgencyOrdered:
    """
    The order that an operator gave.

    Raises:
        Poison: It is none.
    """
    return _read(AgencyOrdered, raw)


def _read(model: type[Model], raw: bytes | None) -> Model:
    if raw is None:
        raise Poison(DeadReason.NULL_VALUE)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise Poison(_reason(error)) from None


def _reason(error: ValidationError) -> DeadReason:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return DeadReason.NOT_JSON
    return DeadReason.UNKNOWN_VERSION if "schema" in first["loc"] else DeadReason.INVALID_EVENT
