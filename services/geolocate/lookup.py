"""One address or URL, as ``vidare locate`` and the door answer it; nothing is stored."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from contracts.events import Network
from contracts.indicators import Indicators
from contracts.vocabulary import Flag
from services.geolocate.decision import Found, weigh
from services.geolocate.geodata import Geodata
from services.geolocate.locate import World, jurisdiction
from services.geolocate.resolver import Resolver
from services.indicators.addresses import parse_address
from services.indicators.urls import parse_url

_ZONED = r"[0-9A-Fa-f:.]*(?:%[^\]/\s]*)?"
_ATTEMPT = re.compile(rf"(?:\[{_ZONED}\](?::[0-9]*)?|{_ZONED})(?:/[0-9]{{1,3}})?")
_COLONS = 2
"""A name with a port has one; from two on nobody means a name."""


def locate_text(geodata: Geodata, text: str, *, today: date, resolver: Resolver | None = None) -> dict[str, Any]:
    """
    Evidence and verdict for *text*, an address or else a URL.

    Raises:
        Unavailable: The name is still being resolved (only with a *resolver*).
    """
    parsed = parse_address(text)
    if parsed.ip is not None or Flag.NONSTANDARD_IP in parsed.flags or _attempts_address(text):
        return locate_address(geodata, text, today=today)
    return locate_url(geodata, text, today=today, resolver=resolver)


def _attempts_address(text: str) -> bool:
    """True for what somebody meant as an IPv6 address, however wrong: a URL parser would take its start for a host."""
    plain = text.strip().replace("[:]", ":")
    return plain.partition("%")[0].count(":") >= _COLONS and _ATTEMPT.fullmatch(plain) is not None


def locate_address(geodata: Geodata, text: str, *, today: date) -> dict[str, Any]:
    """Evidence and verdict for *text* read as an address."""
    parsed = parse_address(text)
    if parsed.ip is None:
        return _answer(text, None, Found(), None, parsed.flags)
    looked = geodata.look_up(parsed.ip)
    found = weigh((looked,), today=today)
    return _answer(text, parsed.ip, found, looked.network, (*parsed.flags, *found.flags))


def locate_url(geodata: Geodata, text: str, *, today: date, resolver: Resolver | None = None) -> dict[str, Any]:
    """Evidence and verdict for *text* read as a URL; its name is resolved only with a *resolver*."""
    url = parse_url(text)
    world = World(geodata.look_up, today, resolver)
    verdict = jurisdiction(Indicators(urls=(url,)), world, vetted=False, builds={}).hosting[0]
    found = Found(verdict.country, verdict.confidence, verdict.candidates, verdict.evidence)
    return _answer(text, url.canonical, found, verdict.network, verdict.flags)


def _answer(
    text: str, canonical: str | None, found: Found, network: Network | None, flags: Sequence[Flag]
) -> dict[str, Any]:
    return {
        "input": text,
        "canonical": canonical,
        "country": found.country,
        "confidence": found.confidence,
        "candidates": list(found.candidates),
        "evidence": [item.model_dump() for item in found.evidence],
        "network": network.model_dump() if network else None,
        "flags": list(dict.fromkeys(flag.value for flag in flags)),
    }
