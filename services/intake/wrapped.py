"""
Puts together what was wrapped into lines: an encoder's lines all have one width, words of prose hardly ever.

Only the beginning of a block is kept: a format shows itself in its first bytes.
"""

import re
from collections.abc import Iterator
from itertools import groupby

NARROWEST = 8
WIDEST = 128
"""Wider lines are judged as runs of their own; a list of PhotoDNA hashes (192) is no wrapped block."""

FEWEST = 3
"""Lines that make a block."""

KEPT = 1_024
"""Characters of a block that are put together: 768 bytes reach every magic, also those far inside."""

_ENCODED = re.compile(r"[A-Za-z0-9+/]+")


def blocks(text: str) -> Iterator[str]:
    """Beginnings of all blocks of three or more pieces of one width in *text*, put together."""
    for width, pieces in groupby(text.replace("\x00", " ").split(), len):
        if NARROWEST <= width <= WIDEST and (block := _block(pieces, width)):
            yield block


def _block(pieces: Iterator[str], width: int) -> str | None:
    kept = "".join(piece for piece, _ in zip(pieces, range(KEPT // width), strict=False))
    encoded = _ENCODED.match(kept)
    return encoded.group() if encoded and len(encoded.group()) > (FEWEST - 1) * width else None
