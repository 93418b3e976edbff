"""
The registry of countries: who works these cases where, by name only, never by address.

A look-up is total over ISO 3166-1 and ``XK``. A name counts at certainty
medium or high; who really receives is an onboarding record's business.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.chassis.errors import Misconfigured
from services.chassis.onboarding import ENOUGH
from services.chassis.tomlfile import bytes_of, text_of
from services.router.geography.countries import COUNTRIES

COLUMNS = [
    *("iso2", "country", "police", "police_certainty", "hotline", "hotline_domain", "hotline_certainty"),
    *("interpol", "parent", "sources", "iwf_portal"),
]
INTERPOL_MEMBERS = 196
"""Known number of member countries: a cheap test that the column was not damaged."""

CERTAINTIES = ("high", "medium", "low", "none")
PORTALS = ("yes", "no", "unknown")
HOTLINE_SEPARATOR = " | "

_INTERPOL = re.compile(r"member|non-member|n/a|via-parent|(?:sub-bureau-of|via)-([A-Z]{2})")
_DOMAIN = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")
_AUTHORITY_OF = re.compile(r"\(competent authority of ([A-Z]{2})\)")

Reach = Literal["member", "through_parent", "none"]
"""How Interpol reaches a country: its own bureau, its parent's, or not at all."""


@dataclass(frozen=True, slots=True)
class Country:
    """One row: names with enough certainty only."""

    iso2: str
    name: str
    police: str | None
    hotlines: tuple[str, ...]
    hotline_certainty: str
    interpol: Reach
    parent: str | None


@dataclass(frozen=True, slots=True)
class Registry:
    """Every country's row."""

    rows: Mapping[str, Country]

    def __getitem__(self, iso2: str) -> Country:
        """The row of *iso2*; every code of ISO 3166-1 and XK has one."""
        return self.rows[iso2]

    def __contains__(self, iso2: object) -> bool:
        """Tell whether *iso2* is a country."""
        return iso2 in self.rows

    def hotline_country(self, iso2: str) -> str:
        """Whose hotline answers for content in *iso2*: its own, else its parent's where it names none."""
        row = self.rows[iso2]
        return iso2 if row.hotlines or row.parent is None else row.parent

    def police_country(self, iso2: str) -> str:
        """Whose police answer for *iso2*: its own where it names any, else its parent's."""
        row = self.rows[iso2]
        return iso2 if row.police or row.parent is None else row.parent


def load_registry(path: Path) -> Registry:
    """
    Read and check the registry *path*.

    Raises:
        Misconfigured: With the line of the first fault and its reason.
    """
    lines = list(_lines(path))
    if not lines or lines[0][1] != COLUMNS:
        raise Misconfigured(f"{path}:1: {_fault_of_head(lines[0][1] if lines else [])}")
    rows: dict[str, Country] = {}
    for number, cells in lines[1:]:
        fault = _fault(cells, rows)
        if fault:
            raise Misconfigured(f"{path}:{number}: {fault}")
        rows[cells[0]] = _country(dict(zip(COLUMNS, cells, strict=True)))
    _check_whole(path, lines)
    return Registry(rows)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row and the line on which it begins: a quoted cell may run over several."""
    reader = csv.reader(io.StringIO(text_of(path, bytes_of(path)), newline=""), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Misconfigured(f"{path}:{begins}: not CSV: {error}") from error
        if cells is None:
            return
        yield begins, cells


def _fault_of_head(cells: Sequence[str]) -> str:
    missing = [name for name in COLUMNS if name not in cells]
    strange = [name for name in cells if name not in COLUMNS]
    twice = sorted({name for name in cells if cells.count(name) > 1})
    parts = (("missing", missing), ("unknown", strange), ("twice", twice))
    told = "; ".join(f"{what}: {', '.join(map(repr, names))}" for what, names in parts if names)
    return f"the columns must be {','.join(COLUMNS)} ({told or 'they stand in another order'})"


def hotline_ids(iso2: str, names: Sequence[str]) -> tuple[str, ...]:
    """Agency ids derived from a country's hotline names: a suffix only where there are several."""
    if len(names) == 1:
        return (f"hotline-{iso2.lower()}",)
    return tuple(f"hotline-{iso2.lower()}-{_suffix(name)}" for name in names)


def _suffix(name: str) -> str:
    found = re.match(r"[a-z0-9]+", name.split(maxsplit=1)[0].lower())
    return found.group() if found else "x"


def _fault(cells: Sequence[str], rows: Mapping[str, Country]) -> str | None:
    """What is wrong with one row, or None."""
    if len(cells) != len(COLUMNS):
        return f"{len(cells)} cells instead of {len(COLUMNS)}"
    row = dict(zip(COLUMNS, cells, strict=True))
    if row["iso2"] not in COUNTRIES:
        return f"iso2 {row['iso2']!r} is not a country code of ISO 3166-1 (or XK)"
    if row["iso2"] in rows:
        return f"a second row for {row['iso2']}"
    if not row["country"] or not row["sources"]:
        return "country and sources must be named"
    if not all(map(str.isprintable, cells)):
        return "a cell holds a line break or another control character"
    return _fault_of_names(row) or _fault_of_interpol(row)


def _fault_of_names(row: Mapping[str, str]) -> str | None:
    for kind in ("police", "hotline"):
        certainty = row[f"{kind}_certainty"]
        if certainty not in CERTAINTIES:
            return f"{kind}_certainty {certainty!r} is none of {', '.join(CERTAINTIES)}"
        if bool(row[kind]) == (certainty == "none"):
            return (
                f"{kind} and {kind}_certainty disagree: a certainty other than none stands exactly where a name stands"
            )
    if row["hotline_domain"] and not (row["hotline"] and _DOMAIN.fullmatch(row["hotline_domain"])):
        return f"hotline_domain {row['hotline_domain']!r} is not a domain of a named hotline"
    names = row["hotline"].split(HOTLINE_SEPARATOR)
    if len(set(hotline_ids(row["iso2"], names))) != len(names):
        return "two hotlines of this row would get the same agency id"
    return None if row["iwf_portal"] in PORTALS else f"iwf_portal {row['iwf_portal']!r} is none of {', '.join(PORTALS)}"


def _fault_of_interpol(row: Mapping[str, str]) -> str | None:
    found = _INTERPOL.fullmatch(row["interpol"])
    if not found:
        return f"interpol {row['interpol']!r} is not member, non-member, n/a, via-parent, via-XX or sub-bureau-of-XX"
    if row["parent"] and row["parent"] not in COUNTRIES:
        return f"parent {row['parent']!r} is not a country code"
    if found.group(1) and found.group(1) != row["parent"]:
        return f"interpol {row['interpol']!r} and parent {row['parent']!r} disagree"
    if row["interpol"] == "via-parent" and not row["parent"]:
        return "interpol is via-parent, but no parent is named"
    return None


def _check_whole(path: Path, lines: Sequence[tuple[int, Sequence[str]]]) -> None:
    end = lines[-1][0]
    missing = sorted(COUNTRIES - {cells[0] for _, cells in lines[1:]})
    if missing:
        raise Misconfigured(f"{path}:{end}: no row for {', '.join(missing)}: a look-up must be total")
    members = sum(cells[COLUMNS.index("interpol")] == "member" for _, cells in lines[1:])
    if members != INTERPOL_MEMBERS:
        raise Misconfigured(f"{path}:{end}: {members} Interpol members, known are {INTERPOL_MEMBERS}")


def _country(row: Mapping[str, str]) -> Country:
    police = row["police"] if row["police_certainty"] in ENOUGH else ""
    hotlines = row["hotline"].split(HOTLINE_SEPARATOR) if row["hotline_certainty"] in ENOUGH else []
    return Country(
        iso2=row["iso2"],
        name=row["country"],
        police=None if not police or _AUTHORITY_OF.fullmatch(police) else police,
        hotlines=tuple(hotlines),
        hotline_certainty=row["hotline_certainty"],
        interpol=_reach(row["interpol"]),
        parent=row["parent"] or None,
    )


def _reach(interpol: str) -> Reach:
    if interpol == "member":
        return "member"
    return "none" if interpol in ("non-member", "n/a") else "through_parent"
