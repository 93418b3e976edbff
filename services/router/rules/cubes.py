"""
The fewest cubes that cover some cases and no others.

A cube is a case with facts left open. All largest cubes are found first, then
the smallest choice of them that covers everything: exactly for the few dozen
that two rulebooks differ in, greedily where the search would take too long.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

Case = Mapping[str, Any]

PATIENCE = 20_000
"""Choices that are tried before the best one found so far is good enough."""


def fewest(wanted: Sequence[Case], possible: Sequence[Case]) -> list[Case]:
    """The fewest cubes that hold all of *wanted* and nothing else of *possible*, the widest first."""
    table = _Table(wanted, possible)
    cubes = _largest(table)
    chosen = _Search(table.wanted, cubes).best()
    return sorted((dict(cube) for cube in chosen), key=lambda cube: (len(cube), [*cube]))


Cube = tuple[tuple[str, Any], ...]


class _Table:
    """Cases as bits: which of the possible ones a cube holds is one number."""

    def __init__(self, wanted: Sequence[Case], possible: Sequence[Case]) -> None:
        self.names = tuple(possible[0])
        self.cases = [tuple(case.items()) for case in wanted]
        self._bits: dict[tuple[str, Any], int] = {}
        for number, case in enumerate(possible):
            for item in case.items():
                self._bits[item] = self._bits.get(item, 0) | 1 << number
        self._all = (1 << len(possible)) - 1
        self.wanted = 0
        for items in self.cases:
            self.wanted |= self.held(items)

    def held(self, cube: Cube) -> int:
        """The possible cases in *cube*."""
        bits = self._all
        for item in cube:
            bits &= self._bits[item]
        return bits

    def fits(self, cube: Cube) -> bool:
        """Tell whether *cube* holds nothing but what is wanted."""
        return not self.held(cube) & ~self.wanted


def _largest(table: _Table) -> dict[Cube, int]:
    """Every cube that fits and from which no further fact can be left out."""
    found: dict[Cube, int] = {}
    for case in table.cases:
        for cube in _widened(case, table):
            found.setdefault(cube, table.held(cube))
    return found


def _widened(case: Cube, table: _Table) -> Iterator[Cube]:
    """The largest cubes around *case*: what does not fit is not widened further."""
    level, seen = {case}, set[Cube]()
    while level:
        wider: set[Cube] = set()
        for cube in level:
            more = [part for part in combinations(cube, len(cube) - 1) if table.fits(part)] if cube else []
            if not more:
                yield cube
            wider.update(part for part in more if part not in seen)
        seen |= wider
        level = wider


class _Search:
    """The smallest set of cubes that covers everything wanted: branch and bound."""

    def __init__(self, wanted: int, cubes: Mapping[Cube, int]) -> None:
        self._wanted = wanted
        self._cubes = sorted(cubes.items(), key=lambda item: (-item[1].bit_count(), len(item[0]), str(item[0])))
        self._left = PATIENCE
        self._best: list[Cube] = []

    def best(self) -> list[Cube]:
        """The smallest that was found."""
        self._best = self._greedy()
        self._try(self._wanted, [])
        return self._best

    def _greedy(self) -> list[Cube]:
        open_, chosen = self._wanted, list[Cube]()
        while open_:
            cube, held = max(self._cubes, key=lambda item: (item[1] & open_).bit_count())
            chosen.append(cube)
            open_ &= ~held
        return chosen

    def _try(self, open_: int, chosen: list[Cube]) -> None:
        if not open_:
            if len(chosen) < len(self._best):
                self._best = list(chosen)
            return
        self._left -= 1
        most = max((held & open_).bit_count() for _, held in self._cubes)
        needed = -(-open_.bit_count() // most)
        if self._left < 0 or len(chosen) + needed >= len(self._best):
            return
        # The case with the fewest cubes around it must be covered by one of them.
        bits = [1 << at for at in range(open_.bit_length()) if open_ >> at & 1]
        choices = min(([c for c in self._cubes if c[1] & bit] for bit in bits), key=len)
        for cube, held in choices:
            self._try(open_ & ~held, [*chosen, cube])
