"""The databases and lists that are shipped: whole, dated, licensed, small."""

from datetime import date
from pathlib import Path

import maxminddb
import pytest

from services.geolocate.decision import weigh
from services.geolocate.geodata import SHIPPED, Geodata
from services.geolocate.install import check
from services.indicators import lists

MOST_BYTES = 25 * 1024 * 1024
ANNOUNCED_AS = {
    "imperva-numbers": ("imperva", "incapsula"),
    "edgio": ("edgecast", "limelight"),
    "cdn77": ("datacamp",),
    "bunny": ("bunnyway",),
    "qrator": ("qrator", "hll llc"),
    "vpn-services": ("packethub", "cyberzone", "mullvad"),
    "tor-operators": ("stiftung erneuerbare freiheit", "applied privacy", "emerald onion"),
}
"""Names under which operators announce their networks, where those are not the operators' own."""

BUILDS = {"ipfire": "2026-06-25", "dbip": "2026-06-01", "whois": "2026-06-17", "asn": "2026-06-17"}


@pytest.fixture(scope="module")
def shipped() -> Geodata:
    """The shipped set, open."""
    return Geodata(lambda: SHIPPED)


def test_the_shipped_set_is_whole_and_dated(shipped: Geodata) -> None:
    """Three voices and the operators, each with its build date, its publisher and its licence."""
    assert shipped.current.builds == BUILDS
    assert shipped.problems == {}
    assert all("CC BY" in source.description for source in shipped.current.sources)
    assert sum(path.stat().st_size for path in SHIPPED.glob("*.mmdb")) < MOST_BYTES


@pytest.mark.parametrize("name", ["ipfire", "dbip", "whois"])
def test_every_voice_places_all_known_addresses(name: str) -> None:
    """The same set of addresses that an update is checked with."""
    found = check(SHIPPED / f"{name}.mmdb")

    assert (found.asked > 0, found.right) == (True, found.asked)


def test_three_instructive_addresses(shipped: Geodata) -> None:
    """A CDN edge, a documentation address that one source places, and one that nobody agrees on."""
    edge, nobody = shipped.look_up("104.16.1.1"), shipped.look_up("154.41.230.157")
    whois = next(source for source in shipped.current.sources if source.name == "whois")

    assert [item.says for item in edge.evidence] == ["US", "CA", "US"]
    assert edge.operator is not None
    assert (edge.operator.agency, weigh([edge]).country) == ("cdn-cloudflare", None)
    assert sorted(weigh([nobody]).candidates) == ["CA", "MU", "US"]
    assert whois.country is not None
    assert whois.country("203.0.113.5") == "AU"
    assert shipped.look_up("203.0.113.5").reserved == "documentation"


@pytest.mark.parametrize(
    ("ip", "operator"),
    [("151.101.1.1", "fastly"), ("13.32.0.1", "cloudfront"), ("8.8.8.8", "resolvers"), ("1.1.1.1", "resolvers"),
     ("185.220.101.4", "tor-exits"), ("2606:4700::1", "cloudflare"), ("193.10.0.1", None)],
)  # fmt: skip
def test_known_networks_are_told_apart(shipped: Geodata, ip: str, operator: str | None) -> None:
    """Edges, resolvers and exits by block; a university is nothing of the kind."""
    found = shipped.look_up(ip).operator

    assert operator == (found.id if found else None)


def test_every_entry_of_the_networks_names_source_and_day(shipped: Geodata) -> None:
    """Each operator once, with who says so and the day of its snapshot."""
    listed = shipped.current.networks.listed

    assert len({one.id for one in listed}) == len(listed) > 15
    assert all(one.source and one.date and one.date <= date(2026, 11, 22) for one in listed)
    assert all(one.blocks or one.numbers for one in listed)


def test_every_number_of_the_networks_is_an_operator_of_that_name(shipped: Geodata) -> None:
    """A network number in the list is announced in the shipped operators, under a name that the list's entry knows."""
    numbers = shipped.current.networks.by_asn
    names: dict[int, str] = {}
    for _, row in maxminddb.open_database(SHIPPED / "asn.mmdb"):
        if isinstance(row, dict) and row.get("asn") in numbers:
            names.setdefault(int(str(row["asn"])), str(row["name"]).casefold())

    assert set(names) == set(numbers)
    for number, operator in numbers.items():
        words = ANNOUNCED_AS.get(operator.id, (operator.id.partition("-")[0],))
        assert any(word in names[number] for word in words), (number, operator.id, names[number])


@pytest.mark.parametrize(
    "path", sorted((Path(lists.__file__).parent / "data").glob("*.txt")), ids=lambda path: path.stem
)
def test_every_list_names_source_and_date_and_is_sorted(path: Path) -> None:
    """A list that nobody can trace or maintain is no list."""
    lines = path.read_text("utf-8").splitlines()
    rows = [line for line in lines if not line.startswith("#")]
    dated = next(line for line in lines if "source:" in line and "date:" in line)

    assert date.fromisoformat(dated.rpartition("date:")[2].strip()) > date(2025, 1, 1)
    assert rows == [row.lower() for row in dict.fromkeys(rows)]


@pytest.mark.parametrize(
    "name", ["CC-BY-4.0.txt", "CC-BY-SA-4.0.txt", "DB-IP-country.txt", "NRO.txt", "RouteViews.txt"]
)
def test_the_licences_lie_beside_the_data(name: str) -> None:
    """Text and notice for every file that is not ours."""
    assert (SHIPPED / "LICENCES" / name).stat().st_size > 100
    assert name in (SHIPPED / "NOTICE.md").read_text("utf-8")
