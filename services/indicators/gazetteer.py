"""
In which area (county) of its country a place lies, as far as its name or postcode tells.

Data: ``data/places-<CC>.csv``, one file a country that has one, with source and
date in its head. A text that names two areas names none: nothing is guessed.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from services.chassis.errors import Misconfigured

_FOLDER = Path(__file__).parent / "data"
_COLUMNS = ["kind", "text", "area"]
_ROWS = ("area", "name", "word", "postcode")
_POSTCODE = re.compile(r"(?:\b[A-Z]{1,2}-(\d{3}) ?(\d{2})\b)|(?:(?<![\d-])(\d{3}) (\d{2})(?= +[^\W\d_]))")
"""As written on an envelope: with the country's letter, or in two groups before the place's name."""

_ALONE = re.compile(r"(?:[A-Z]{1,2}-)?(\d{3}) ?(\d{2})")
_WORD = re.compile(r"[^\W\d_](?:[\w-]*\w)?")
_KINDS = frozenset({"kommun", "stad", "län"})
_MOST_WORDS = 3
_LONGEST_TEXT = 20_000
"""Characters of a description that are looked at."""


@dataclass(slots=True)
class _Table:
    names: dict[str, str] = field(default_factory=dict)
    """Name as written -> area."""
    folded: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    """Names that are words of the language too: only with their kind behind them."""
    postcodes: dict[str, str] = field(default_factory=dict)


def area_of(country: str | None, region: str | None, description: str | None) -> str | None:
    """
    The area of *country* that a place's fields name; None where they name none, or several.

    Args:
        country: ISO code; without it a name could lie anywhere.
        region: What stands in the field for it: one name, in any case, or a postcode.
        description: Free text.
    """
    table = _table(country) if country else None
    if table is None:
        return None
    return _named(table, region or "") or _only(set(_told(table, (description or "")[:_LONGEST_TEXT])))


def _named(table: _Table, text: str) -> str | None:
    """*text* as one name or postcode."""
    plain = " ".join(text.casefold().split())
    if (code := _ALONE.fullmatch(text.strip())) is not None:
        return _by_postcode(table, code[1] + code[2])
    if plain in table.folded:
        return table.folded[plain]
    stem, _, kind = plain.rpartition(" ")
    return table.folded.get(stem) or table.folded.get(stem.removesuffix("s")) if kind in _KINDS else None


def _told(table: _Table, text: str) -> Iterator[str]:
    """Every area that *text* names."""
    for code in _POSTCODE.finditer(text):
        if area := _by_postcode(table, "".join(part for part in code.groups() if part)):
            yield area
    words = _WORD.findall(text)
    at = 0
    while at < len(words):
        area, used = _at(table, words, at)
        if area is not None:
            yield area
        at += used


def _at(table: _Table, words: list[str], at: int) -> tuple[str | None, int]:
    """The area that the words from *at* on name, and how many words that took."""
    for count in range(_MOST_WORDS, 0, -1):
        phrase = " ".join(words[at : at + count])
        kind = words[at + count].casefold() if at + count < len(words) else ""
        if kind in _KINDS:
            known: Mapping[str, str] = table.names | table.words
            area = known.get(f"{phrase} {kind}") or known.get(phrase) or known.get(phrase.removesuffix("s"))
            if area is not None:
                return area, count + 1
        if phrase in table.names:
            return table.names[phrase], count
    return None, 1


def _by_postcode(table: _Table, code: str) -> str | None:
    return next((area for n in range(len(code), 1, -1) if (area := table.postcodes.get(code[:n]))), None)


def _only(areas: set[str]) -> str | None:
    return areas.pop() if len(areas) == 1 else None


@cache
def _table(country: str) -> _Table | None:
    path = _FOLDER / f"places-{country}.csv"
    if not (country.isalpha() and path.is_file()):
        return None
    return read_table(path)


def read_table(path: Path) -> _Table:
    """
    Read the table of places *path*.

    Raises:
        Misconfigured: With the line of the first fault and its reason.
    """
    made, areas = _Table(), set[str]()
    for number, cells in _rows(path):
        fault = _fault(cells, made, areas)
        if fault:
            raise Misconfigured(f"{path}:{number}: {fault}")
        kind, text, area = cells
        if kind == "postcode":
            made.postcodes[text] = area
        else:
            (made.words if kind == "word" else made.names)[text] = area
            made.folded[text.casefold()] = area
    return made


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows behind the head, each with its line; every row is one line."""
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        broken = error.object[: error.start].count(b"\n") + 1
        raise Misconfigured(f"{path}:{broken}: not UTF-8") from None
    told = [(number, line.removesuffix("\r")) for number, line in enumerate(lines, 1)]
    told = [(number, line) for number, line in told if line and not line.startswith("#")]
    if not told or told[0][1].split(",") != _COLUMNS:
        raise Misconfigured(f"{path}:{told[0][0] if told else 1}: the columns must be {','.join(_COLUMNS)}")
    for number, row in told[1:]:
        try:
            yield number, next(csv.reader([row], strict=True))
        except csv.Error as error:
            raise Misconfigured(f"{path}:{number}: not CSV: {error}") from None


def _fault(cells: Sequence[str], made: _Table, areas: set[str]) -> str | None:
    """What is wrong with one row, or None; notes the areas that were named."""
    if len(cells) != len(_COLUMNS):
        return f"{len(cells)} cells instead of {len(_COLUMNS)}"
    kind, text, area = cells
    if kind not in _ROWS:
        return f"kind {kind!r} is none of {', '.join(_ROWS)}"
    if not all(cell and cell == cell.strip() and cell.isprintable() for cell in cells):
        return "a cell is empty, begins or ends with a blank, or holds a control character"
    if kind == "area":
        areas.add(text)
    if area not in areas:
        return f"area {area!r} stands in no row of kind area above"
    if kind == "postcode":
        return _fault_of_code(text, made)
    return f"a second row for {text!r}" if text.casefold() in made.folded else None


def _fault_of_code(text: str, made: _Table) -> str | None:
    if not (text.isascii() and text.isdigit() and 2 <= len(text) <= 5):
        return f"postcode {text!r} is not two to five digits"
    return f"a second row for postcode {text}" if text in made.postcodes else None
