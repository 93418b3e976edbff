"""
The rulebook: rows of data, read strictly; a book that breaks its own form is never loaded.

What can be seen from the text alone is checked here; what needs every case of
the facts (an empty decision, a dead row) is proven in `services.router.rules.proof`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from contracts.onboarding import Strict
from services.chassis.errors import Misconfigured
from services.chassis.tomlfile import TomlFile, parse_toml, read_toml, validate
from services.router.rules.conditions import Condition, Wrong, parse
from services.router.rules.names import PER, TARGETS
from services.router.rules.rule import Clause, RawClause, RawRow, Row

STAGE: dict[str, int] = {"suppress": 1, "default": 2, "close": 3}
"""When a kind of row is heard: everything else is heard first."""

CANDIDATES = "candidate-routes"
NEVER_LATER = (CANDIDATES, "review")
"""Targets that are no agency: nothing could be released to them."""
REMOVABLE = ("held", "sender", *TARGETS)
KEEPABLE = ("police", "hotline", "interpol", "europol", "provider", "takedown", "crawler", "review")


class _RawBook(Strict):
    id: str
    duty_services: tuple[str, ...] = ()
    fallback: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rule: Annotated[tuple[RawRow, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A loaded book and the digest of its text."""

    id: str
    digest: str
    rows: tuple[Row, ...]
    fallback: Mapping[str, tuple[str, ...]]
    duty_services: tuple[str, ...]
    stages: tuple[tuple[Row, ...], ...]
    """Rows that collect, that suppress, the default, and those that close."""
    file: TomlFile = field(repr=False, compare=False)


def load_rulebook(path: Path) -> Rulebook:
    """
    Read the rulebook *path*.

    Raises:
        Misconfigured: File, line and reason.
    """
    return _book(read_toml(path))


def parse_rulebook(text: str, name: Path) -> Rulebook:
    """
    Read the rulebook *text*, which complaints call *name*.

    Raises:
        Misconfigured: Name, line and reason.
    """
    return _book(parse_toml(name, text))


def _book(file: TomlFile) -> Rulebook:
    raw = validate(file, _RawBook)
    rows = tuple(_row(file, number, row) for number, row in enumerate(raw.rule))
    _check_ids(file, rows)
    _check_order(file, rows)
    _check_fallback(file, raw.fallback)
    text = "\n".join(file.lines).encode()
    stages = tuple(tuple(row for row in rows if STAGE.get(row.kind, 0) == number) for number in range(4))
    digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    return Rulebook(raw.id, digest, rows, raw.fallback, raw.duty_services, stages, file)


def _row(file: TomlFile, number: int, raw: RawRow) -> Row:
    where = ("rule", number)
    if raw.per not in PER:
        raise file.refuse((*where, "per"), f"{raw.id}: per {raw.per!r} is none of {', '.join(PER)}")
    if "{" in raw.title.replace("{country}", "") or ("{country}" in raw.title and raw.per == "tip"):
        raise file.refuse(
            (*where, "title"), f"{raw.id}: a title may only name {{country}}, and only of a row that looks at places"
        )
    _check_shape(file, number, raw)
    return Row(
        raw.id,
        raw.kind,
        raw.per,
        raw.title,
        tuple(_condition(file, (*where, "when"), raw.id, one, raw.per) for one in raw.when),
        tuple(_clause(file, (*where, "then"), raw, one) for one in raw.then),
        tuple(_clause(file, (*where, "if_removed"), raw, one) for one in raw.if_removed),
        raw,
    )


def _clause(file: TomlFile, where: Sequence[str | int], row: RawRow, raw: RawClause) -> Clause:
    per = raw.per or row.per
    if per not in PER:
        raise file.refuse(where, f"{row.id}: per {per!r} is none of {', '.join(PER)}")
    if not (raw.to or raw.later):
        raise file.refuse(where, f"{row.id}: a clause refers to nobody: it needs to or later")
    for target in (*raw.to, *raw.later):
        if target not in TARGETS:
            known = ", ".join(TARGETS)
            raise file.refuse(where, f"{row.id}: unknown target {target!r}; known are {known}", near=(f'"{target}"',))
        if target.endswith("-of") and per == "tip":
            raise file.refuse(
                where,
                f"{row.id}: {target!r} needs a place to be of: give the row or clause a per",
                near=(f'"{target}"',),
            )
    _check_reach(file, where, row, raw)
    when = tuple(_condition(file, where, row.id, one, per) for one in raw.when)
    return Clause(per, when, raw.to, raw.later)


def _check_reach(file: TomlFile, where: Sequence[str | int], row: RawRow, raw: RawClause) -> None:
    """What would lead round and round, or wait for a release that it cannot have."""
    if row.route and CANDIDATES in (*raw.to, *raw.later):
        reason = f"{row.id}: a row of route = true cannot ask for {CANDIDATES}: it would be asked again without end"
        raise file.refuse(where, reason, near=(f'"{CANDIDATES}"',))
    for target in raw.later:
        if target in NEVER_LATER:
            raise file.refuse(where, f"{row.id}: {target!r} cannot wait for the police", near=("later", f'"{target}"'))


def _condition(file: TomlFile, where: Sequence[str | int], rule: str, data: Any, per: str) -> Condition:  # noqa: ANN401
    try:
        return parse(data, per)
    except Wrong as error:
        raise file.refuse(where, f"{rule}: {error}", near=tuple(_words(data))) from error
    except RecursionError:
        raise file.refuse(where, f"{rule}: conditions are nested too deeply") from None


def _words(data: Any) -> Iterator[str]:  # noqa: ANN401 - whatever TOML holds
    """Words that stand in the text of a condition."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from _words(value)
    elif isinstance(data, list):
        for value in data:
            yield from _words(value)
    else:
        yield str(data).lower() if isinstance(data, bool) else str(data)


def _check_shape(file: TomlFile, number: int, raw: RawRow) -> None:
    """Each kind of row has the parts that it works with, and no others."""
    suppresses = raw.kind == "suppress"
    faults = {
        "then": raw.kind in ("destination", "default") and not raw.then,
        "remove": (suppresses and bool(raw.remove) == bool(raw.keep)) or (not suppresses and bool(raw.remove)),
        "keep": not suppresses and bool(raw.keep),
        "if_removed": not suppresses and bool(raw.if_removed),
        "px": raw.kind != "close" and raw.px is not None,
        "per": raw.kind in ("default", "close") and raw.per != "tip",
        "route": raw.route and raw.kind != "destination",
    }
    for name, wrong in faults.items():
        if wrong:
            raise file.refuse(
                ("rule", number, name), f"{raw.id}: {name} does not fit a row of kind {raw.kind}, or is missing from it"
            )
    for name, words, known in (("remove", raw.remove, REMOVABLE), ("keep", raw.keep, KEEPABLE)):
        for word in words:
            if word not in known:
                raise file.refuse(("rule", number, name), f"{raw.id}: {name} {word!r} is none of {', '.join(known)}")


def _check_ids(file: TomlFile, rows: Sequence[Row]) -> None:
    seen: set[str] = set()
    for number, row in enumerate(rows):
        if row.id in seen:
            raise file.refuse(("rule", number, "id"), f"two rules with the id {row.id}")
        clauses = (*row.then, *row.if_removed)
        asked = frozenset().union(*(c.rules for c in (*row.when, *(w for clause in clauses for w in clause.when))))
        for other in sorted((asked | set(row.raw.spare)) - seen):
            raise file.refuse(("rule", number), f"{row.id} reads rule {other}, which does not stand above it")
        seen.add(row.id)


def _check_order(file: TomlFile, rows: Sequence[Row]) -> None:
    highest = 0
    for number, row in enumerate(rows):
        stage = STAGE.get(row.kind, 0)
        if stage < highest:
            raise file.refuse(
                ("rule", number),
                f"{row.id} ({row.kind}) stands too late: suppressors, then the default, then what closes come last",
            )
        highest = stage
    if not any(row.kind == "default" for row in rows):
        raise Misconfigured(f"{file.path}:{len(file.lines)}: no rule of kind default: a tip could end nowhere")


def _check_fallback(file: TomlFile, fallback: Mapping[str, tuple[str, ...]]) -> None:
    for name, targets in fallback.items():
        for target in (name, *targets):
            if target not in TARGETS:
                raise file.refuse(("fallback", name), f"fallback of {name}: unknown target {target!r}")
        if CANDIDATES in targets:
            raise file.refuse(
                ("fallback", name), f"fallback of {name}: {CANDIDATES} is no agency and stands in for none"
            )
    try:
        TopologicalSorter({name: set(targets) for name, targets in fallback.items()}).prepare()
    except CycleError as error:
        loop = error.args[1]
        raise file.refuse(("fallback", loop[0]), f"fallbacks loop: {' -> '.join(loop)}") from error
