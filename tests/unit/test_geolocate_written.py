"""How points are written: the event's JSON is the contract's own, and the same findings are shared."""

from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from contracts.indicators import AddressIndicator, Indicators, UrlIndicator
from contracts.vocabulary import AddressRole, CountryBy, Flag
from services.geolocate.locate import World, jurisdiction, points
from services.geolocate.resolver import Answer
from services.geolocate.written import basis, jurisdiction_bytes
from services.indicators.urls import parse_url
from tests.support.geodata import (
    ALL_DISAGREE,
    ANYCAST,
    CDN,
    MAJORITY_NL,
    NAMED,
    NOT_A_COUNTRY,
    PAIR_CH,
    SILENT,
    TOR_EXIT,
    demo_geodata,
)

TODAY = date(2026, 11, 22)
IPS = (NAMED["NL"], CDN, ANYCAST, TOR_EXIT, MAJORITY_NL, ALL_DISAGREE, NOT_A_COUNTRY, PAIR_CH, SILENT, "10.0.0.1")
TIMES = (
    None,
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 2, 3, 4, 5),  # noqa: DTZ001  (a sender's time without a zone)
    datetime(2026, 11, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
)
ADDRESS = st.builds(
    AddressIndicator,
    raw=st.just("x"),
    ip=st.sampled_from([*IPS, None]),
    role=st.sampled_from(AddressRole),
    port=st.sampled_from([None, 443]),
    observed_at=st.sampled_from(TIMES),
    possible_proxy=st.booleans(),
    country=st.sampled_from([None, "NL", "EU"]),
    country_by=st.sampled_from([None, *CountryBy]),
    flags=st.lists(st.sampled_from([Flag.MAPPED, Flag.CONFLICT]), max_size=2).map(tuple),
)
URL = st.sampled_from(
    ["https://räksmörgås.example/", f"http://{NAMED['SE']}/", f"http://{'a' * 56}.onion/", 'http://"\\/', "http://b.example/"]
).map(parse_url)  # fmt: skip


class Names:
    """A resolver that knows one answer for every name."""

    def resolve(self, host: str) -> Answer:
        """One answer, or for some names a failure."""
        return Answer((NAMED["NL"], MAJORITY_NL)) if host == "b.example" else Answer(failure="nxdomain")


@given(
    urls=st.lists(URL, max_size=3).map(tuple),
    addresses=st.lists(ADDRESS, max_size=3).map(tuple),
    vetted=st.booleans(),
    names=st.sampled_from([None, Names()]),
    builds=st.sampled_from([{}, {"ipfire": "2026-06-25"}]),
)
def test_an_event_says_what_the_contracts_own_json_says(
    urls: tuple[UrlIndicator, ...],
    addresses: tuple[AddressIndicator, ...],
    *,
    vetted: bool,
    names: Names | None,
    builds: dict[str, str],
) -> None:
    """Byte for byte what pydantic writes of the same jurisdiction."""
    indicators = Indicators(urls=urls, addresses=addresses)
    world = World(demo_geodata().look_up, TODAY, names)
    whole = jurisdiction(indicators, world, vetted=vetted, builds=builds)
    found = points(indicators.urls, indicators.addresses, world, vetted=vetted)

    assert jurisdiction_bytes(found, builds) == whole.model_dump_json(exclude_defaults=True).encode()


def test_addresses_of_which_the_same_is_said_share_one_finding() -> None:
    """That is what makes a new address cheap."""
    look_up = demo_geodata().look_up

    assert look_up("192.0.2.7") is look_up("192.0.2.8")
    assert look_up("10.0.0.1") is look_up("10.9.9.9")
    assert look_up("192.0.2.7") is not look_up(NAMED["SE"])


def test_custody_spells_out_a_hundred_verdicts_and_no_address() -> None:
    """Source, country, percentage and flags; more than a hundred would bury the entry."""
    address = AddressIndicator(raw=MAJORITY_NL, ip=MAJORITY_NL, role=AddressRole.PEER, flags=(Flag.MAPPED,))
    world = World(demo_geodata().look_up, TODAY)
    said = basis(points((), (address,) * 150, world, vetted=False), "sha256:0")["said"]

    assert isinstance(said, list)
    assert (len(said), said[7]) == (
        100, "/addresses/7 test-ipfire=NL test-dbip=NL test-whois=SC: NL 75 mapped conflict"
    )  # fmt: skip
