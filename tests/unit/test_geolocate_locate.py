"""Where a tip points: hosts, persons, roles (edge cases E25-E32, E37-E41)."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts.events import Jurisdiction
from contracts.indicators import AddressIndicator, Indicators
from contracts.vocabulary import AddressRole, CountryBy, Flag
from services.chassis.errors import Unavailable
from services.geolocate.locate import World, jurisdiction
from services.geolocate.lookup import locate_text
from services.geolocate.resolver import Answer, BackgroundResolver
from services.indicators.addresses import parse_address
from services.indicators.urls import extract_urls
from tests.support.geodata import ALL_DISAGREE, ANYCAST, CDN, MAJORITY_NL, NAMED, demo_geodata

TODAY = date(2026, 11, 22)


class Names:
    """A resolver that knows what it was told."""

    def __init__(self, **known: Answer) -> None:
        self.known = {name.replace("_", "."): answer for name, answer in known.items()}
        self.asked: list[str] = []

    def resolve(self, host: str) -> Answer:
        """The answer of *host*."""
        self.asked.append(host)
        return self.known.get(host, Answer(failure="nxdomain"))


def address(ip: str, role: AddressRole = AddressRole.HOSTING, **more: Any) -> AddressIndicator:
    """An address as intake understands it."""
    parsed = parse_address(ip)
    return AddressIndicator(raw=ip, ip=parsed.ip, role=role, flags=parsed.flags, **more)


def located(
    urls: tuple[str, ...] = (),
    addresses: tuple[AddressIndicator, ...] = (),
    *,
    names: Names | None = None,
    vetted: bool = True,
) -> Jurisdiction:
    """The jurisdiction of a tip with these indicators."""
    indicators = Indicators(urls=tuple(u for text in urls for u in extract_urls(text)), addresses=addresses)
    return jurisdiction(indicators, World(demo_geodata().look_up, TODAY, names), vetted=vetted, builds={})


def test_a_hosting_address_serves_every_url_without_its_own() -> None:
    """One server, two pages: one host, found by the domain of its first page."""
    found = located(("https://a.host.example/1", "https://b.host.example/2"), (address(NAMED["NL"]),))

    (host,) = found.hosting
    assert (host.target, host.country, host.confidence, host.domain) == ("/addresses/0", "NL", 0.95, "host.example")


def test_several_hosting_addresses_are_several_hosts() -> None:
    """Each has a verdict of its own."""
    found = located(("https://host.example/",), (address(NAMED["NL"]), address(NAMED["US"])))

    assert [host.country for host in found.hosting] == ["NL", "US"]


def test_a_literal_in_a_url_is_a_host_beside_the_others() -> None:
    """It is served by nobody else; the same address twice is one host."""
    found = located((f"http://{NAMED['DE']}/x", f"http://{NAMED['NL']}/"), (address(NAMED["NL"]),))

    assert sorted(host.country or "" for host in found.hosting) == ["DE", "NL"]


def test_e38_roles_never_mix() -> None:
    """E38: the uploader's address says nothing of where the content lies, nor the other way round."""
    found = located((), (address(NAMED["SE"], AddressRole.UPLOAD), address(NAMED["US"])))

    assert [host.country for host in found.hosting] == ["US"]
    assert [(person.role, person.country) for person in found.persons] == [(AddressRole.UPLOAD, "SE")]


def test_e41_every_persons_address_is_listed_by_role_then_the_newest_first() -> None:
    """E41: upload before login before registration, then the newest; none is lost."""
    days = {
        "NL": (AddressRole.REGISTRATION, datetime(2026, 11, 20, tzinfo=UTC)),
        "SE": (AddressRole.LOGIN, datetime(2026, 11, 1, tzinfo=UTC)),
        "US": (AddressRole.UPLOAD, datetime(2026, 10, 1)),  # noqa: DTZ001  (as a sender wrote it)
        "DE": (AddressRole.UPLOAD, datetime(2026, 11, 2, tzinfo=UTC)),
        "FI": (AddressRole.UPLOAD, None),
        "NO": (AddressRole.LOGIN, datetime(2026, 11, 2, tzinfo=UTC)),
    }
    addresses = tuple(address(NAMED[code], role, observed_at=seen) for code, (role, seen) in days.items())
    found = located((), addresses)

    assert [person.country for person in found.persons] == ["DE", "US", "FI", "NO", "SE", "NL"]
    assert {person.observed_at for person in found.persons} == {seen for _, seen in days.values()}
    assert found.hosting == ()


def test_e37_what_was_seen_then_stands_first_with_its_day_beside_what_databases_say_now() -> None:
    """E37: a person who looked then decides, a change is a conflict; a tool's word is context."""
    then = datetime(2026, 6, 1, tzinfo=UTC)
    claim: dict[str, Any] = {"country": "NL", "observed_at": then}
    looked = located((), (address(NAMED["VN"], country_by=CountryBy.ANALYST, **claim),)).hosting[0]
    tool = located((), (address(NAMED["VN"], country_by=CountryBy.TOOL, **claim),)).hosting[0]

    assert (looked.country, Flag.CONFLICT in looked.flags) == ("NL", True)
    assert (tool.country, tool.flags) == ("VN", ())
    for verdict, source in ((looked, "analyst"), (tool, "sender")):
        assert (verdict.evidence[0].source, verdict.evidence[0].says, verdict.evidence[0].built) == (
            source, "NL", "2026-06-01",
        )  # fmt: skip
        assert {item.says for item in verdict.evidence[1:]} == {"VN"}


def test_an_address_of_another_role_is_neither_host_nor_person() -> None:
    """Its flags are still told."""
    found = located((), (address("0x7f.1", AddressRole.OTHER),))

    assert (found.hosting, found.persons, found.flags) == ((), (), (Flag.NONSTANDARD_IP,))


def test_e28_without_resolution_a_name_has_no_address() -> None:
    """E28: no look-up, no country, said so."""
    (host,) = located(("https://page.example/x",)).hosting

    assert (host.country, host.confidence, host.flags) == (None, 0.0, (Flag.NO_ADDRESS,))
    assert host.domain == "page.example"


def test_e25_an_onion_name_keeps_its_own_verdict() -> None:
    """E25, R19: a hosting address beside it does not hide that it is an onion name."""
    found = located((f"http://{'a' * 16}.onion/", "https://page.example/"), (address(NAMED["NL"]),))

    assert [(host.country, Flag.ONION in host.flags) for host in found.hosting] == [("NL", False), (None, True)]
    assert Flag.NO_ADDRESS not in found.flags


def test_e26_e27_placeless_links_are_told_by_flags() -> None:
    """E26, E27: a shortener, an odd scheme and an odd address have no country and say why."""
    found = located(("https://bit.ly/x", "gopher://a.example/", "http://0x7f.1/"))

    assert {host.country for host in found.hosting} == {None}
    assert {Flag.REDIRECTOR, Flag.OTHER_SCHEME, Flag.NONSTANDARD_IP} <= set(found.flags)


@pytest.mark.parametrize(("ip", "flag", "agency"), [(CDN, Flag.CDN, "cdn-cloudflare"), (ANYCAST, Flag.ANYCAST, None)])
def test_e31_e32_edges_have_no_country(ip: str, flag: Flag, agency: str | None) -> None:
    """E31, E32: the operator's desk where it has one, never the edge's country."""
    (host,) = located((), (address(ip),)).hosting

    assert (host.country, host.operator, host.candidates) == (None, agency, ())
    assert flag in host.flags


def test_e33_all_evidence_stands_in_the_verdict() -> None:
    """E33: the majority's country, the conflict, and who said what."""
    (host,) = located((), (address(MAJORITY_NL),)).hosting

    assert (host.country, host.confidence, host.flags) == ("NL", 0.75, (Flag.CONFLICT,))
    assert [(item.source, item.says) for item in host.evidence] == [
        ("test-ipfire", "NL"), ("test-dbip", "NL"), ("test-whois", "SC"),
    ]  # fmt: skip


def test_e67_a_vetted_analysts_country_wins_even_where_no_address_is_understood() -> None:
    """E67: the person looked; an odd spelling does not stop that."""
    claim: dict[str, Any] = {"country": "NL", "country_by": CountryBy.ANALYST}
    for ip in (ALL_DISAGREE, "0x7f.1", "10.0.0.1"):
        assert located((), (address(ip, **claim),)).hosting[0].country == "NL"
        assert located((), (address(ip, **claim),), vetted=False).hosting[0].country is None


@pytest.mark.parametrize(("port", "asked"), [(None, True), (443, False)])
def test_e40_a_shared_address_needs_a_port(port: int | None, asked: bool) -> None:
    """E40: behind a carrier's address only the port tells people apart."""
    found = located((), (address("100.64.0.7", AddressRole.UPLOAD, port=port),))

    assert asked == (Flag.NEEDS_PORT in found.persons[0].flags)


def test_e29_a_resolved_name_is_located_by_all_of_its_answers() -> None:
    """E29: one country agrees, several are a conflict; the answer itself is evidence."""
    one = located(("http://a.example/",), names=Names(a_example=Answer((NAMED["NL"], "192.0.2.8")))).hosting[0]
    many = located(
        ("http://a.example/",), names=Names(a_example=Answer((NAMED["NL"], NAMED["US"], NAMED["SE"])))
    ).hosting[0]

    assert (one.country, one.evidence[-1].source) == ("NL", "dns")
    assert (many.country, many.candidates, Flag.CONFLICT in many.flags) == (None, ("NL", "US", "SE"), True)


@pytest.mark.parametrize("failure", ["nxdomain", "servfail", "timeout", "empty"])
def test_e29_a_failed_resolution_is_recorded(failure: str) -> None:
    """E29: the failure is evidence; the tip goes on without an address."""
    (host,) = located(("http://a.example/",), names=Names(a_example=Answer(failure=failure))).hosting

    assert (host.country, host.evidence[0].source, host.flags) == (None, f"dns:{failure}", (Flag.NO_ADDRESS,))


def test_e30_private_answers_are_refused() -> None:
    """E30: a name that points into a private network is unroutable."""
    (host,) = located(("http://a.example/",), names=Names(a_example=Answer(refused=True))).hosting

    assert host.country is None
    assert Flag.UNROUTABLE in host.flags


def test_only_ordinary_names_are_ever_resolved() -> None:
    """Nobody is asked for onion names, shorteners, local names or odd addresses, nor for a name that has a server."""
    names = Names()
    urls = (
        f"http://{'a' * 16}.onion/",
        "https://bit.ly/x",
        "http://localhost/",
        "http://0x7f.1/",
        "magnet:?xt=urn:btih:x",
    )
    located(urls, names=names)
    located(("https://page.example/",), (address(NAMED["NL"]),), names=names)

    assert names.asked == []


def resolver_of(answers: dict[str, list[str]], clock: list[float]) -> BackgroundResolver:
    """A resolver over *answers*; its clock is ``clock[0]``."""

    def lookup(host: str) -> list[str]:
        if host not in answers:
            raise OSError("nobody answers")
        return answers[host]

    return BackgroundResolver(lambda: clock[0], lookup, test=True)


def settled(resolver: BackgroundResolver, host: str) -> Answer:
    """The answer of *host*, asked for until it is there."""
    while True:
        try:
            return resolver.resolve(host)
        except Unavailable:
            continue


def test_answers_are_remembered_bounded_and_public_only() -> None:
    """Asked in the background, kept for minutes, at most 64, private ones thrown away."""
    clock = [0.0]
    answers = {"a.example": ["127.0.0.1", "192.0.2.7"], "b.example": [f"192.0.2.{n}" for n in range(100)]}
    resolver = resolver_of(answers, clock)

    assert settled(resolver, "a.example") == Answer(("192.0.2.7",), refused=True)
    assert len(settled(resolver, "b.example").addresses) == 64
    assert settled(resolver, "c.example") == Answer(failure="servfail")
    answers["a.example"] = ["192.0.2.9"]
    assert settled(resolver, "a.example").addresses == ("192.0.2.7",)
    clock[0] = 3600.0
    assert settled(resolver, "a.example").addresses == ("192.0.2.9",)
    resolver.close()


@pytest.mark.parametrize(
    ("text", "canonical", "country", "flags"),
    [
        (NAMED["NL"], NAMED["NL"], "NL", []),
        (f"::ffff:{NAMED['NL']}", NAMED["NL"], "NL", ["mapped"]),
        ("64:ff9b::192.0.2.7", NAMED["NL"], "NL", ["embedded_ipv4"]),
        ("0x7f.1", None, None, ["nonstandard_ip"]),
        ("2001:db8::1::2", None, None, ["bad_address"]),
        ("1:2:3:4:5:6:7:8:9", None, None, ["bad_address"]),
        ("::ffff:192.0.2.256", None, None, ["bad_address"]),
        ("2001:db8::/200", None, None, ["bad_address"]),
        ("2001:db8::1::2%eth0", None, None, ["trimmed", "bad_address"]),
        ("2001:db8::1::2/64", None, None, ["trimmed", "bad_address"]),
        ("[2001:db8::1::2]", None, None, ["bad_address"]),
        ("[2001:db8::1::2%1]:443", None, None, ["trimmed", "bad_address"]),
        (" 2001[:]db8::1::2 ", None, None, ["trimmed", "refanged", "bad_address"]),
        ("cafe:8080", "http://cafe:8080/", None, ["assumed_scheme", "no_address"]),
        ("10.0.0.1", "10.0.0.1", None, ["unroutable"]),
        (CDN, CDN, None, ["cdn"]),
        (f"http://{NAMED['SE']}/x", f"http://{NAMED['SE']}/x", "SE", []),
        ("http://page.example/x", "http://page.example/x", None, ["no_address"]),
    ],
)
def test_one_address_or_url_is_answered_in_the_shape_of_the_surface(
    text: str, canonical: str | None, country: str | None, flags: list[str]
) -> None:
    """``vidare locate``: the keys that other programs read."""
    found = locate_text(demo_geodata(), text, today=TODAY)

    assert set(found) == {"input", "canonical", "country", "confidence", "candidates", "evidence", "network", "flags"}
    assert (found["input"], found["canonical"], found["country"], found["flags"]) == (text, canonical, country, flags)
    assert all(set(item) == {"source", "says", "built"} for item in found["evidence"])
