"""
Finds media in the spellings that code uses besides base64 and hex: base32, and base 85 in its three alphabets.

As everywhere, only where an encoder begins: at the start of a run. A magic of
four bytes is five characters of base 85, whatever comes behind it.
"""

import base64
import re
from binascii import Error as BinasciiError
from collections.abc import Iterator
from itertools import product

from services.intake.magic import WEAK_BYTES, magic_length

BASE32_HEAD = 64
"""Characters of a base32 run that are decoded: 40 bytes."""
BASE32_DIGESTS = frozenset({16, 26, 32, 39, 52, 56, 103})
"""Lengths of digests and onion addresses in base32, which begin like a picture once in millions."""

LONG_BYTES = 150
"""A picture worth the name has more; a magic of two bytes counts only before as much."""
MIXED = 0.2
"""Share of capitals from which a run is an encoder's: 0.4 where bytes are random, less in a path."""

_BASE32_RUN = re.compile(r"[A-Z2-7]{16,}|[a-z2-7]{16,}")
_BARE_JXL = b"\xff\x0a"

BASE85_LEAST = 40
"""Characters: of five that any of hundreds of magics spells one turns up too often before less."""

_TOKEN = re.compile(rf"[!-~]{{{BASE85_LEAST},}}")
_EDGE = re.compile(r"[\"'=:,;(<\[{~>|]")
_Z85 = str.maketrans(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#",
)
_FIRST_FOUR = (
    *(b"\xff\xd8\xff" + bytes([kind]) for kind in range(0xC0, 0xFF)),
    *(b"\x1f\x8b\x08" + bytes([flags]) for flags in range(0x20)),
    *(b"BZh" + bytes([level]) for level in b"123456789"),
    *(b"ID3" + bytes([version]) for version in (2, 3, 4)),
    b"\x89PNG", b"GIF8", b"RIFF", b"II*\x00", b"MM\x00*", b"8BPS", b"\x1aE\xdf\xa3", b"FLV\x01", b"OggS",
    b"\x30\x26\xb2\x75", b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"\xfd7zX", b"7z\xbc\xaf", b"Rar!",
    b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"MSCF", b"%PDF", b"<svg",
)  # fmt: skip
_SECOND_FOUR = (b"ftyp", b"moov", b"mdat", b"wide", b"jP  ", b"JXL ")
"""What follows the length of a first box."""


def _in_base85(four: bytes) -> Iterator[str]:
    git = base64.b85encode(four).decode()
    yield from (base64.a85encode(four).decode(), git, git.translate(_Z85))


_HEADS = frozenset(text for four in _FIRST_FOUR for text in _in_base85(four))
_BOXES = frozenset(
    size[:3] + name
    for length, named in product((b"\x00\x00\x00\x0c", b"\x00\x00\x01\x0c"), _SECOND_FOUR)
    for size, name in zip(_in_base85(length), _in_base85(named), strict=True)
)
"""Length and name of a first box; the last two characters of the length may be anything."""


def holds_base85(text: str) -> bool:
    """Tell whether *text* holds media in Ascii85, in the base 85 of git or in Z85."""
    return any(
        token[at : at + 5] in _HEADS or token[at : at + 3] + token[at + 5 : at + 10] in _BOXES
        for token in (match.group() for match in _TOKEN.finditer(text))
        for at in _starts(token)
    )


def is_base32(run: str, *, least: int = 1) -> bool:
    """Tell whether *run*, of letters and digits, holds media in base32, by a magic of *least* bytes."""
    return any(_is_media_base32(match.group(), least) for match in _BASE32_RUN.finditer(run))


def is_bare_jxl(data: bytes, run: str, *, bits: int) -> bool:
    """Tell whether *run*, of *bits* each character, is a JPEG XL codestream, which begins with two bytes only."""
    if not data.startswith(_BARE_JXL) or len(run) * bits < LONG_BYTES * 8:
        return False
    head = run[: LONG_BYTES * 8 // bits]
    return bits == 4 or sum(map(str.isupper, head)) > MIXED * len(head)


def _starts(token: str) -> Iterator[int]:
    yield 0
    yield from (match.end() for match in _EDGE.finditer(token, 0, len(token) - BASE85_LEAST))


def _is_media_base32(run: str, least: int) -> bool:
    head = run[:BASE32_HEAD]
    try:
        data = base64.b32decode(head[: len(head) // 8 * 8].upper())
    except BinasciiError:
        return False
    found = magic_length(data)
    return found > WEAK_BYTES or (found >= least and len(run) not in BASE32_DIGESTS)
