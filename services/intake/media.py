"""
Finds media in text: ``data:`` URIs, and base64 or hex of image, video and archive magic bytes.

Only the first bytes of a run are decoded, and nothing of them is kept. A
finding must be hard to get by chance: a key, a token or a hash is no picture.
Where a run begins is where an encoder begins, so there a short magic is
enough; in the middle of text only a long one counts.
"""

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, unhexlify
from urllib.parse import unquote

from services.intake.magic import WEAK_BYTES, magic_length

HEAD = 72
"""Characters of a base64 run that are decoded: 54 bytes reach every magic."""

MIN_BASE64 = 11
"""Shortest base64 run that is looked at: a PNG signature without its padding."""

MIN_HEX = 16
HASH_LENGTHS = frozenset({32, 40, 64, 96, 128, 288})
"""Hex lengths of digests: one in millions begins like a picture by chance, and must not be refused for it."""

PHOTODNA_BASE64 = 192
"""The same for the one digest that is usually sent in base64."""

_BASE64_RUN = re.compile(rf"[A-Za-z0-9+/]{{{MIN_BASE64},}}")
_HEX_RUN = re.compile(rf"[0-9a-fA-F]{{{MIN_HEX},}}")
_HEX_PAIRS = re.compile(r"[0-9a-fA-F]{2}(?:(?:[\s:,;-]{1,2}(?:0x|\\x)?|0x|\\x|%|=)[0-9a-fA-F]{2}){7,}")
_NOT_HEX = re.compile(r"0x|[^0-9a-fA-F]")
_URLSAFE = str.maketrans("-_", "+/")
_GAPS = "\"'\\>|,"
"""What stands between the pieces of a wrapped or quoted run, besides space."""

_DATA_URI = re.compile(
    r"(?<![a-z0-9])data:(?:\s*[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+*-]+\s*(?:;\s*[a-z0-9_.+-]+(?:=[^;,\s]*)?\s*)*;\s*base64\s*,"
    r"|(?:[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+*-]+)?(?:;[a-z0-9_.+-]+(?:=[^;,\s]*)?)+,"
    r"|[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+*-]+,"
    r"|,\S)",
    re.IGNORECASE,
)

_INSIDE = {
    "/9j/": re.compile(r"/9j/(?:4AAQSkZJR|4[Q-T]..RXhpZ|2wBD|7gAOQWRvY|7QA|4gIcSUND)"),
    "iVBORw0KGgo": re.compile("iVBORw0KGgo"),
    "R0lGOD": re.compile(r"R0lGOD(?:dh|lh)"),
    "UklGR": re.compile(r"UklGR.{6}(?:XRUJQ|BVkkg)"),
    "Z0eX": re.compile(r"AAAA[A-Za-z0-9+/][GWm2]Z0eX[AB]"),
    "UEsDB": re.compile(r"UEsDB[BAC]QA"),
    "N3q8ryccA": re.compile("N3q8ryccA"),
    "UmFyIRoHA": re.compile("UmFyIRoHA"),
    "/Td6WFo": re.compile("/Td6WFo"),
    "GkXfo": re.compile(r"GkXfo(?:59ChoEB|wEAAAAAAA)"),
}
"""Long magics as base64 spells them: so long that prose, wrapped or glued together, does not hold one by chance."""

_RAW = re.compile(
    r"\x89PNG\r\n\x1a\n|\xff\xd8\xff[\xc0-\xfe]|GIF8[79]a[\x00-\xff]{2}[\x80-\xf7\x00]|PK\x03\x04|PK\x05\x06"
    r"|RIFF[\x00-\xff]{4}(?:WEBP|AVI )|\x00\x00..ftyp|\x1aE\xdf\xa3|\x1f\x8b\x08[\x00-\x1f]"
    r"|7z\xbc\xaf'\x1c|Rar!\x1a\x07"
)
"""The bytes themselves, one character each."""


def holds_media(text: str) -> bool:
    """Tell whether *text* is or contains media."""
    if len(text) < MIN_BASE64:
        return "data:," in text.lower() and bool(_DATA_URI.search(text))
    return _plain(text) or ("%" in text and _escaped(text))


def _plain(text: str) -> bool:
    return _data_uri(text) or _raw(text) or _base64(text) or _hex(text)


def _escaped(text: str) -> bool:
    decoded = unquote(text, encoding="latin-1")
    return decoded != text and (_data_uri(decoded) or _raw(decoded) or _base64(decoded))


def _data_uri(text: str) -> bool:
    return ("ata:" in text or "ATA:" in text or "data" in text.casefold()) and bool(_DATA_URI.search(text))


def _raw(text: str) -> bool:
    return not text.isprintable() and bool(_RAW.search(text))


def _base64(text: str) -> bool:
    plain = text.translate(_URLSAFE) if "_" in text or "-" in text else text
    if any(_is_media_base64(match.group()) for match in _BASE64_RUN.finditer(plain)):
        return True
    glued = _glued(plain)
    return any(start in glued and bool(whole.search(glued)) for start, whole in _INSIDE.items())


def _glued(text: str) -> str:
    for gap in _GAPS:
        text = text.replace(gap, "")
    return "".join(text.split())


def _is_media_base64(run: str, *, again: bool = True) -> bool:
    head = run[:HEAD]
    try:
        data = a2b_base64(head[: len(head) // 4 * 4] + _rest(head))
    except BinasciiError:
        return False
    found = magic_length(data)
    if found > WEAK_BYTES or (found and len(run) != PHOTODNA_BASE64):
        return True
    inner = _BASE64_RUN.match(data.decode("latin-1")) if again else None
    return inner is not None and _is_media_base64(inner.group(), again=False)


def _rest(head: str) -> str:
    """Last one to three characters, padded: an encoder may leave the padding out."""
    tail = head[len(head) // 4 * 4 :]
    return tail + "=" * (-len(tail) % 4) if len(tail) > 1 else ""


def _hex(text: str) -> bool:
    runs = (match.group() for match in _HEX_RUN.finditer(text))
    if any(_is_media_hex(run) for run in runs):
        return True
    pairs = (_NOT_HEX.sub("", match.group()) for match in _HEX_PAIRS.finditer(text))
    return any(_is_media_hex(run) for run in pairs)


def _is_media_hex(run: str) -> bool:
    head = run[: HEAD * 2]
    found = magic_length(unhexlify(head[: len(head) // 2 * 2]))
    return found > WEAK_BYTES or (found > 0 and len(run) not in HASH_LENGTHS)
