"""Hashes as sent and as understood: lower-case hex of the length that the named algorithm has."""

import base64
import binascii
import re

from contracts.indicators import HashIndicator
from contracts.vocabulary import NULL_HASHES, Flag, HashAlgorithm

_HEX_LENGTH = {
    HashAlgorithm.MD5: 32,
    HashAlgorithm.SHA1: 40,
    HashAlgorithm.SHA256: 64,
    HashAlgorithm.PDQ: 64,
    HashAlgorithm.PHOTODNA: 288,
}
_PHOTODNA_BYTES = 144
_SHA1_BASE32 = 32
"""Characters of a SHA-1 in base32, as file-sharing networks write it."""

_PREFIX = re.compile(r"(?:urn:)?(?:md-?5|sha-?1|sha-?256|pdq|photodna)\s*[:=]\s*|0x", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+")


def parse_hash(algorithm: HashAlgorithm, value: str) -> HashIndicator:
    """Understand *value* as a hash made by *algorithm*; the algorithm is never guessed."""
    text = value.strip()
    prefix = _PREFIX.match(text)
    hexed = _as_hex(algorithm, "".join(text[prefix.end() if prefix else 0 :].split()))
    if hexed is None:
        return HashIndicator(algorithm=algorithm, value=value, raw=value, flags=(Flag.BAD_HASH,))
    null = hexed in NULL_HASHES or not hexed.strip("0")
    return HashIndicator(algorithm=algorithm, value=hexed, raw=value, flags=(Flag.NULL_HASH,) if null else ())


def _as_hex(algorithm: HashAlgorithm, text: str) -> str | None:
    lower = text.lower()
    if len(lower) == _HEX_LENGTH[algorithm] and _HEX.fullmatch(lower):
        return lower
    if algorithm is HashAlgorithm.SHA1 and len(text) == _SHA1_BASE32:
        return _decoded(text)
    if algorithm is HashAlgorithm.PHOTODNA:
        return _photodna(text)
    return None


def _decoded(text: str) -> str | None:
    try:
        return base64.b32decode(text, casefold=True).hex()
    except (binascii.Error, ValueError):
        return None


def _photodna(text: str) -> str | None:
    """PhotoDNA as base64 or as 144 numbers with commas between them, which are its two usual spellings."""
    numbers = text.split(",")
    if len(numbers) == _PHOTODNA_BYTES and all(
        n.isascii() and n.isdigit() and len(n) <= 3 and int(n) < 256 for n in numbers
    ):
        return bytes(map(int, numbers)).hex()
    try:
        body = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return body.hex() if len(body) == _PHOTODNA_BYTES else None
