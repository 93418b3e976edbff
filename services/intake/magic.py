"""
Magic bytes of images, videos and archives (and of documents that hold images).

Source: the formats' own specifications, as gathered in the ``file`` project's database.
"""

import re

WEAK_BYTES = 4
"""A magic up to this long turns up by chance once in 2^24 to 2^32 random strings."""

_PLAIN = (
    b"\x89PNG\r\n\x1a\n",
    b"\x89PNG",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",
    b"MM\x00*",
    b"8BPS\x00\x01",
    b"\x00\x00\x00\x0cjP  \r\n",
    b"\x00\x00\x00\x0cJXL \r\n",
    b"\x1aE\xdf\xa3",
    b"FLV\x01",
    b"OggS\x00",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x07\x08",
    b"\x1f\x8b\x08",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf'\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"MSCF\x00\x00\x00\x00",
    b"%PDF-",
    b"<svg",
    b"ID3\x02\x00",
    b"ID3\x03\x00",
    b"ID3\x04\x00",
)
_SHAPED = re.compile(
    rb"\xff\xd8\xff(?:\xe0..JF(?:IF|XX)|\xe1..(?:Exif|http)|\xdb\x00[\x43\x84]|\xee\x00\x0eAdobe)?"
    rb"|PK\x03\x04[\x00-\x3f]\x00..[\x00\x08\x09\x0c\x0e\x5d\x5f\x63]\x00"
    rb"|\x1f\x8b\x08[\x00\x08].{4}[\x00\x02\x04][\x00\x03\x07\x0a\x0b\x0d\xff]"
    rb"|\x1aE\xdf\xa3(?:[\x80-\xbf]|\x01.{7})B[\x82\x85\x86\xf2\xf3\xf7]"
    rb"|RIFF.{4}(?:WEBP|AVI |RMID|ACON)?"
    rb"|.{4}ftyp[ -~]{2}"
    rb"|.{4}(?:moov|mdat|wide|free|skip)\x00"
    rb"|BM.{4}\x00\x00\x00\x00.\x00\x00\x00[\x0c\x28\x34\x38\x40\x6c\x7c]"
    rb"|\x00\x00\x01\x00[\x01-\x20]\x00.{2}[\x00\x10]\x00[\x00\x01]\x00"
    rb"|BZh[1-9]1AY&SY",
    re.DOTALL,
)
_FIRST = frozenset(magic[0] for magic in _PLAIN) | frozenset(b"\xff\x00RB")
_AT_FOUR = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")

TAR_AT = 257
"""Where a tape archive says what it is: behind the name of its first file."""

PACKET = 188
PACKET_MARK = b"G"
"""A transport stream has no magic: each of its packets begins with the same byte."""


def magic_length(head: bytes) -> int:
    """How many bytes of *head* are the magic of a media format; 0 where it is none."""
    if not head or (head[0] not in _FIRST and head[4:8] not in _AT_FOUR):
        return 0
    plain = max((len(magic) for magic in _PLAIN if head.startswith(magic)), default=0)
    shaped = _SHAPED.match(head)
    return max(plain, len(shaped.group()) if shaped else 0)
