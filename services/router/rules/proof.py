"""
The proof of a rulebook: never an empty decision, no dead row, no two rows that say the same.

A decision can only be empty if nothing is left after the suppressors and the
default does not match; so it is enough to try the default in every case of the
facts that it reads. A row is dead if no possible tip matches it, or if a
suppressor takes away all that it asks for whenever it matches. Fallbacks
without loops are checked when a book is loaded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.chassis.errors import Misconfigured
from services.router.asking import CRAWLER, EUROPOL, ICCAM, REVIEW
from services.router.geography.atlas import Atlas
from services.router.rules.cases import Case, TooMany, holds, matches, reading
from services.router.rules.rule import Clause, Row
from services.router.rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Proof:
    """What was tried, and what an operator should know."""

    rules: int
    cases: int
    warnings: tuple[str, ...]


def prove(book: Rulebook, atlas: Atlas) -> Proof:
    """
    Prove *book*, and look whether its agencies are onboarded.

    Raises:
        Misconfigured: With file and line of the row that breaks the proof.
    """
    tried = prove_rows(book)
    if not atlas.usable(atlas.police_home):
        raise Misconfigured(
            f"{atlas.police_home} is not onboarded: a child in danger would reach nobody; add it to agencies.toml"
        )
    return Proof(len(book.rows), tried, tuple(_not_onboarded(book, atlas)))


def prove_rows(book: Rulebook) -> int:
    """
    Prove the rows of *book* alone; returns how many cases were tried.

    Raises:
        Misconfigured: With file and line of the row that breaks the proof.
    """
    rows = {row.id: row for row in book.rows}
    try:
        tried = _never_empty(book, rows)
    except TooMany as error:
        raise _refuse(book, book.stages[2][0], f"the default reads too much: {error}") from error
    for row in book.rows:
        try:
            tried += _alive(book, rows, row)
        except TooMany as error:
            raise _refuse(book, row, f"{row.id} reads too much: {error}; make several rows of it") from error
    _no_twins(book)
    return tried


def _never_empty(book: Rulebook, rows: Mapping[str, Row]) -> int:
    """Where nothing is left, some default row asks for a person in every case."""
    defaults = book.stages[2]
    tried = 0
    for case in reading(rows, *defaults).cases():
        if not case.get("nothing_left", True):
            continue
        tried += 1
        if not any(_asks_person(rows, row, case) for row in defaults):
            raise _refuse(
                book, defaults[0], f"a tip could end nowhere: no default asks for a person when {_told(case)}"
            )
    for row in book.stages[3]:
        if row.raw.px is None and not any(name == "sighting" for condition in row.when for name, _ in condition.reads):
            raise _refuse(book, row, f"{row.id} closes a tip without a reason (px) and without a sighting")
    return tried


def _asks_person(rows: Mapping[str, Row], row: Row, case: Case) -> bool:
    clauses = (clause for clause in row.then if REVIEW in clause.to and clause.per == "tip")
    return matches(rows, row, case) and any(holds(rows, row, clause, case) for clause in clauses)


def _alive(book: Rulebook, rows: Mapping[str, Row], row: Row) -> int:
    """Some tip matches the row, each clause can hold, and something of what it asks for can survive."""
    cases = list(reading(rows, row).cases())
    matching = [case for case in cases if matches(rows, row, case)]
    if not matching:
        raise _refuse(book, row, f"{row.id} is dead: no tip can match its conditions")
    for number, clause in enumerate(row.then):
        if not any(holds(rows, row, clause, case) for case in matching):
            raise _refuse(
                book, row, f"{row.id} has a dead clause: number {number + 1} never holds when the row matches"
            )
    if row.kind == "destination":
        for suppressor in book.stages[1]:
            if _always_taken_away(rows, row, suppressor):
                raise _refuse(book, row, f"{row.id} is shadowed: {suppressor.id} takes away all that it asks for")
    return len(cases)


def _always_taken_away(rows: Mapping[str, Row], row: Row, suppressor: Row) -> bool:
    targets = {target for clause in row.then for target in (*clause.to, *clause.later)}
    if row.id in suppressor.raw.spare or not _takes(suppressor, targets) or suppressor.per not in ("tip", row.per):
        return False
    both = [case for case in reading(rows, row, suppressor).cases() if matches(rows, row, case)]
    return all(matches(rows, suppressor, case) for case in both)


def _takes(suppressor: Row, targets: set[str]) -> bool:
    raw = suppressor.raw
    if raw.keep:
        return all(_KINDS[target].isdisjoint(raw.keep) for target in targets)
    return targets <= set(raw.remove)


_KINDS: dict[str, frozenset[str]] = {
    "police-home": frozenset({"police"}),
    "police-of": frozenset({"police", "interpol", "review"}),
    "hotline-of": frozenset({"hotline"}),
    "interpol-ncb": frozenset({"interpol", "police", "review"}),
    "interpol-iccam": frozenset({"interpol"}),
    "europol": frozenset({"europol"}),
    "review": frozenset({"review"}),
    "cdn": frozenset({"provider"}),
    "takedown": frozenset({"takedown"}),
    "crawler": frozenset({"crawler"}),
    "reporting-channel": frozenset({"hotline"}),
    "candidate-routes": frozenset({"hotline", "police", "interpol", "europol", "review"}),
}
"""Kinds of agencies that a target can become."""


def _no_twins(book: Rulebook) -> None:
    seen: dict[object, str] = {}
    for row in book.rows:
        if row.kind in ("choice", "event", "attribute"):
            continue
        says = (
            *(row.kind, row.per, frozenset(condition.text for condition in row.when)),
            *(_says(row.then), _says(row.if_removed), row.raw.remove, row.raw.keep, row.raw.px, row.raw.sets),
        )
        if says in seen:
            raise _refuse(book, row, f"{row.id} is shadowed: it says the same as {seen[says]}")
        seen[says] = row.id


def _says(clauses: tuple[Clause, ...]) -> frozenset[object]:
    return frozenset((c.per, frozenset(condition.text for condition in c.when), c.to, c.later) for c in clauses)


def _not_onboarded(book: Rulebook, atlas: Atlas) -> Iterator[str]:
    fixed = {
        "interpol-ncb": atlas.bureau,
        "interpol-iccam": ICCAM,
        "europol": EUROPOL,
        "takedown": atlas.takedown,
        "crawler": CRAWLER,
    }
    for target, agency in fixed.items():
        asking = [row.id for row in book.rows if any(target in (*c.to, *c.later) for c in (*row.then, *row.if_removed))]
        if asking and not atlas.usable(agency):
            yield f"{agency} is not onboarded: {', '.join(asking)} do without it"


def _refuse(book: Rulebook, row: Row, reason: str) -> Misconfigured:
    return book.file.refuse(("rule", book.rows.index(row)), reason)


def _told(case: Case) -> str:
    return ", ".join(f"{name} = {value}" for name, value in case.items()) or "anything"
