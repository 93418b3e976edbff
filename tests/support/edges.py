"""
Which tests carry the number of an edge case, and the table of them in ``docs/edge-cases.md``.

    python -m tests.support.edges        writes the column *where* of the table anew
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
TABLE = ROOT / "docs" / "edge-cases.md"

_NAME = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.MULTILINE)
_IN_NAME = re.compile(r"(?<=_)(e|t|h|case_)(\d{2})(?=_)")
"""An edge case (``e``), or a row of the hostile corpus under one of the names that its tests have."""
_GIVEN = re.compile(r'^\s+\(?"(E(\d{2}) [^"]+)"', re.MULTILINE)
_IN_CASE = re.compile(r"\bE(\d{2})\b")
_ROW = re.compile(r"^\| ([ET]\d{2}) \| (.*?) \| (.*?) \| (.*) \|$", re.MULTILINE)
UNTESTED = {
    **dict.fromkeys(("E11", "E12", "E13"), "the import of reports in XML is not built"),
    "T83": "custody has no signed checkpoints that witnesses could race for",
}
"""Numbers without a test, and why."""
_MOST = 4
"""Places that a row names; more are counted."""


def places() -> dict[str, list[str]]:
    """Every number (``E68``, ``T75``) that a test's name, a parameter or a case id carries, and where."""
    found: dict[str, list[str]] = {}
    for number, place in _places():
        known = found.setdefault(number, [])
        if place not in known:
            known.append(place)
    return found


def _places() -> Iterator[tuple[str, str]]:
    for path in sorted(TESTS.rglob("test_*.py")):
        text, where = path.read_text("utf-8"), path.relative_to(ROOT)
        for name in _NAME.findall(text):
            numbers = [("E" if kind == "e" else "T") + digits for kind, digits in _IN_NAME.findall(name)]
            yield from ((number, f"{where}::{name}") for number in numbers)
        yield from ((f"E{number}", f"{where}: {given}") for given, number in _GIVEN.findall(text))
    for path in sorted((TESTS / "e2e" / "cases").glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            case = json.loads(line)
            named = str(case.get("id") or case.get("edge") or "")
            label = case.get("id") or f"{case.get('edge')} {case.get('input')}"
            yield from ((f"E{number}", f"{path.relative_to(ROOT)}: {label}") for number in _IN_CASE.findall(named))


def rows() -> dict[str, tuple[str, str, str]]:
    """Number to case, expectation and places, as the table says."""
    return {number: (case, expected, where) for number, case, expected, where in _ROW.findall(TABLE.read_text("utf-8"))}


def told(number: str, where: list[str]) -> str:
    """The places of one case as a cell; how many more there are."""
    if not where:
        return f"no test: {UNTESTED.get(number, 'write one')}"
    more = f" and {len(where) - _MOST} more" if len(where) > _MOST else ""
    return ", ".join(f"`{place.replace('|', '/')}`" for place in where[:_MOST]) + more


def main() -> None:
    """Write the column anew."""
    found = places()
    text = TABLE.read_text("utf-8")

    def row(match: re.Match[str]) -> str:
        number, case, expected, _ = match.groups()
        return f"| {number} | {case} | {expected} | {told(number, found.get(number, []))} |"

    TABLE.write_text(_ROW.sub(row, text), encoding="utf-8")


if __name__ == "__main__":
    main()
