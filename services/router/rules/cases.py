"""
Every case that makes a difference to a row: the equivalence classes of the facts that it reads.

Two values of a fact that no condition tells apart are one class, so a few
hundred cases stand for all tips there can ever be.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from types import SimpleNamespace
from typing import Any

from contracts.vocabulary import AssessmentStatus, Priority
from services.router.rules.conditions import Condition, Read, step_of
from services.router.rules.names import STANDING, fact
from services.router.rules.rule import Clause, Row

Case = dict[str, Any]
"""Fact name -> value; ``matched R17`` -> whether another row matched, where it looks at something else."""

_URGENT = (Priority.P0, Priority.P1)
_ILLEGAL = (AssessmentStatus.BASELINE, AssessmentStatus.NATIONAL)
MOST_CASES = 50_000
"""Combinations of what one row reads, impossible ones included: a second or two."""

_LAWS: tuple[tuple[tuple[str, ...], Callable[..., bool]], ...] = (
    (("urgent", "priority"), lambda urgent, level: urgent == (level in _URGENT)),
    (("illegal", "status"), lambda illegal, status: illegal == (status in _ILLEGAL)),
    (("hash_only", "addressed"), lambda hashes, addressed: not (hashes and addressed)),
    (("no_country", "people_countries"), lambda none, count: not (none and count > 0)),
    (("no_country", "eu_states"), lambda none, count: not (none and count > 0)),
    (("people_countries", "people_all_eu"), lambda count, all_eu: not (count == 0 and all_eu)),
    (("people_countries", "victim_countries"), lambda people, victims: victims <= people or people > 0),
)
"""Combinations that no tip can have."""

_PLACE_LAWS: tuple[tuple[tuple[str, ...], Callable[..., bool]], ...] = (
    (("at", "hotline"), lambda at, hotline: at != "unknown" or hotline == "none"),
    (("at", "interpol"), lambda at, interpol: at != "unknown" or interpol == "none"),
    (("at", "has_police"), lambda at, police: at != "unknown" or not police),
    (("at", "eu"), lambda at, eu: at != "unknown" or not eu),
    (("at", "cdn"), lambda at, cdn: at == "unknown" or not cdn),
    (("at", "conflict"), lambda at, conflict: at == "unknown" or not conflict),
    (("at", "hotline_count"), lambda at, count: at != "unknown" or count <= 0),
    (("hotline", "hotline_count"), lambda hotline, count: (hotline == "available") == (count > 0)),
)


class TooMany(Exception):
    """More cases than a proof in seconds can try; the text says how many."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What some conditions read: classes per fact."""

    classes: Mapping[str, tuple[Any, ...]]

    def cases(self) -> Iterator[Case]:
        """
        Every combination that a tip can have.

        Raises:
            TooMany: Nobody would wait for all of them.
        """
        if (count := math.prod(map(len, self.classes.values()))) > MOST_CASES:
            raise TooMany(f"{count} cases of {len(self.classes)} facts cannot all be tried")
        names = list(self.classes)
        for values in product(*self.classes.values()):
            case = dict(zip(names, values, strict=True))
            if _possible(case):
                yield case


def reading(rows: Mapping[str, Row], row: Row, *more: Row) -> Reading:
    """Classes of all that *row* and *more* read, and the rows that they refer to where those look at the same."""
    reads: set[Read] = set()
    others: set[str] = set()
    for one in (row, *more):
        _gather(rows, one, one.per, reads, others)
    by_name: dict[str, set[Any]] = {}
    for name, value in reads:
        by_name.setdefault(name, set()).add(value)
    classes = {name: _classes(name, values) for name, values in sorted(by_name.items())}
    return Reading(classes | {f"matched {rule}": (False, True) for rule in sorted(others)})


def matches(rows: Mapping[str, Row], row: Row, case: Case) -> bool:
    """Tell whether *row* matches in *case*."""
    return _hold(row.when, *_world(rows, row.per, case))


def holds(rows: Mapping[str, Row], row: Row, clause: Clause, case: Case) -> bool:
    """Tell whether a clause of *row* holds in *case*."""
    return _hold(clause.when, *_world(rows, clause.per if clause.per != "tip" else row.per, case))


def conditions_of(row: Row) -> Iterator[Condition]:
    """Every condition of a row and its clauses."""
    yield from row.when
    for clause in (*row.then, *row.if_removed):
        yield from clause.when


def _gather(rows: Mapping[str, Row], row: Row, per: str, reads: set[Read], others: set[str]) -> None:
    for condition in conditions_of(row):
        reads |= condition.reads
        for rule in condition.rules:
            if rule in rows and rows[rule].per in (per, "tip"):
                _gather(rows, rows[rule], per, reads, others)
            else:
                others.add(rule)


def _classes(name: str, tested: Iterable[Any]) -> tuple[Any, ...]:
    part, _, _ = name.rpartition(".")
    known = fact(name, part)
    if known is None or known.type == "yes_no":
        return (False, True)
    values = sorted(tested)
    if known.type == "number":
        return _numbers(values)
    if known.type == "set":
        return tuple(map(frozenset, chain.from_iterable(combinations(values, n) for n in range(len(values) + 1))))
    rest = [value for value in known.values if value not in values]
    return (*values, *rest[:1])


def meant(name: str, value: Any, classes: Sequence[Any]) -> Any:  # noqa: ANN401 - a fact's value
    """What *value* stands for among the *classes* of a fact: itself, all others of its list, or a span of numbers."""
    known = fact(name, name.rpartition(".")[0])
    if known is None or known.type == "yes_no":
        return value
    if known.type == "set":
        tested = sorted(frozenset().union(*classes))
        return {"has": sorted(value), "has_not": [one for one in tested if one not in value]}
    if known.type == "number":
        above = [one for one in classes if one > value]
        low = {} if value == min(classes) else {"at_least": value}
        return {**low, **({"below": min(above)} if above else {})}
    others = [one for one in classes if one != value]
    # The last class stands for every word that no condition names, where there is such a word.
    if value == classes[-1] and len(classes) < len(known.values):
        return {"none_of": others}
    return value


def _numbers(cuts: Iterable[float]) -> tuple[float, ...]:
    """The numbers at which something changes, and one below the first of them."""
    first, *rest = sorted(cuts)
    below = (round(first - step_of(first), 6),) if first > 0 else ()
    return (*below, first, *rest)


def _possible(case: Case) -> bool:
    if not _lawful(case, _LAWS):
        return False
    parts = {name.rpartition(".")[0] for name in case if "." in name}
    return all(
        _lawful({n.rpartition(".")[2]: v for n, v in case.items() if n.startswith(part + ".")}, _PLACE_LAWS)
        for part in parts
    )


def _lawful(case: Mapping[str, Any], laws: Iterable[tuple[tuple[str, ...], Callable[..., bool]]]) -> bool:
    return all(law(*(case[name] for name in names)) for names, law in laws if all(name in case for name in names))


def _hold(conditions: Sequence[Condition], facts: Any, place: Any, fired: Mapping[str, Sequence[Any]]) -> bool:  # noqa: ANN401
    return all(condition.test(facts, place, fired) for condition in conditions)


def _world(rows: Mapping[str, Row], per: str, case: Case) -> tuple[Any, Any, dict[str, list[Any]]]:
    """Stand-ins for a tip's facts and one place, made of the case's values."""
    facts = SimpleNamespace(**{name: value for name, value in case.items() if "." not in name and " " not in name})
    place = None
    if per != "tip":
        own = {name.rpartition(".")[2]: value for name, value in case.items() if name.startswith(per + ".")}
        standing = SimpleNamespace(**{name: value for name, value in own.items() if name in STANDING})
        place = SimpleNamespace(
            standing=standing, **{name: value for name, value in own.items() if name not in STANDING}
        )
    fired: dict[str, list[Any]] = {
        name.removeprefix("matched "): [place] for name, value in case.items() if name.startswith("matched ") and value
    }
    for rule, row in rows.items():
        looked_at = place if row.per != "tip" else None
        asked = row.per in (per, "tip") and f"matched {rule}" not in case and _readable(row, case)
        if asked and _hold(row.when, facts, looked_at, fired):
            fired[rule] = [looked_at]
    return facts, place, fired


def _readable(row: Row, case: Case) -> bool:
    return bool(row.when) and all(name in case for condition in row.when for name, _ in condition.reads)
