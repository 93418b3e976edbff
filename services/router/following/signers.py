"""Who signed a decision: two spellings of one name are one person, and a blank is nobody."""

import unicodedata
from collections.abc import Iterable


def different(names: Iterable[str]) -> tuple[str, ...]:
    """
    The people among *names*, each by the first spelling.

    Case, blanks, and characters that show as nothing make no second person. Who may sign at all is not known here.
    """
    found: dict[str, str] = {}
    for name in names:
        shown = " ".join("".join(map(_visible, unicodedata.normalize("NFKC", name))).split())
        if shown:
            found.setdefault(shown.casefold(), shown)
    return tuple(found.values())


def _visible(char: str) -> str:
    """*char* itself; a blank for a control character, nothing for one that only changes how others look."""
    kind = unicodedata.category(char)
    return "" if kind == "Cf" else " " if kind[0] in "CZ" else char
