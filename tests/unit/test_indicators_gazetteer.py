"""From a municipality, county or postcode to its area, and from there to a police region (R38)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.onboarding import Region
from services.indicators.gazetteer import area_of
from services.router.geography.regions import by_place

STOCKHOLM, SCANIA, WEST = "Stockholms län", "Skåne län", "Västra Götalands län"


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("Sundbyberg", STOCKHOLM), ("SUNDBYBERG", STOCKHOLM), (" sundbyberg  kommun ", STOCKHOLM),
        ("Göteborgs kommun", WEST), ("Göteborgs stad", WEST), ("Skåne", SCANIA), ("skåne län", SCANIA),
        ("Stockholms län", STOCKHOLM), ("Vara", WEST), ("11251", STOCKHOLM), ("112 51", STOCKHOLM),
        ("SE-211 15", SCANIA), ("Nowhere", None), ("", None), ("00000", None), ("1125", None),
    ],
)  # fmt: skip
def test_a_region_field_is_one_name_or_postcode(text: str, area: str | None) -> None:
    """In any case and spelling, with or without its kind; what is not on the list is nothing."""
    assert area_of("SE", text, None) == area


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("En lägenhet i Sundbyberg, nära stationen", STOCKHOLM),
        ("Storgatan 1, 211 15 Malmö", SCANIA),
        ("i Upplands Väsby och Sollentuna", STOCKHOLM),
        ("ett hus i Vara kommun", WEST),
        ("det ska vara så, sa Nora", None),
        ("Mark och vatten", None),
        ("mellan Umeå och Malmö", None),
        ("tel 070 12 34 56, ring 112 51 gånger 12", STOCKHOLM),
        ("kostar 211 15", None),
        ("Malmös hamn", None),
        ("", None),
    ],
)
def test_a_description_names_an_area_or_nothing(text: str, area: str | None) -> None:
    """Names as they are written; common words only with their kind; two areas are none."""
    assert area_of("SE", None, text) == area


@pytest.mark.parametrize("country", [None, "NO", "FI", "XK", "../SE"])
def test_a_name_counts_in_its_own_country_only(country: str | None) -> None:
    """A Swedish name in another country, or in none, says nothing."""
    assert area_of(country, "Sundbyberg", "Sundbyberg") is None


def test_the_field_outranks_the_text() -> None:
    """What stands in the field for it is meant; a story may name other places."""
    assert area_of("SE", "Malmö", "flyttade från Umeå") == SCANIA


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_raises(region: str, description: str) -> None:
    """Whatever stands there, the answer is an area or None."""
    found = area_of("SE", region, description)

    assert found is None or found.endswith(" län")


REGIONS = (Region(name="Syd", weight=1, places=("Skåne län", "South")), Region(name="Nord", weight=1))


@pytest.mark.parametrize(
    ("named", "area", "region"),
    [
        ("Nord", SCANIA, "Nord"), ("region syd", None, "Syd"), ("Polisregion Nord", None, "Nord"),
        ("SOUTH", None, "Syd"), ("Malmö", SCANIA, "Syd"), (None, SCANIA, "Syd"), (None, STOCKHOLM, None),
        ("Malmö", None, None), (None, None, None), ("", "", None),
    ],
)  # fmt: skip
def test_a_place_has_the_region_it_names_else_that_of_its_area(
    named: str | None, area: str | None, region: str | None
) -> None:
    """The region's own name, another name that the agency gave it, the county it lies in; else nobody knows."""
    assert by_place(REGIONS, named, area) == region


def test_regions_without_places_are_found_by_their_names() -> None:
    """An agency of any country may name its regions and nothing more."""
    assert by_place((Region(name="Øst"),), "øst", "Oslo") == "Øst"
    assert by_place((), "Syd", SCANIA) is None
