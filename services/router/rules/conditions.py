"""
Conditions as typed data: one fact against a value, ``not``, ``any``, ``all``, and whether another rule matched.

A condition is compiled once into a function and keeps what it reads, so that
a proof can enumerate every case that makes a difference.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.router.facts import Facts, Place
from services.router.rules.names import Fact, Getter, fact, getter

Fired = Mapping[str, Sequence[Place | None]]
"""Rules that matched so far, with the places they matched for."""
Test = Callable[[Facts, Place | None, Fired], bool]
Read = tuple[str, Any]
"""A fact's name and one value that a condition compares it with."""

OPERATORS = ("equals", "one_of", "at_least", "has")


class Wrong(Exception):
    """A condition that is not one; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: how it reads, what it reads, and its test."""

    text: str
    reads: frozenset[Read]
    test: Test
    rules: frozenset[str] = frozenset()
    """Rules whose match it asks for."""


def parse(data: Any, per: str) -> Condition:  # noqa: ANN401 - whatever TOML holds
    """
    The condition that *data* describes, for a rule that looks at each *per*.

    Raises:
        Wrong: An unknown fact, operator or value.
    """
    if not isinstance(data, dict):
        raise Wrong('a condition must be a table such as { fact = "kind", equals = "csam" }')
    if "fact" in data:
        return _comparison(data, per)
    if len(data) != 1:
        raise Wrong("a condition has either fact and one operator, or exactly one of any, all, not, matched, unmatched")
    word, inner = next(iter(data.items()))
    if word in ("any", "all"):
        return _several(word, inner, per)
    if word == "not":
        return _negation(parse(inner, per))
    if word in ("matched", "unmatched"):
        return _reference(word, inner)
    raise Wrong(f"unknown condition {word!r}: known are fact, any, all, not, matched, unmatched")


def every(conditions: Sequence[Condition]) -> Test:
    """A test that all *conditions* pass."""
    tests = tuple(condition.test for condition in conditions)

    def test(facts: Facts, place: Place | None, fired: Fired) -> bool:
        for one in tests:  # noqa: SIM110 - a generator costs twice the time on the hot path
            if not one(facts, place, fired):
                return False
        return True

    return test


def either(conditions: Sequence[Condition]) -> Test:
    """A test that one of *conditions* passes."""
    tests = tuple(condition.test for condition in conditions)

    def test(facts: Facts, place: Place | None, fired: Fired) -> bool:
        for one in tests:  # noqa: SIM110 - a generator costs twice the time on the hot path
            if one(facts, place, fired):
                return True
        return False

    return test


def _comparison(data: dict[str, Any], per: str) -> Condition:
    name = data["fact"]
    known = fact(name, per) if isinstance(name, str) else None
    if known is None:
        raise Wrong(f"unknown fact {name!r} for a rule that looks at each {per}")
    operators = [key for key in data if key != "fact"]
    if len(operators) != 1 or operators[0] not in OPERATORS:
        raise Wrong(f"fact {name!r} needs exactly one of {', '.join(OPERATORS)}")
    operator, value = operators[0], data[operators[0]]
    _check(name, known, operator, value)
    return Condition(
        f"{name} {operator} {_shown(value)}", frozenset(_reads(name, operator, value)), _test(name, operator, value)
    )


def _check(name: str, known: Fact, operator: str, value: Any) -> None:  # noqa: ANN401
    fits = {
        "word": operator in ("equals", "one_of"),
        "yes_no": operator == "equals" and isinstance(value, bool),
        "number": operator in ("equals", "at_least") and isinstance(value, int | float) and not isinstance(value, bool),
        "set": operator == "has",
    }[known.type]
    if not fits:
        raise Wrong(f"fact {name!r} ({known.type}) cannot be asked with {operator} = {_shown(value)}")
    if operator == "one_of" and not (isinstance(value, list) and value):
        raise Wrong(f"fact {name!r}: one_of needs a list of values")
    if operator != "one_of" and isinstance(value, list):
        raise Wrong(f"fact {name!r}: {operator} needs one value; a list of values goes with one_of")
    if isinstance(value, float) and not math.isfinite(value):
        raise Wrong(f"fact {name!r} is never compared with {value}")
    for one in value if isinstance(value, list) else [value]:
        if known.values and one not in known.values:
            raise Wrong(f"fact {name!r} never is {one!r}; it is one of {', '.join(known.values)}")


def _reads(name: str, operator: str, value: Any) -> list[Read]:  # noqa: ANN401
    if operator == "equals" and isinstance(value, int | float) and not isinstance(value, bool):
        # Numbers are read as cuts: an equal one lies between this and the next.
        return [(name, value), (name, value + step_of(value))]
    return [(name, one) for one in value] if operator == "one_of" else [(name, value)]


def step_of(value: float) -> float:
    """The smallest difference that two numbers of a fact have: counts are whole, confidences have two decimals."""
    return 1 if type(value) is int else 0.01


def _test(name: str, operator: str, value: Any) -> Test:  # noqa: ANN401
    """One function for each shape of a comparison: what is asked of every rule for every tip stays one call."""
    of_place, read = getter(name)
    if operator == "one_of":
        value = frozenset(value)
    return (_of_place if of_place else _of_tip)(read, operator, value)


def _of_tip(read: Getter, operator: str, value: Any) -> Test:  # noqa: ANN401
    tests: dict[str, Test] = {
        "equals": lambda facts, _place, _fired: bool(read(facts) == value),
        "one_of": lambda facts, _place, _fired: read(facts) in value,
        "at_least": lambda facts, _place, _fired: bool(read(facts) >= value),
        "has": lambda facts, _place, _fired: value in read(facts),
    }
    return tests[operator]


def _of_place(read: Getter, operator: str, value: Any) -> Test:  # noqa: ANN401
    tests: dict[str, Test] = {
        "equals": lambda _facts, place, _fired: place is not None and bool(read(place) == value),
        "one_of": lambda _facts, place, _fired: place is not None and read(place) in value,
        "at_least": lambda _facts, place, _fired: place is not None and bool(read(place) >= value),
        "has": lambda _facts, place, _fired: place is not None and value in read(place),
    }
    return tests[operator]


def _several(word: str, inner: Any, per: str) -> Condition:  # noqa: ANN401
    if not (isinstance(inner, list) and inner):
        raise Wrong(f"{word} needs a list of conditions")
    parts = [parse(one, per) for one in inner]
    test = every(parts) if word == "all" else either(parts)
    return Condition(
        f"{word}({'; '.join(part.text for part in parts)})",
        frozenset().union(*(part.reads for part in parts)),
        test,
        frozenset().union(*(part.rules for part in parts)),
    )


def _negation(inner: Condition) -> Condition:
    return Condition(
        f"not {inner.text}", inner.reads, lambda facts, place, fired: not inner.test(facts, place, fired), inner.rules
    )


def _reference(word: str, rule: Any) -> Condition:  # noqa: ANN401
    if not isinstance(rule, str):
        raise Wrong(f"{word} needs the id of a rule")

    def matched(_: Facts, place: Place | None, fired: Fired) -> bool:
        places = fired.get(rule, ())
        if place is None:
            return bool(places)
        return any(one is place or one is None for one in places)

    test: Test = matched
    if word == "unmatched":
        test = lambda facts, place, fired: not matched(facts, place, fired)  # noqa: E731
    return Condition(f"{word} {rule}", frozenset(), test, frozenset({rule}))


def _shown(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool):
        return "true" if value else "false"
    return "[" + ", ".join(map(_shown, value)) + "]" if isinstance(value, list) else str(value)
