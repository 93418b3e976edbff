"""
Addresses in any spelling: the one parser for locating and for guarding calls out.

Never raises and never guesses: what several programs would read differently
(octal, hexadecimal, short and other-script forms) keeps its readings and has
no address of its own.
"""

import re
import socket
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from contracts.vocabulary import Flag
from services.indicators.reserved import is_isatap, reserved_reason

_LONGEST = 1_000
"""Longer texts are no address; the contract allows no more either."""

_V4 = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")
_ATON_PART = re.compile(r"0[xX][0-9a-fA-F]{0,16}|[0-9]{1,20}")
_PORT = re.compile(r"[0-9]{1,9}")
_DOTS = re.compile(r"\s*(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\))\s*", re.IGNORECASE)
_PADDING = " \t\r\n\u00a0\u200b\ufeff<>\"'`,;"
_NARROWEST_V4, _NARROWEST_V6 = 24, 48
"""A block wider than this is many networks, not an address."""

_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class ParsedAddress:
    """An address as sent and as understood; ``ip`` is canonical (RFC 5952), None where no one reading is safe."""

    raw: str
    ip: str | None = None
    port: int | None = None
    flags: tuple[Flag, ...] = ()
    readings: tuple[str, ...] = ()
    """The other meanings of an odd spelling, or the outer address of an embedded one."""


def parse_address(text: str) -> ParsedAddress:
    """Understand *text* as one address, with port, brackets, block or zone, whatever it is."""
    if len(text) > _LONGEST:
        return ParsedAddress(text, flags=(Flag.BAD_ADDRESS,))
    flags: list[Flag] = []
    rest, port = _split_port(_split_zone_and_block(_trimmed(text, flags), flags), flags)
    ip, readings = _understood(rest, flags)
    return ParsedAddress(text, ip, port, tuple(dict.fromkeys(flags)), readings)


def is_public(ip: str) -> bool:
    """True only for an address, in standard spelling, that a call out may go to."""
    try:
        return reserved_reason(ip) is None
    except (OSError, ValueError):
        return False


def _trimmed(text: str, flags: list[Flag]) -> str:
    rest = text.strip(_PADDING)
    if rest != text:
        flags.append(Flag.TRIMMED)
    refanged = _DOTS.sub(".", rest) if "." in rest or "dot" in rest.lower() else rest
    if "[:]" in refanged:
        refanged = refanged.replace("[:]", ":")
    if refanged != rest:
        flags.append(Flag.REFANGED)
    return refanged


def _split_zone_and_block(text: str, flags: list[Flag]) -> str:
    """*text* without ``%zone`` (dropped: it means something on one machine only) and without ``/block``."""
    if "%" in text:
        head, _, tail = text.partition("%")
        end = re.search(r"[\]/]", tail)
        text = head + (tail[end.start() :] if end else "")
        flags.append(Flag.TRIMMED)
    head, slash, block = text.rpartition("/")
    if not slash:
        return text
    narrowest = _NARROWEST_V6 if ":" in head else _NARROWEST_V4
    if not (
        block.isascii()
        and block.isdigit()
        and len(block) <= 3
        and narrowest <= int(block) <= (128 if ":" in head else 32)
    ):
        return text
    flags.append(Flag.TRIMMED)
    return head


def _split_port(text: str, flags: list[Flag]) -> tuple[str, int | None]:
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            return text, None
        return host, _port(port[1:], flags) if port else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, _port(port, flags)
    return text, None


def _port(text: str, flags: list[Flag]) -> int | None:
    if _PORT.fullmatch(text) and 0 < int(text) < 65_536:
        return int(text)
    flags.append(Flag.BAD_PORT)
    return None


def _understood(text: str, flags: list[Flag]) -> tuple[str | None, tuple[str, ...]]:
    if ":" in text:
        return _six(text, flags)
    text = text.removesuffix(".") if text.count(".") == 4 else text
    if _V4.fullmatch(text):
        if max(map(int, text.split("."))) < 256:
            return text, ()
    else:
        readings = nonstandard_readings(text)
        if readings is not None:
            flags.append(Flag.NONSTANDARD_IP)
            return None, readings
    flags.append(Flag.BAD_ADDRESS)
    return None, ()


def nonstandard_readings(text: str) -> tuple[str, ...] | None:
    """What *text* may mean as an IPv4 address in an old or foreign spelling; None if it is no such thing."""
    if not text.isascii():
        plain = _plain_digits(text)
        if plain is None:
            return None
        return (plain,) if _V4.fullmatch(plain) else nonstandard_readings(plain)
    if _V4.fullmatch(text):
        return None
    parts = text.split(".")
    if len(parts) > 4 or not all(_ATON_PART.fullmatch(part) for part in parts):
        return None
    found = (_joined([_old_number(part) for part in parts]), _joined([_decimal(part) for part in parts]))
    return tuple(dict.fromkeys(reading for reading in found if reading))


def _plain_digits(text: str) -> str | None:
    """*text* in ASCII digits and dots, where that is all that it holds in another script."""
    made = []
    for char in unicodedata.normalize("NFKC", text).replace("\u3002", "."):
        digit = unicodedata.decimal(char, None)
        if digit is None and char not in ".xXabcdefABCDEF":
            return None
        made.append(char if digit is None else str(digit))
    return "".join(made)


def _old_number(part: str) -> int | None:
    """*part* as ``inet_aton`` reads it: 0x.. hexadecimal, 0.. octal."""
    try:
        if part[:2] in ("0x", "0X"):
            return int(part[2:] or "0", 16)
        return int(part, 8) if part.startswith("0") else int(part)
    except ValueError:
        return None


def _decimal(part: str) -> int | None:
    return int(part) if part.isdigit() else None


def _joined(numbers: list[int | None]) -> str | None:
    """The address of one to four numbers; the last one fills what the others leave."""
    *heads, last = [-1 if number is None else number for number in numbers]
    if any(not 0 <= head < 256 for head in heads) or not 0 <= last < 1 << 8 * (4 - len(heads)):
        return None
    return str(IPv4Address(sum(head << 24 - 8 * i for i, head in enumerate(heads)) + last))


def _six(text: str, flags: list[Flag]) -> tuple[str | None, tuple[str, ...]]:
    try:
        number = int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
    except (OSError, ValueError):
        flags.append(Flag.BAD_ADDRESS)
        return None, ()
    outer = str(IPv6Address(number))
    if number >> 32 == 0xFFFF:
        flags.append(Flag.MAPPED)
        return str(IPv4Address(number & _MASK)), (outer,)
    inner = embedded_ipv4(number)
    if inner is None:
        return outer, ()
    flags.append(Flag.EMBEDDED_IPV4)
    return str(IPv4Address(inner)), (outer,)


def embedded_ipv4(number: int) -> int | None:
    """The IPv4 address inside IPv6 address *number*: 6to4, NAT64, Teredo, ISATAP, translated or compatible."""
    low = number & _MASK
    if number >> 112 == 0x2002:
        return number >> 80 & _MASK
    if number >> 96 == 0x2001_0000:
        return low ^ _MASK
    if number >> 32 in (0x0064_FF9B << 64, 0xFFFF << 16):
        return low
    if number >> 80 == 0x0064_FF9B_0001:
        return low or _rfc6052_48(number)
    if number >> 32 == 0 and number > 1:
        return low
    return low if is_isatap(number) else None


def _rfc6052_48(number: int) -> int:
    """The address behind a /48 NAT64 prefix: two bytes before bit 64, two after bit 72."""
    return (number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF
