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

from services.intake.magic import PACKET, PACKET_MARK, TAR_AT, WEAK_BYTES, magic_length
from services.intake.spelled import holds_base85, is_bare_jxl, is_base32
from services.intake.wrapped import blocks

HEAD = 72
"""Characters of a base64 run that are decoded: 54 bytes reach every magic."""

MIN_BASE64 = 11
"""Shortest base64 run that is looked at: a PNG signature without its padding."""

MIN_HEX = 16
HASH_LENGTHS = frozenset({32, 40, 64, 96, 128, 288})
"""Hex lengths of digests: one in millions begins like a picture by chance, and must not be refused for it."""

PHOTODNA_BASE64 = 192
"""The same for the one digest that is usually sent in base64."""

TAR_FROM = TAR_AT // 3 * 4
TAR_TO = TAR_FROM + 12

_BASE64_RUN = re.compile(rf"[A-Za-z0-9+/]{{{MIN_BASE64},}}")
_HEX_RUN = re.compile(rf"[0-9a-fA-F]{{{MIN_HEX},}}")
_HEX_PAIRS = re.compile(r"[0-9a-fA-F]{2}(?:(?:[\s:,;-]{1,2}(?:0x|\\x)?|0x|\\x|%|=)[0-9a-fA-F]{2}){7,}")
_NOT_HEX = re.compile(r"0x|[^0-9a-fA-F]")
_URLSAFE = str.maketrans("-_", "+/")
_GAPS = "\"'\\>|,"
"""What stands between the pieces of a wrapped or quoted run, besides space."""

_UNSEEN = re.compile(
    "[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
"""Characters that nobody sees between the others."""

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
    "H4sI": re.compile(r"H4sI[AC][A-P][A-Za-z0-9+/]{4}[AEIMQUYcgkosw048][ACE][ABC/]"),
}
"""Long magics as base64 spells them: so long that prose, wrapped or glued together, does not hold one by chance."""

_INSIDE_HEX = {
    "ffd8ff": re.compile("ffd8ff(?:e0....4a46(?:4946|5858)|e1....(?:45786966|68747470)|db00(?:43|84)|ee000e41646f)"),
    "89504e470d0a": re.compile("89504e470d0a1a0a"),
    "47494638": re.compile("474946383[79]61"),
    "52494646": re.compile("52494646.{8}(?:57454250|41564920)"),
    "66747970": re.compile("0000.{4}66747970(?:[2-7][0-9a-f]){4}"),
    "504b0304": re.compile("504b0304[0-3].00.{4}(?:0[089ce]|5d|5f|63)00"),
    "1f8b08": re.compile("1f8b080[08].{8}0[024](?:0[037abd]|ff)"),
    "1a45dfa3": re.compile("1a45dfa3(?:[89ab].|01.{14})42(?:8[256]|f[237])"),
    "377abcaf271c": re.compile("377abcaf271c"),
    "526172211a07": re.compile("526172211a07"),
    "255044462d": re.compile("255044462d3[12]2e"),
    "fd377a585a00": re.compile("fd377a585a00"),
}
"""The same as hex spells them, for dumps and wrapped lines: no list of digests holds one by chance."""

_DUMP = str.maketrans("", "", "\"'\\>|,:;-%=")

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
    if _plain(text) or ("%" in text and _escaped(text)):
        return True
    return not text.isascii() and (seen := _UNSEEN.sub("", text)) != text and _plain(seen)


def _plain(text: str) -> bool:
    return _data_uri(text) or _raw(text) or _base64(text) or _hex(text) or _wrapped(text) or holds_base85(text)


def _escaped(text: str) -> bool:
    decoded = unquote(text, encoding="latin-1")
    return decoded != text and (_data_uri(decoded) or _raw(decoded) or _base64(decoded))


def _data_uri(text: str) -> bool:
    return ("ata:" in text or "ATA:" in text or "data" in text.casefold()) and bool(_DATA_URI.search(text))


def _raw(text: str) -> bool:
    return not text.isprintable() and bool(_RAW.search(text))


def _base64(text: str) -> bool:
    plain = text.translate(_URLSAFE) if "_" in text or "-" in text else text
    runs = (match.group() for match in _BASE64_RUN.finditer(plain))
    if any(_is_media_base64(run) or is_base32(run) for run in runs):
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
    far = _is_tar(_decoded(run[TAR_FROM:TAR_TO])) or _is_stream(run) or is_bare_jxl(data, run, bits=6)
    return far or (again and _is_media_inside(data))


def _is_media_inside(data: bytes) -> bool:
    """Tell whether decoded *data* begins with media in base64 or hex once more."""
    text = data.decode("latin-1")
    hexed, inner = _HEX_RUN.match(text), _BASE64_RUN.match(text)
    if hexed and magic_length(unhexlify(hexed.group()[: len(hexed.group()) // 2 * 2])):
        return True
    return inner is not None and _is_media_base64(inner.group(), again=False)


def _decoded(quads: str) -> bytes:
    try:
        return a2b_base64(quads)
    except BinasciiError:
        return b""


def _wrapped(text: str) -> bool:
    """Tell whether media stands in *text* in lines of one width; a list of digests is not taken for it."""
    plain = text.translate(_URLSAFE) if "_" in text or "-" in text else text
    least = WEAK_BYTES + 1
    return any(
        _is_media_base64(block) or _is_media_hex(block, least=least) or is_base32(block, least=least)
        for block in blocks(plain)
    )


def _is_stream(run: str) -> bool:
    """Tell whether *run* is a transport stream: no magic, but the same mark at the start of every packet."""
    if not run.startswith("R"):  # as base64 spells the mark
        return False
    marks = (_decoded(run[at // 3 * 4 : at // 3 * 4 + 4])[at % 3 : at % 3 + 1] for at in (0, PACKET, 2 * PACKET))
    return all(mark == PACKET_MARK for mark in marks)


def _is_tar(at_255: bytes) -> bool:
    return at_255[TAR_AT % 3 :].startswith(b"ustar")


def _rest(head: str) -> str:
    """Last one to three characters, padded: an encoder may leave the padding out."""
    tail = head[len(head) // 4 * 4 :]
    return tail + "=" * (-len(tail) % 4) if len(tail) > 1 else ""


def _hex(text: str) -> bool:
    runs = (match.group() for match in _HEX_RUN.finditer(text))
    if any(_is_media_hex(run) for run in runs):
        return True
    pairs = (_NOT_HEX.sub("", match.group()) for match in _HEX_PAIRS.finditer(text))
    return any(_is_media_hex(run) for run in pairs) or _hex_dump(text)


def _hex_dump(text: str) -> bool:
    """Tell whether media stands in *text* as hex in groups or lines of any length."""
    glued = "".join(text.lower().translate(_DUMP).split())
    return any(start in glued and bool(whole.search(glued)) for start, whole in _INSIDE_HEX.items())


def _is_media_hex(run: str, *, least: int = 1) -> bool:
    """Tell whether *run* is media in hex, by a magic of *least* bytes."""
    try:
        data = unhexlify(run[: min(HEAD * 2, len(run) // 2 * 2)])
    except BinasciiError:
        return False
    found = magic_length(data)
    if found > WEAK_BYTES or (found >= least and len(run) not in HASH_LENGTHS):
        return True
    if least == 1 and is_bare_jxl(data, run, bits=4):
        return True
    if run[2 * TAR_AT : 2 * TAR_AT + 10].lower() == "7573746172":
        return True
    mark = PACKET_MARK.hex()
    if all(run[2 * at : 2 * at + 2] == mark for at in (0, PACKET, 2 * PACKET)):
        return True
    inner = _BASE64_RUN.match(data.decode("latin-1"))
    return inner is not None and _is_media_base64(inner.group(), again=False)
