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

FILE = Path(__file__).with_name("phrases.toml")
NOT_A_LANGUAGE = frozenset({"", "und", "mul", "zxx", "mis"})

_GAPS = re.compile(r"[\W_]+")
_INVISIBLE = dict.fromkeys(
    [*range(0x300, 0x370), 0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)
"""Combining marks left after composition, soft hyphens, zero-width and direction marks: nothing a phrase contains."""


def text_signals(text: str | None) -> tuple[str, ...]:
    """Name the reason codes (``U1`` now, ``U2`` meeting, ``U3`` crisis) that *text* asks for."""
    if not text:
        return ()
    words = _words(text)
    return tuple(code for code, phrases in _phrases().items() if any(phrase in words for phrase in phrases))


def language_unknown(language: str | None) -> bool:
    """Tell whether *language* names a language for which there is no list."""
    primary = re.split(r"[-_]", (language or "").strip().lower())[0]
    return primary not in NOT_A_LANGUAGE and primary not in languages()


@cache
def languages() -> frozenset[str]:
    """Languages that have a list."""
    return frozenset(entry["language"] for entry in _lists())


def _words(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).translate(_INVISIBLE).casefold()
    return f" {_GAPS.sub(' ', folded).strip()} "


@cache
def _lists() -> tuple[dict[str, str | list[str]], ...]:
    return tuple(tomllib.loads(FILE.read_text(encoding="utf-8"))["list"])


@cache
def _phrases() -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for entry in _lists():
        found.setdefault(str(entry["code"]), set()).update(_words(phrase) for phrase in entry["phrases"])
    return {code: tuple(sorted(found[code])) for code in sorted(found)}
