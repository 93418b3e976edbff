"""
What this hop reads of a received tip: who sent it, its URLs and its addresses. Nothing else is looked at.

A consumer validates what it reads. The rest of the event goes on as the bytes
that came, and is checked by whoever reads it: the router takes the whole event.
What is read here has the contract's own types and defaults, so every event
that `contracts.events.TipReceived` accepts is read alike (a test holds us to
it), at half of the cost of reading it all.
"""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple, NotRequired
from uuid import UUID

import orjson
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from contracts.indicators import Frozen
from contracts.vocabulary import AddressRole, CountryBy, DeadReason, Flag, UrlKind
from services.chassis.errors import Poison

_SCHEMA = "tip-received/1"


class Url(Frozen):
    """What is read of `contracts.indicators.UrlIndicator`."""

    kind: UrlKind = UrlKind.OTHER
    host: str | None = None
    domain: str | None = None
    ip: str | None = None
    flags: tuple[Flag, ...] = ()


class Address(Frozen):
    """What is read of `contracts.indicators.AddressIndicator`."""

    ip: str | None = None
    role: AddressRole
    port: int | None = None
    observed_at: datetime | None = None
    possible_proxy: bool = False
    country: str | None = None
    country_by: CountryBy | None = None
    flags: tuple[Flag, ...] = ()


# The shells around them are plain dicts: they are opened once and thrown away.
class _Indicators(TypedDict, total=False):
    urls: tuple[Url, ...]
    addresses: tuple[Address, ...]


_NONE = _Indicators()


class _Content(TypedDict, total=False):
    indicators: _Indicators


_Canonical = Annotated[str, StringConstraints(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
"""An id as intake writes it needs no reading; any other spelling of a UUID is brought into this one."""


class _Event(TypedDict):
    schema: NotRequired[Literal["tip-received/1"]]
    tip_id: Annotated[_Canonical | UUID, Field(union_mode="left_to_right")]
    group_id: str
    partner: str
    content: _Content


_VALIDATE = TypeAdapter(_Event).validator.validate_json


class Tip(NamedTuple):
    """A received tip, as far as this hop looks."""

    id: str
    group_id: str
    partner: str
    urls: tuple[Url, ...]
    addresses: tuple[Address, ...]


def read(value: bytes | None) -> Tip:
    """
    The tip in *value*.

    Raises:
        Poison: Null, not JSON, another version, or not such an event in what is read of it.
    """
    if value is None:
        raise Poison(DeadReason.NULL_VALUE)
    try:
        event: _Event = _VALIDATE(value)
    except ValidationError:
        raise Poison(_why(value)) from None
    found = event["content"].get("indicators", _NONE)
    return Tip(
        str(event["tip_id"]), event["group_id"], event["partner"], found.get("urls", ()), found.get("addresses", ())
    )


def _why(value: bytes) -> DeadReason:
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        return DeadReason.NOT_JSON
    named = body.get("schema") if isinstance(body, dict) else None
    return DeadReason.UNKNOWN_VERSION if isinstance(named, str) and named != _SCHEMA else DeadReason.INVALID_EVENT
