"""
The rulebook: rows of data, read strictly; a book that breaks its own form is never loaded.

What can be seen from the text alone is checked here; what needs every case of
the facts (an empty decision, a dead row) is proven in `services.router.proof`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from contracts.onboarding import Strict
from services.chassis.errors import Misconfigured
from services.chassis.tomlfile import TomlFile, parse_toml, read_toml, validate
from services.router.conditions import Condition, Fired, Wrong, parse
from services.router.facts import Facts, Place
from services.router.names import PER, TARGETS

RowKind = Literal["door", "destination", "choice", "event", "attribute", "suppress", "default", "close"]
STAGE: dict[str, int] = {"suppress": 1, "default": 2, "close": 3}
"""When a kind of row is heard: everything else is heard first."""

REMOVABLE = ("held", "sender", *TARGETS)
KEEPABLE = ("police", "hotline", "interpol", "europol", "provider", "takedown", "crawler", "review")


class _RawClause(Strict):
    per: str | None = None
    when: tuple[dict[str, Any], ...] = ()
    to: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


class _RawRow(Strict):
    id: Annotated[str, StringConstraints(pattern=r"^R\d{2}$")]
    kind: RowKind
    per: str = "tip"
    title: Annotated[str, StringConstraints(min_length=3, max_length=200)]
    when: tuple[dict[str, Any], ...]
    then: tuple[_RawClause, ...] = ()
    if_removed: tuple[_RawClause, ...] = ()
    remove: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    sets: Literal["duty", "deconflict", "region", "legality"] | None = None
    px: str | None = None
    route: bool = False
    source: Annotated[str, StringConstraints(min_length=3)]
    date: date


class _RawBook(Strict):
    id: str
    duty_services: tuple[str, ...] = ()
    fallback: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rule: Annotated[tuple[_RawRow, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Clause:
    """What a matching row refers to, under conditions of its own."""

    per: str
    when: tuple[Condition, ...]
    to: tuple[str, ...]
    later: tuple[str, ...]

    def holds(self, facts: Facts, place: Place | None, fired: Fired) -> bool:
        """Tell whether all its conditions hold."""
        for condition in self.when:  # noqa: SIM110 - a generator costs twice the time on the hot path
            if not condition.test(facts, place, fired):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Row:
    """One rule."""

    id: str
    kind: RowKind
    per: str
    title: str
    when: tuple[Condition, ...]
    then: tuple[Clause, ...]
    if_removed: tuple[Clause, ...]
    raw: _RawRow

    @property
    def absent(self) -> str:
        """What is said where a tip has no place that the row could look at."""
        return f"no {self.per}"

    def first_failed(self, facts: Facts, place: Place | None, fired: Fired) -> Condition | None:
        """The first condition that fails; None: the row matches."""
        for condition in self.when:
            if not condition.test(facts, place, fired):
                return condition
        return None


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


def _row(file: TomlFile, number: int, raw: _RawRow) -> Row:
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


def _clause(file: TomlFile, where: Sequence[str | int], row: _RawRow, raw: _RawClause) -> Clause:
    per = raw.per or row.per
    if per not in PER:
        raise file.refuse(where, f"{row.id}: per {per!r} is none of {', '.join(PER)}")
    if not (raw.to or raw.later):
        raise file.refuse(where, f"{row.id}: a clause refers to nobody: it needs to or later")
    for target in (*raw.to, *raw.later):
        if target not in TARGETS:
            raise file.refuse(where, f"{row.id}: unknown target {target!r}; known are {', '.join(TARGETS)}")
        if target.endswith("-of") and per == "tip":
            raise file.refuse(where, f"{row.id}: {target!r} needs a place to be of: give the row or clause a per")
    when = tuple(_condition(file, where, row.id, one, per) for one in raw.when)
    return Clause(per, when, raw.to, raw.later)


def _condition(file: TomlFile, where: Sequence[str | int], rule: str, data: Any, per: str) -> Condition:  # noqa: ANN401
    try:
        return parse(data, per)
    except Wrong as error:
        raise file.refuse(where, f"{rule}: {error}") from error


def _check_shape(file: TomlFile, number: int, raw: _RawRow) -> None:
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
    try:
        TopologicalSorter({name: set(targets) for name, targets in fallback.items()}).prepare()
    except CycleError as error:
        loop = " -> ".join(error.args[1])
        raise file.refuse(("fallback",), f"fallbacks loop: {loop}") from error
