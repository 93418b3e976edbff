"""
What changes between two rulebooks: exact over the facts that the differing rows read.

Told as few cubes, each with an example.
A cube is a case with some facts left open: whatever they are, the row says the
same before and the same after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.router.rules.cases import Case, TooMany, holds, matches, meant, reading
from services.router.rules.cubes import fewest
from services.router.rules.rule import Row
from services.router.rules.rulebook import Rulebook

Says = tuple[str, ...]
"""What a row does in one case, in words; empty: it does not match."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cube in which a rule says something else."""

    rule: str
    when: Mapping[str, Any]
    before: Says
    after: Says
    example: Mapping[str, Any]
    classes: Mapping[str, tuple[Any, ...]]
    """Per fact the values that stand for all: a tested one for itself, another for all that nobody tests."""

    def as_json(self) -> dict[str, Any]:
        """The change as other programs read it."""
        return {
            "rule": self.rule,
            "when": {name: meant(name, value, self.classes.get(name, ())) for name, value in self.when.items()},
            "before": list(self.before),
            "after": list(self.after),
            "example": {name: _plain(value) for name, value in self.example.items()},
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs between two books."""

    settings: tuple[str, ...]
    """Parts other than rows: ``fallback``, ``duty_services``, ``order``."""
    changes: tuple[Change, ...]
    reworded: tuple[str, ...]
    """Rules of which only title, source or date differ."""

    @property
    def same(self) -> bool:
        """True where no tip is decided differently."""
        return not self.changes and not self.settings


def compare(old: Rulebook, new: Rulebook) -> Difference:
    """Every case in which *new* says something other than *old*."""
    before, after = {row.id: row for row in old.rows}, {row.id: row for row in new.rows}
    changes: list[Change] = []
    reworded: list[str] = []
    for rule in dict.fromkeys((*before, *after)):
        one, two = before.get(rule), after.get(rule)
        try:
            found = _changes(rule, before, after)
        except TooMany as error:
            at = new if two is not None else old
            raise at.file.refuse(("rule", [row.id for row in at.rows].index(rule)), f"{rule}: {error}") from error
        changes += found
        if not found and one is not None and two is not None and one.raw != two.raw:
            reworded.append(rule)
    return Difference(tuple(_settings(old, new)), tuple(changes), tuple(reworded))


def _settings(old: Rulebook, new: Rulebook) -> list[str]:
    common = [row.id for row in new.rows if any(row.id == other.id for other in old.rows)]
    order = [row.id for row in old.rows if row.id in common]
    parts = {
        "fallback": old.fallback != new.fallback,
        "duty_services": old.duty_services != new.duty_services,
        "order": order != common,
    }
    return [name for name, differs in parts.items() if differs]


def _changes(rule: str, before: Mapping[str, Row], after: Mapping[str, Row]) -> list[Change]:
    """The fewest cubes for one rule, per pair of what it says before and after."""
    by_effect: dict[tuple[Says, Says], list[Case]] = {}
    classes, cases = _cases(rule, before, after)
    for case in cases:
        effect = _says(before, rule, case), _says(after, rule, case)
        if effect[0] != effect[1]:
            by_effect.setdefault(effect, []).append(case)
    return [
        Change(rule, cube, said, says, next(case for case in some if _within(case, cube)), classes)
        for (said, says), some in by_effect.items()
        for cube in fewest(some, cases)
    ]


def _cases(
    rule: str, before: Mapping[str, Row], after: Mapping[str, Row]
) -> tuple[Mapping[str, tuple[Any, ...]], list[Case]]:
    """Cases over everything that either version reads; a value that only one version tests is a class for both."""
    versions = [rows[rule] for rows in (before, after) if rule in rows]
    if len(versions) == 2 and versions[0].raw == versions[1].raw:
        return {}, []
    found = reading({**before, **after}, *versions)
    return found.classes, list(found.cases())


def _says(rows: Mapping[str, Row], rule: str, case: Case) -> Says:
    row = rows.get(rule)
    if row is None or not matches(rows, row, case):
        return ()
    said = {f"to {target}" for clause in row.then if holds(rows, row, clause, case) for target in clause.to}
    said |= {f"later {target}" for clause in row.then if holds(rows, row, clause, case) for target in clause.later}
    said |= {f"if removed: to {target}" for clause in row.if_removed for target in clause.to}
    said |= {f"remove {name}" for name in row.raw.remove} | {f"keep {name}" for name in row.raw.keep}
    said |= {f"px {row.raw.px}"} if row.raw.px else set()
    said |= {f"sets {row.raw.sets}"} if row.raw.sets else set()
    return tuple(sorted(said)) or ("matches",)


def _within(case: Case, cube: Mapping[str, Any]) -> bool:
    return all(case[name] == value for name, value in cube.items())


def _plain(value: Any) -> Any:  # noqa: ANN401 - a fact's value
    return sorted(value) if isinstance(value, frozenset) else value
