"""
What this hop reads of a received tip: who sent it, its URLs and its addresses. Nothing else is looked at.

A consumer validates what it reads. The rest of the event goes on as the bytes
that came, and is checked by whoever reads it: the router takes the whole event.
What is read here has the contract's own types and defaults, so every event
that `contracts.events.TipReceived` accepts is read alike (a test holds us to
it).

Two readers: msgspec takes an event as intake writes it, in half of the time
(4 against 8.5 us of 1.9 kB); whatever it does not take goes to pydantic, the
contract's own, which alone may refuse.
"""

from datetime import datetime
from typing import Annotated, Literal, NotRequired
from uuid import UUID

import msgspec
import orjson
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from contracts.indicators import Frozen
from contracts.vocabulary import AddressRole, CountryBy, DeadReason, Flag, UrlKind
from services.chassis.errors import Poison

_SCHEMA = "tip-received/1"


class Url(msgspec.Struct, frozen=True, gc=False):
    """What is read of `contracts.indicators.UrlIndicator`."""

    kind: UrlKind = UrlKind.OTHER
    host: str | None = None
    domain: str | None = None
    ip: str | None = None
    flags: tuple[Flag, ...] = ()


class Address(msgspec.Struct, frozen=True, gc=False):
    """What is read of `contracts.indicators.AddressIndicator`."""

    role: AddressRole
    ip: str | None = None
    port: int | None = None
    observed_at: datetime | None = None
    possible_proxy: bool = False
    country: str | None = None
    country_by: CountryBy | None = None
    flags: tuple[Flag, ...] = ()


class Tip(msgspec.Struct, frozen=True, gc=False):
    """A received tip, as far as this hop looks."""

    id: str
    group_id: str
    partner: str
    urls: tuple[Url, ...]
    addresses: tuple[Address, ...]


class _Indicators(msgspec.Struct, frozen=True, gc=False):
    urls: tuple[Url, ...] = ()
    addresses: tuple[Address, ...] = ()


class _Content(msgspec.Struct, gc=False):
    indicators: _Indicators = _Indicators()


_Canonical = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\Z")]
"""An id as intake writes it needs no reading; any other spelling of a UUID is brought into this one."""


class _Event(msgspec.Struct, gc=False):
    tip_id: _Canonical
    group_id: str
    partner: str
    content: _Content
    schema: Literal["tip-received/1"] = "tip-received/1"


_FAST = msgspec.json.Decoder(_Event).decode


def read(value: bytes | None) -> Tip:
    """
    The tip in *value*.

    Raises:
        Poison: Null, not JSON, another version, or not such an event in what is read of it.
    """
    if value is None:
        raise Poison(DeadReason.NULL_VALUE)
    try:
        event = _FAST(value)
        if not value.isascii():
            value.decode()  # what msgspec passes over it does not decode
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _patiently(value)
    found = event.content.indicators
    return Tip(event.tip_id, event.group_id, event.partner, found.urls, found.addresses)


class _LaxUrl(Frozen):
    kind: UrlKind = UrlKind.OTHER
    host: str | None = None
    domain: str | None = None
    ip: str | None = None
    flags: tuple[Flag, ...] = ()


class _LaxAddress(Frozen):
    role: AddressRole
    ip: str | None = None
    port: int | None = None
    observed_at: datetime | None = None
    possible_proxy: bool = False
    country: str | None = None
    country_by: CountryBy | None = None
    flags: tuple[Flag, ...] = ()


class _LaxIndicators(TypedDict, total=False):
    urls: tuple[_LaxUrl, ...]
    addresses: tuple[_LaxAddress, ...]


class _LaxContent(TypedDict, total=False):
    indicators: _LaxIndicators


class _LaxEvent(TypedDict):
    schema: NotRequired[Literal["tip-received/1"]]
    tip_id: UUID
    group_id: str
    partner: str
    content: _LaxContent


_VALIDATE = TypeAdapter(_LaxEvent).validator.validate_json


def _patiently(value: bytes) -> Tip:
    """The tip as pydantic reads it: numbers in strings, dates of other forms, ids without dashes."""
    try:
        event: _LaxEvent = _VALIDATE(value)
    except ValidationError:
        raise Poison(_why(value)) from None
    found = event["content"].get("indicators", _LaxIndicators())
    urls = tuple(Url(**dict(url)) for url in found.get("urls", ()))
    addresses = tuple(Address(**dict(address)) for address in found.get("addresses", ()))
    return Tip(str(event["tip_id"]), event["group_id"], event["partner"], urls, addresses)


def _why(value: bytes) -> DeadReason:
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        return DeadReason.NOT_JSON
    named = body.get("schema") if isinstance(body, dict) else None
    return DeadReason.UNKNOWN_VERSION if isinstance(named, str) and named != _SCHEMA else DeadReason.INVALID_EVENT
