"""The writer of database files, read back by a library that is not ours."""

import ipaddress
from pathlib import Path

import maxminddb
import netaddr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter

from services.geolocate.mmdb import UNDATED, Meta, Range, Value, write

META = Meta("Vidare-Test", "made by a test", UNDATED)
COUNTRIES = ("NL", "SE", "US", "DE")


def opened(folder: Path, ranges: list[Range]) -> maxminddb.Reader:
    """The file of *ranges*, opened by the library."""
    path = folder / "made.mmdb"
    path.write_bytes(write(ranges, META))
    return maxminddb.open_database(str(path))


def test_both_address_families_and_both_layouts_are_answered(tmp_path: Path) -> None:
    """A country is a plain string, a network a small map; IPv4 lies where every reader looks for it."""
    network: Value = {"asn": 64_496, "name": "Example"}
    reader = opened(
        tmp_path, [Range(0xC000_0200, 0xC000_02FF, "NL"), Range(0x2001_0DB8 << 96, (0x2001_0DB9 << 96) - 1, network)]
    )

    assert reader.get("192.0.2.255") == "NL"
    assert reader.get("192.0.3.0") is None
    assert reader.get("2001:db8::1") == network
    assert reader.metadata().database_type == "Vidare-Test"
    assert reader.metadata().ip_version == 6


def test_the_ends_of_the_space_are_ordinary_addresses(tmp_path: Path) -> None:
    """The first and the last address can be placed."""
    reader = opened(tmp_path, [Range(0, 0, "NL"), Range((1 << 128) - 1, (1 << 128) - 1, "SE")])

    assert reader.get("0.0.0.0") == "NL"
    assert reader.get("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == "SE"


def test_an_empty_database_answers_nothing(tmp_path: Path) -> None:
    """No range, no answer, no error."""
    assert opened(tmp_path, []).get("192.0.2.1") is None


def test_ranges_that_overlap_are_refused() -> None:
    """Two answers for one address are a fault of the input, not a silent choice."""
    with pytest.raises(ValueError):
        write([Range(0, 10, "NL"), Range(5, 20, "SE")], META)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.tuples(st.integers(0, 255), st.sampled_from((*COUNTRIES, None))), min_size=1, max_size=12))
def test_every_address_is_answered_as_its_range_says(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, str | None]]
) -> None:
    """Whatever the ranges, each address of a block answers like the range that it lies in."""
    starts = sorted(dict(cuts).items())
    ends = [start for start, _ in starts[1:]] + [256]
    base = 0xC000_0200
    ranges = [Range(base + a, base + b - 1, says) for (a, says), b in zip(starts, ends, strict=True) if says]
    reader = opened(tmp_path_factory.mktemp("mmdb"), ranges)

    for offset in range(256):
        expected = next((r.value for r in ranges if r.first <= base + offset <= r.last), None)
        assert expected == reader.get(str(ipaddress.IPv4Address(base + offset)))


def test_another_writer_makes_the_same_answers(tmp_path: Path) -> None:
    """A database by ``mmdb-writer`` and one of ours agree on every network of either."""
    blocks = {"192.0.2.0/25": "NL", "192.0.2.128/26": "SE", "203.0.113.7/32": "US", "2001:db8:1::/48": "DE"}
    theirs = MMDBWriter(6, "Vidare-Test", ["en"], "made by a test", ipv4_compatible=True)
    for block, country in blocks.items():
        theirs.insert_network(netaddr.IPSet([block]), country)
    theirs.to_db_file(str(tmp_path / "theirs.mmdb"))
    nets = [(ipaddress.ip_network(block), country) for block, country in blocks.items()]
    ours = opened(tmp_path, [Range(int(net[0]), int(net[-1]), country) for net, country in nets])

    with maxminddb.open_database(str(tmp_path / "theirs.mmdb")) as other:
        for net, country in nets:
            for address in (net[0], net[-1]):
                assert country == ours.get(address) == other.get(str(address))
        assert ours.get("192.0.2.192") is None
        assert other.get("192.0.2.192") is None
