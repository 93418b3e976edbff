"""Every edge case has a test by its number, and the table says where."""

import re
from itertools import groupby

import pytest

from tests.support.edges import ROOT, UNTESTED, places, rows

ALL = [
    *(f"E{number:02}" for number in range(1, 75)),
    *(f"E{number}" for number in range(79, 87)),
    *(f"T{number}" for number in range(71, 93)),
]
"""Intake, safety, addresses, routing, delivery; protocol, timing and agencies of the hostile corpus."""

NUMBERS = [number for number in ALL if number not in UNTESTED]

PLACE = re.compile(r"`([^`]+)`")


@pytest.mark.parametrize("number", NUMBERS)
def test_an_edge_case_has_a_test_that_carries_its_number(number: str) -> None:
    """In a test's name, a parameter's or a case's id; a docstring alone does not count."""
    assert places().get(number), f"{number}: name a test after it, or give a case of tests/e2e/cases its id"


def test_the_table_has_every_number_once_and_in_order() -> None:
    """A reader finds each case."""
    numbers = [number for number, _ in groupby(rows())]

    assert numbers == ALL
    assert all(case and expected for case, expected, _ in rows().values())


def test_a_number_without_a_test_says_why() -> None:
    """And nothing is called untested that has a test by now."""
    assert {number: f"no test: {why}" for number, why in UNTESTED.items()} == {
        number: rows()[number][2] for number in UNTESTED
    }
    assert not UNTESTED.keys() & places().keys()


@pytest.mark.parametrize("number", NUMBERS)
def test_the_table_names_tests_that_are_there(number: str) -> None:
    """Every place of a row carries the number; none is made up, none is stale."""
    named = PLACE.findall(rows()[number][2])
    known = {place.replace("|", "/") for place in places()[number]}

    assert named
    assert set(named) <= known, "run `python -m tests.support.edges`"
    assert all((ROOT / re.split(r"::|: ", place)[0]).is_file() for place in named)
