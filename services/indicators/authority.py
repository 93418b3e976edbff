"""
Scheme, host and port of a URL by our own eyes, before the parser: where programs disagree, say so.

Everything here is linear in the length of the text.
"""

import re
from dataclasses import dataclass, field

from contracts.vocabulary import Flag
from services.indicators.addresses import parse_address
from services.indicators.refang import CONTROL

WEB_SCHEMES = {"http": 80, "https": 443, "ftp": 21}
"""Schemes that name a server, with their default ports."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]{0,31}):")
_HOST_AND_PORT = re.compile(r"[0-9]{1,9}(?:[/?#]|$)")
_AUTHORITY_END = re.compile(r"[/?#\\]")
_HIDDEN = re.compile(r"%(?:2f|5c|3f|23|40)", re.IGNORECASE)
"""Escaped delimiters: decoded once too often, they move the host."""

_SPLITTERS = re.compile(r"[@/?#\\\s]")
_MOST_READINGS = 4
_LONGEST_READING = 255


@dataclass(slots=True)
class Authority:
    """The part between ``//`` and the path, taken apart."""

    host: str
    port: int | None = None
    tail: str = ""
    """Path, query and fragment, as sent."""
    readings: tuple[str, ...] = field(default=())


def split_scheme(text: str, flags: list[Flag]) -> tuple[str, str]:
    """Scheme in lower case and what follows it (without slashes, for a web scheme); a missing one is assumed."""
    found = _SCHEME.match(text)
    name = found[1].lower() if found else ""
    rest = text[found.end() :] if found else text
    if found and name not in WEB_SCHEMES and "." not in name and not _HOST_AND_PORT.match(rest):
        return name, rest
    if name not in WEB_SCHEMES:
        name, rest = "http", text
        flags.append(Flag.ASSUMED_SCHEME)
        return name, rest.lstrip("/")
    bare = rest.lstrip("/\\")
    slashes = rest[: len(rest) - len(bare)]
    if slashes != "//":
        flags.append(Flag.ASSUMED_SCHEME)
    if "\\" in slashes:
        flags.append(Flag.AMBIGUOUS_HOST)
    return name, bare


def split_authority(text: str, flags: list[Flag]) -> Authority:
    """Host, port and tail of *text*, which begins at the host; flags what parsers read differently."""
    end = _AUTHORITY_END.search(text)
    cut = end.start() if end else len(text)
    authority, tail = text[:cut], text[cut:]
    wide = text[: text.find("/")] if "/" in text else text
    readings: tuple[str, ...] = ()
    if _ambiguous(authority, wide):
        flags.append(Flag.AMBIGUOUS_HOST)
        readings = _readings(wide)
    host, port = _host_and_port(authority.rpartition("@")[2], flags)
    if tail.startswith("\\"):
        tail = "/" + tail[1:]
    return Authority(host, port, tail, tuple(r for r in readings if r != host.lower()))


def _ambiguous(authority: str, wide: str) -> bool:
    beyond = wide[len(authority) :]
    at = beyond.find("@")
    return (
        "\\" in wide
        or authority.count("@") > 1
        or "%" in authority.rpartition("@")[2]
        or bool(_HIDDEN.search(authority))
        or any(char.isspace() for char in authority)
        or (at >= 0 and "=" not in beyond[:at])
    )


def _readings(wide: str) -> tuple[str, ...]:
    """Hosts that one parser or another would take from *wide*."""
    parts = _SPLITTERS.split(wide[: 4 * _LONGEST_READING]) + _SPLITTERS.split(wide[-_LONGEST_READING:])
    hosts = [part.partition(":")[0].lower() for part in parts]
    likely = [
        host
        for host in dict.fromkeys(hosts)
        if "." in host and len(host) <= _LONGEST_READING and not CONTROL.search(host)
    ]
    return tuple(likely[:_MOST_READINGS])


def _host_and_port(text: str, flags: list[Flag]) -> tuple[str, int | None]:
    if text.startswith("["):
        host, closed, port = text.partition("]")
        return host + closed, _port(port.removeprefix(":"), flags) if port else None
    if text.count(":") > 1 and len(text) < 64 and parse_address(text).ip:
        return f"[{text}]", None
    host, colon, port = text.partition(":")
    return host, _port(port, flags) if colon else None


def _port(text: str, flags: list[Flag]) -> int | None:
    plain = text.isascii() and text.isdigit() and len(text) <= 9
    port = int(text) if plain else 0
    if not plain or text.startswith("0") or not 0 < port < 65_536:
        flags.append(Flag.BAD_PORT)
    return port if 0 < port < 65_536 else None
