"""
What a free text asks for: lists of phrases that may only raise.

Every list is tried on every text, whatever ``language`` says: a wrong label
must not hide a child in danger. Plain look-ups of whole words, no patterns:
the time is linear in the text.
"""

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("phrases.toml")
NOT_A_LANGUAGE = frozenset({"", "und", "mul", "zxx", "mis"})

_GAPS = re.compile(r"[\W_]+")
_INVISIBLE = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Combining marks left after composition, soft hyphens, zero-width and direction marks: nothing a phrase contains."""


def text_signals(*texts: str | None) -> tuple[str, ...]:
    """Name the reason codes (``U1`` now, ``U2`` meeting, ``U3`` crisis) that *texts* ask for."""
    words = "|".join(_words(text) for text in texts if text)
    if not words:
        return ()
    known = set(words.split())
    return tuple(
        code
        for code, phrases in _phrases().items()
        if any(first in known and phrase in words for first, phrase in phrases)
    )


def language_unknown(language: str | None) -> bool:
    """Tell whether *language* names a language for which there is no list."""
    primary = re.split(r"[-_]", (language or "").strip().lower())[0]
    return primary not in NOT_A_LANGUAGE and primary not in languages()


@cache
def languages() -> frozenset[str]:
    """Languages that have a list."""
    return frozenset(entry["language"] for entry in _lists())


def _words(text: str) -> str:
    """*text* in lower case, one space between words, before the first and after the last."""
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return f" {_GAPS.sub(' ', text.casefold()).strip()} "


@cache
def _lists() -> tuple[dict[str, Any], ...]:
    return tuple(tomllib.loads(FILE.read_text(encoding="utf-8"))["list"])


@cache
def _phrases() -> dict[str, tuple[tuple[str, str], ...]]:
    """Per code: each phrase with its first word, which is cheap to look for."""
    found: dict[str, set[str]] = {}
    for entry in _lists():
        found.setdefault(str(entry["code"]), set()).update(_words(phrase) for phrase in entry["phrases"])
    return {code: tuple((phrase.split()[0], phrase) for phrase in sorted(found[code])) for code in sorted(found)}
