"""Cubes of a rulebook's difference: exactly what differs, in as few as there can be."""

from collections.abc import Mapping
from itertools import combinations, product
from random import Random
from typing import Any

from services.router.rules.cubes import fewest

NAMES = ("a", "b", "c", "d")
CASES = [dict(zip(NAMES, values, strict=True)) for values in product((0, 1), repeat=len(NAMES))]
CUBES = [
    {name: value for name, value in zip(NAMES, values, strict=True) if value is not None}
    for values in product((0, 1, None), repeat=len(NAMES))
]


def held(cube: Mapping[str, Any], possible: list[dict[str, int]]) -> set[int]:
    """Numbers of the possible cases in *cube*."""
    return {n for n, case in enumerate(possible) if all(case[name] == value for name, value in cube.items())}


def least(wanted: set[int], possible: list[dict[str, int]]) -> int:
    """How few cubes do, by trying every choice."""
    fitting = {frozenset(found) for cube in CUBES if (found := held(cube, possible)) and found <= wanted}
    largest = [one for one in fitting if not any(one < other for other in fitting)]
    return next(
        n for n in range(len(wanted) + 1) if any(set().union(*some) == wanted for some in combinations(largest, n))
    )


def test_cubes_are_exact_and_the_fewest() -> None:
    """Whatever differs, of all combinations that are possible: nothing more, nothing less, no cube too many."""
    draw = Random(8)
    for _ in range(400):
        possible = draw.sample(CASES, draw.randint(6, len(CASES)))
        wanted = set(draw.sample(range(len(possible)), draw.randint(1, len(possible))))

        cubes = fewest([possible[n] for n in sorted(wanted)], possible)

        assert set().union(*(held(cube, possible) for cube in cubes)) == wanted
        assert len(cubes) == least(wanted, possible)
