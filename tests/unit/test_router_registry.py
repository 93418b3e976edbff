"""The registry: total, checked, and refused with a line where it is damaged."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured
from services.router.geography.countries import COUNTRIES, EU, ISO_3166, eu_language
from services.router.geography.registry import hotline_ids, load_registry
from services.router.geography.shipped import text
from tests.support.router_world import SETTINGS, a_world, registry, shipped_agencies

Lines = list[str]


def test_the_registry_knows_every_country() -> None:
    """
    A look-up is total over ISO 3166-1 and XK.
    """
    assert set(registry().rows) == COUNTRIES
    assert (len(ISO_3166), len(EU)) == (249, 27)


@pytest.mark.parametrize(
    ("country", "names", "expected"),
    [
        ("NL", ["Offlimits"], ("hotline-nl",)),
        (
            "DE",
            ["eco Beschwerdestelle", "FSM", "jugendschutz.net"],
            ("hotline-de-eco", "hotline-de-fsm", "hotline-de-jugendschutz"),
        ),
        ("TW", ["Web547 (ECPAT Taiwan)", "iWIN"], ("hotline-tw-web547", "hotline-tw-iwin")),
    ],
)
def test_agency_ids_are_derived_from_names(country: str, names: list[str], expected: tuple[str, ...]) -> None:
    """
    A suffix only where a country has several hotlines: the first word, cut at the first other character.
    """
    assert hotline_ids(country, names) == expected


@pytest.mark.parametrize(
    ("territory", "hotlines", "police"),
    [("RE", "FR", "FR"), ("GI", "GB", "GI"), ("HK", "CN", "HK"), ("SE", "SE", "SE")],
)
def test_a_territory_without_its_own_is_answered_for_by_its_parent(territory: str, hotlines: str, police: str) -> None:
    """
    Own police where named; the parent's hotline where it names none.
    """
    assert (registry().hotline_country(territory), registry().police_country(territory)) == (hotlines, police)


def test_a_territory_of_the_home_country_is_home() -> None:
    """
    Content in a territory without a hotline of its own is hosted at home if the parent is home.
    """
    atlas = a_world(home="FR").atlas

    assert (atlas.host("RE").at, atlas.host("NL").at, atlas.host(None).at) == ("home", "abroad", "unknown")


def test_the_shipped_agencies_are_the_registrys() -> None:
    """
    The committed file is what the generator writes: it cannot drift from the registry.
    """
    assert SETTINGS.agencies_file.read_text(encoding="utf-8") == text(registry())


def test_the_shipped_agencies_stay_on_this_machine_and_say_so() -> None:
    """
    Nobody real can receive anything from a demo.
    """
    agencies = shipped_agencies()

    assert agencies.leaving_loopback() == ()
    assert all(agency.name.endswith(" (demo endpoint)") for agency in agencies.records.values())
    assert [region.name for region in agencies.records["police-se"].regions] == [
        *("Nord", "Mitt", "Stockholm", "Öst", "Väst", "Syd", "Bergslagen")
    ]


@pytest.mark.parametrize(
    ("language", "linked"),
    [("de", True), ("DE-at", True), ("en", False), ("sv", False), ("fi", True), (None, False), ("xx", False)],
)
def test_an_eu_language_points_to_another_member_state(language: str | None, linked: bool) -> None:
    """
    English and the home country's own languages say nothing.
    """
    assert eu_language(language, "SE") is linked


def _row(lines: Lines, iso2: str) -> int:
    return next(n for n, line in enumerate(lines) if line.startswith(f"{iso2},"))


def _swap(iso2: str, old: str, new: str) -> Callable[[Lines], int]:
    def mutate(lines: Lines) -> int:
        at = _row(lines, iso2)
        assert old in lines[at]
        lines[at] = lines[at].replace(old, new, 1)
        return at + 1

    return mutate


def _drop(iso2: str) -> Callable[[Lines], int]:
    def mutate(lines: Lines) -> int:
        del lines[_row(lines, iso2)]
        return len(lines)

    return mutate


def _double(lines: Lines) -> int:
    lines.insert(2, lines[1])
    return 3


def _head(lines: Lines) -> int:
    lines[0] = lines[0].replace("interpol", "member")
    return 1


def _short(lines: Lines) -> int:
    lines[4] = "AF,Afghanistan"
    return 5


@pytest.mark.parametrize(
    ("mutate", "reason"),
    [
        (_head, "columns"),
        (_short, "cells instead of"),
        (_double, "second row"),
        (_drop("SE"), "no row for SE"),
        (_drop("XK"), "no row for XK"),
        (_swap("NL", "NL,", "NX,"), "not a country code"),
        (_swap("NL", "NL,", "nl,"), "not a country code"),
        (_swap("NL", ",high,", ",certain,"), "certainty 'certain'"),
        (_swap("AF", ",none,", ",high,"), "disagree"),
        (_swap("NL", "Offlimits (Meldpunt Kinderporno)", ""), "disagree"),
        (_swap("NL", "offlimits.nl", "not a domain"), "hotline_domain"),
        (_swap("DE", "FSM", "eco again"), "same agency id"),
        (_swap("NL", ",member,", ",observer,"), "interpol 'observer'"),
        (_swap("HK", "sub-bureau-of-CN", "sub-bureau-of-GB"), "disagree"),
        (_swap("RE", "via-parent,FR", "via-parent,"), "no parent"),
        (_swap("RE", "via-parent,FR", "via-parent,QQ"), "parent 'QQ'"),
        (_swap("NL", ",member,", ",non-member,"), "195 Interpol members"),
        (_swap("NL", "Netherlands", ""), "must be named"),
        (_swap("AI", ",yes", ",maybe"), "iwf_portal"),
    ],
)
def test_a_damaged_registry_is_refused_with_line_and_reason(
    tmp_path: Path, mutate: Callable[[Lines], int], reason: str
) -> None:
    """
    One clear error: the file, the line, what is wrong.
    """
    lines = SETTINGS.registry_file.read_text(encoding="utf-8").splitlines()
    line = mutate(lines)
    path = tmp_path / "registry.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    with pytest.raises(Misconfigured, match=reason) as error:
        load_registry(path)

    found = str(error.value)
    assert found.startswith(f"{path}:")
    assert reason.startswith(("no row", "195")) or found.startswith(f"{path}:{line}:")
