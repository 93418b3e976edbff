"""The tables of places and the regions that are shipped: whole, dated, and of one mind."""

import csv
from collections import Counter
from datetime import date
from itertools import chain, pairwise
from pathlib import Path

import pytest

from services.chassis.onboarding import load_agencies
from services.chassis.settings import Settings
from services.indicators import lists
from services.indicators.gazetteer import area_of

FILE = Path(lists.__file__).parent / "data" / "places-SE.csv"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """Rows of the Swedish table."""
    return list(csv.DictReader(line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")))


def test_the_table_has_every_county_and_municipality_once(rows: list[dict[str, str]]) -> None:
    """21 counties and 290 municipalities, each in a county that is there; the head names source and date."""
    kinds = Counter(row["kind"] for row in rows)
    areas = {row["text"] for row in rows if row["kind"] == "area"}
    names = [row["text"] for row in rows if row["kind"] != "postcode"]
    source, day = lists.stated(FILE.read_text("utf-8").splitlines())

    assert len(areas) == 21
    assert {row["area"] for row in rows} == areas
    assert len(names) == len(set(names))
    assert kinds["name"] + kinds["word"] >= 290
    assert source is not None
    assert day is not None
    assert day > date(2025, 1, 1)


def test_no_postcode_lies_in_two_counties(rows: list[dict[str, str]]) -> None:
    """Beginnings exclude each other."""
    codes = sorted(row["text"] for row in rows if row["kind"] == "postcode")

    assert not [(one, two) for one, two in pairwise(codes) if two.startswith(one)]
    assert all(code.isdigit() and 2 <= len(code) <= 5 for code in codes)


def test_the_seven_regions_share_out_every_county() -> None:
    """Each county of the table lies in exactly one police region of the shipped set."""
    regions = load_agencies(Settings()).records["police-se"].regions
    shared = [place for region in regions for place in region.places]
    counties = {row["text"] for row in csv.DictReader(
        line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")
    ) if row["kind"] == "area"}  # fmt: skip

    assert len(regions) == 7
    assert sorted(shared) == sorted(counties)


@pytest.mark.parametrize(
    ("name", "county"),
    [
        ("Kiruna", "Norrbottens län"),
        ("Gotland", "Gotlands län"),
        ("98130", "Norrbottens län"),
        ("62157", "Gotlands län"),
    ],
)
def test_well_known_places_lie_where_they_are(name: str, county: str) -> None:
    """A few that everybody knows."""
    assert area_of("SE", name, None) == county


def test_every_list_is_packed_into_the_distribution() -> None:
    """Kinds of files that the package takes along hold the tables."""
    patterns = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8")
    shipped = {path.suffix for path in chain(FILE.parent.glob("*.csv"), FILE.parent.glob("*.txt"))}

    assert all(f'"*{suffix}"' in patterns for suffix in shipped)
