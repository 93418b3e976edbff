"""Find the links in a text that holds several, or one inside prose."""

import re

from services.indicators.refang import refanged, trimmed

_START = re.compile(
    r"(?:(?<=[\s,;|<>\"'(\u00a0])|^)"
    r"(?=(?:h(?:tt|xx|tx|xt|\*\*)ps?|ftp|fxp)(?::|\[:\]|\[://\])|(?:magnet|ed2k|ipfs|ipns|tg):|www\.|www\[\.\])",
    re.IGNORECASE | re.MULTILINE,
)
_NAME = re.compile(r"(?:[a-z0-9-]{1,63}(?:\.|\[\.\])){1,10}[a-z]{2,24}(?:[/:?#].*)?", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s,;|]+")
_MOST = 1_001
"""Pieces looked at: one more than a tip may hold, so that ``too_many`` can still be said."""


def pieces(text: str) -> list[str]:
    """The links in *text*, in order; empty where *text* as a whole is one link, or none."""
    starts = [found.start() for found in _START.finditer(text)][:_MOST]
    if not starts:
        return _bare_names(text)
    inner = trimmed(text)
    if len(starts) == 1 and text[starts[0] :].startswith(inner[:8]) and not _prose_behind(inner):
        return []
    ends = [*starts[1:], len(text)]
    found = [_first_word(text[start:end]) for start, end in zip(starts, ends, strict=True)]
    return [piece for piece in found if piece]


def _prose_behind(text: str) -> bool:
    """True where words follow a link whose host is complete."""
    link, space, _ = text.partition(" ")
    return bool(space) and "/" in refanged(link).partition("//")[2] and " dot " not in text.lower()


def _first_word(text: str) -> str:
    """The link at the start of *text*, as sent."""
    words = text.split(None, 1)
    return words[0].rstrip(",;|") if words else ""


def _bare_names(text: str) -> list[str]:
    """Names without scheme in a list; prose that happens to hold dots is not one."""
    words = [word for word in _SEPARATORS.split(text.strip()) if word][: _MOST + 1]
    return words if len(words) > 1 and all(len(word) < 2_048 and _NAME.fullmatch(word) for word in words) else []
