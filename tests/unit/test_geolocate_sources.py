"""The published text forms, read as ranges."""

from datetime import UTC, datetime

import pytest

from services.geolocate.mmdb import Range
from services.geolocate.sources import (
    country_ranges,
    ipfire_date,
    ipfire_ranges,
    network_ranges,
    package_date,
    without_overlaps,
)


def test_tors_text_of_the_ipfire_database_is_read() -> None:
    """IPv4 stands as numbers, IPv6 as addresses; ``??`` says nothing; the header has the date."""
    v4 = ["# Generated: Thu, 25 Jun 2026 04:33:59 GMT", "3221225984,3221226239,NL", "3221226240,3221226495,??"]
    v6 = ["# comment", "2001:db8::,2001:db8::ffff,SE"]

    assert list(ipfire_ranges(v4, v6)) == [
        Range(3221225984, 3221226239, "NL"),
        Range(0x2001_0DB8 << 96, (0x2001_0DB8 << 96) + 0xFFFF, "SE"),
    ]
    assert ipfire_date(v4) == datetime(2026, 6, 25, 4, 33, 59, tzinfo=UTC)


def test_a_file_without_a_date_is_refused() -> None:
    """A database of unknown age never looks young."""
    with pytest.raises(ValueError):
        ipfire_date(["1,2,NL"])


def test_rows_with_addresses_and_names_are_read() -> None:
    """Names may hold commas."""
    assert list(country_ranges(["192.0.2.0,192.0.2.255,NL"])) == [Range(0xC000_0200, 0xC000_02FF, "NL")]
    assert list(network_ranges(['192.0.2.0,192.0.2.255,64496,"Example, Inc."'])) == [
        Range(0xC000_0200, 0xC000_02FF, {"asn": 64496, "name": "Example, Inc."})
    ]


def test_the_version_of_a_package_tells_its_date() -> None:
    """``2.3.2026061719`` was built on 17 June 2026 at 19 h."""
    assert package_date("2.3.2026061719") == datetime(2026, 6, 17, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([(0, 9, "A"), (20, 29, "B")], [(0, 9, "A"), (20, 29, "B")]),
        ([(0, 99, "A"), (10, 19, "B")], [(0, 9, "A"), (10, 19, "B"), (20, 99, "A")]),
        ([(0, 99, "A"), (0, 9, "B")], [(0, 9, "B"), (10, 99, "A")]),
        ([(0, 99, "A"), (90, 99, "B")], [(0, 89, "A"), (90, 99, "B")]),
        ([(0, 50, "A"), (40, 99, "B")], [(0, 39, "A"), (40, 99, "B")]),
        (
            [(0, 99, "A"), (10, 59, "B"), (20, 29, "C")],
            [(0, 9, "A"), (10, 19, "B"), (20, 29, "C"), (30, 59, "B"), (60, 99, "A")],
        ),
        (
            [(0, 99, "A"), (10, 19, "B"), (30, 39, "C")],
            [(0, 9, "A"), (10, 19, "B"), (20, 29, "A"), (30, 39, "C"), (40, 99, "A")],
        ),
    ],
)
def test_the_narrower_of_two_overlapping_rows_counts(
    given: list[tuple[int, int, str]], made: list[tuple[int, int, str]]
) -> None:
    """Published files hold a few such rows; nothing is lost around the narrower one."""
    assert [Range(*row) for row in made] == list(without_overlaps(Range(*row) for row in given))
