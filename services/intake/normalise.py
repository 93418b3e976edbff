"""
Indicators of a submission as understood: never refused for being odd, kept and flagged.

Everything that decisions and groups compare is canonical here; ``raw`` stays
what was sent, byte for byte.
"""

import re
from datetime import datetime
from typing import NamedTuple

from contracts.indicators import (
    AccountIndicator,
    AddressIndicator,
    HashIndicator,
    Indicators,
    UrlIndicator,
)
from contracts.submission import Address, Submission
from contracts.vocabulary import Flag
from services.indicators.addresses import parse_address
from services.indicators.hashes import parse_hash
from services.indicators.urls import extract_urls
from services.intake.times import read_time

_ADDRESS_LIKE = re.compile(r"[0-9A-Fa-f:.\[\]]{3,64}")
"""Candidates for an address in a contact: whatever has only an address's characters."""

MAX_CONTACT_ADDRESSES = 50


class Understood(NamedTuple):
    """Indicators, and the flags of times that stood beside them."""

    indicators: Indicators
    flags: tuple[Flag, ...]


def normalise(tip: Submission, now: datetime) -> Understood:
    """Understand every indicator of *tip*; an address that is the reporter's own is left out."""
    own = reporters_addresses(tip)
    addresses = [_address(sent, now) for sent in tip.addresses or ()]
    kept = tuple(address for address in addresses if address.ip is None or address.ip not in own)
    found = Indicators(
        urls=urls_of(tip),
        addresses=kept,
        hashes=tuple(parse_hash(sent.algorithm, sent.value) for sent in tip.hashes or ()),
        accounts=tuple(AccountIndicator(service=sent.service, handle=sent.handle) for sent in tip.accounts or ()),
    )
    return Understood(found, _flags(found))


def urls_of(tip: Submission) -> tuple[UrlIndicator, ...]:
    """Every URL in ``urls``; a text that holds several becomes several."""
    return tuple(url for text in tip.urls or () if text.strip() for url in extract_urls(text))


def reporters_addresses(tip: Submission) -> frozenset[str]:
    """Addresses in the reporter's contact: they say where the reporter is, which is nobody's business."""
    contact = tip.reporter.contact if tip.reporter else None
    if not contact:
        return frozenset()
    likely = (text for text in _ADDRESS_LIKE.findall(contact) if text.count(".") == 3 or text.count(":") > 1)
    parsed = (parse_address(text.strip(".")) for text, _ in zip(likely, range(MAX_CONTACT_ADDRESSES), strict=False))
    return frozenset(address.ip for address in parsed if address.ip)


def _address(sent: Address, now: datetime) -> AddressIndicator:
    parsed = parse_address(sent.ip)
    seen = read_time(sent.observed_at, now)
    return AddressIndicator(
        raw=sent.ip,
        ip=parsed.ip,
        role=sent.role,
        port=sent.port if sent.port is not None else parsed.port,
        observed_at=seen.when,
        possible_proxy=bool(sent.possible_proxy),
        country=sent.country,
        country_by=sent.country_by,
        flags=(*parsed.flags, *seen.flags),
        readings=parsed.readings,
    )


def _flags(found: Indicators) -> tuple[Flag, ...]:
    flagged: tuple[UrlIndicator | AddressIndicator | HashIndicator, ...] = (
        *found.urls,
        *found.addresses,
        *found.hashes,
    )
    return tuple(flag for item in flagged for flag in item.flags)
