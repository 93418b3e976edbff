"""Opening, naming and replacing databases (edge case E36; hostile input 56)."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from contracts import telemetry
from contracts.vocabulary import Flag
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.chassis.telemetry.metrics import Metrics
from services.geolocate.decision import weigh
from services.geolocate.geodata import DEMO, SHIPPED, Geodata
from services.geolocate.mmdb import MARKER
from services.geolocate.source import BrokenDatabase, country_of, open_source
from services.geolocate.watch import Watch, warnings
from tests.support.geodata import ALL_DISAGREE, CDN, NAMED, SILENT, build_test_set, demo_geodata, write_source

TODAY = date(2026, 11, 22)
PUBLIC = "193.10.0.0/16"
AN_ADDRESS = "193.10.0.1"


def days_ago(days: int) -> int:
    """Seconds since 1970 of a build *days* before `TODAY`."""
    return int(datetime.combine(TODAY - timedelta(days=days), datetime.min.time(), UTC).timestamp())


def open_folder(folder: Path, *, test: bool = False) -> Geodata:
    """The databases of *folder*."""
    return Geodata(lambda: folder, test=test)


def country(geodata: Geodata, ip: str) -> str | None:
    """The country of the verdict for *ip*."""
    return weigh([geodata.look_up(ip)]).country


@pytest.mark.parametrize(("named", "ip"), NAMED.items())
def test_the_synthetic_set_places_documentation_addresses(named: str, ip: str) -> None:
    """Under test networks each invented country is found, and the evidence says ``test``."""
    looked = demo_geodata().look_up(ip)

    assert weigh([looked]).country == named
    assert [item.source for item in looked.evidence] == ["test-ipfire", "test-dbip", "test-whois"]


def test_candidates_stand_in_the_order_of_the_sources() -> None:
    """R20: ipfire, dbip, whois."""
    assert weigh([demo_geodata().look_up(ALL_DISAGREE)]).candidates == ("MU", "CA", "US")


def test_an_edge_names_the_desk_of_its_operator() -> None:
    """R17: the operator's agency id comes with the address."""
    operator = demo_geodata().look_up(CDN).operator

    assert operator is not None
    assert operator.agency == "cdn-cloudflare"


def test_an_address_that_no_source_knows_has_no_evidence() -> None:
    """Absence is not a country."""
    assert demo_geodata().look_up(SILENT).evidence == ()


@pytest.mark.parametrize("ip", [NAMED["NL"], "10.0.0.1", "2001:db8:1::1"])
def test_reserved_addresses_have_no_country_whatever_a_database_says(ip: str) -> None:
    """Without test networks documentation is reserved like the rest: one real source does place it."""
    looked = open_folder(SHIPPED).look_up(ip)

    assert looked.reserved
    assert looked.evidence == ()


def test_synthetic_sources_are_never_asked_for_real_addresses(tmp_path: Path) -> None:
    """Even with test networks on, a synthetic database says nothing of public space."""
    write_source(tmp_path / "test.mmdb", {PUBLIC: "NL", "192.0.2.0/24": "NL"})

    assert country(open_folder(tmp_path, test=True), AN_ADDRESS) is None
    assert country(open_folder(tmp_path, test=True), "192.0.2.1") == "NL"


def test_synthetic_sources_are_closed_without_test_networks(tmp_path: Path) -> None:
    """Off: the file is not a source at all."""
    write_source(tmp_path / "test.mmdb", {"192.0.2.0/24": "NL"})

    assert not open_folder(tmp_path).ready


def test_a_folders_own_synthetic_set_replaces_the_demos(tmp_path: Path) -> None:
    """One of its own is enough, and a lone one is called ``test``; the demo's edges step back too."""
    write_source(tmp_path / "mine.mmdb", {"192.0.2.0/24": "JP", "203.0.113.0/24": "JP"})
    geodata = open_folder(tmp_path, test=True)

    assert [item.source for item in geodata.look_up("192.0.2.7").evidence] == ["test"]
    assert country(geodata, CDN) == "JP"


def test_the_demo_set_stands_in_where_a_folder_has_none() -> None:
    """The shipped databases answer for real addresses, the demo's for documentation."""
    geodata = open_folder(SHIPPED, test=True)

    assert country(geodata, NAMED["SE"]) == "SE"
    assert country(geodata, AN_ADDRESS) == "SE"


def test_e36_a_new_file_is_used_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """E36: replaced, truncated in place, emptied: the last sound file answers, and the fault is said."""
    path = write_source(tmp_path / "one.mmdb", {PUBLIC: "SE"}, kind="Vidare-Country", epoch=days_ago(1))
    geodata = open_folder(tmp_path)
    before = geodata.current
    assert country(geodata, AN_ADDRESS) == "SE"
    assert not geodata.refresh()

    write_source(path, {PUBLIC: "NO"}, kind="Vidare-Country", epoch=days_ago(0))
    assert geodata.refresh()
    assert country(geodata, AN_ADDRESS) == "NO"
    assert weigh([before.look_up(AN_ADDRESS)]).country == "SE"

    os.truncate(path, 60)
    assert geodata.refresh()
    assert country(geodata, AN_ADDRESS) == "NO"
    assert weigh([geodata.current._look_up("193.10.0.2")]).country == "NO"
    assert "the old one stays in use" in geodata.problems[path]

    path.write_bytes(b"")
    geodata.refresh()
    assert country(geodata, AN_ADDRESS) == "NO"
    write_source(path, {PUBLIC: "FI"}, kind="Vidare-Country", epoch=days_ago(0))
    geodata.refresh()
    assert (country(geodata, AN_ADDRESS), geodata.problems) == ("FI", {})


def test_e36_without_any_source_it_is_not_ready(tmp_path: Path) -> None:
    """E36: an empty folder, or one broken file, is not ready; a missing folder is a configuration fault."""
    assert not open_folder(tmp_path).ready
    (tmp_path / "broken.mmdb").write_bytes(b"not a database")
    geodata = open_folder(tmp_path)
    assert not geodata.ready
    assert list(geodata.problems) == [tmp_path / "broken.mmdb"]
    with pytest.raises(Misconfigured):
        Geodata.of(Settings(geodata=tmp_path / "missing"))


@pytest.mark.parametrize(
    ("age", "state", "word"), [(1, "fresh", None), (40, "stale", "warning"), (100, "alarm", "alarm")]
)
def test_e36_age_is_a_warning_then_an_alarm(tmp_path: Path, age: int, state: str, word: str | None) -> None:
    """E36: 40 and 100 days old: said in the status and as a flag, the verdict unchanged."""
    write_source(tmp_path / "one.mmdb", {PUBLIC: "SE"}, kind="Vidare-Country", epoch=days_ago(age))
    geodata = open_folder(tmp_path)
    found = weigh([geodata.look_up(AN_ADDRESS)], today=TODAY)

    assert geodata.status(TODAY)[0]["state"] == state
    assert [line.partition(":")[0] for line in warnings(geodata, TODAY)] == ([word] if word else [])
    assert (found.country, Flag.STALE_GEODATA in found.flags) == ("SE", age > 35)


def test_e36_every_decision_can_name_the_builds(tmp_path: Path) -> None:
    """E36: the set names its builds and has a digest of its own."""
    write_source(tmp_path / "one.mmdb", {PUBLIC: "SE"}, kind="Vidare-Country", epoch=days_ago(1))
    one = open_folder(tmp_path).current
    write_source(tmp_path / "two.mmdb", {PUBLIC: "SE"}, kind="Vidare-Country", epoch=days_ago(2))
    two = open_folder(tmp_path).current

    assert one.builds == {"one": "2026-11-21"}
    assert two.builds == {"one": "2026-11-21", "two": "2026-11-20"}
    assert one.digest != two.digest


def test_maxminds_layout_works_through_its_own_library(tmp_path: Path) -> None:
    """A GeoLite2 folder is a country source and a network source."""
    record = {"country": {"iso_code": "SE", "geoname_id": 2661886}}
    operator = {"autonomous_system_number": 1653, "autonomous_system_organization": "Example Research"}
    write_source(tmp_path / "GeoLite2-City.mmdb", {PUBLIC: record}, kind="GeoLite2-City", epoch=days_ago(1))
    write_source(tmp_path / "GeoLite2-ASN.mmdb", {PUBLIC: operator}, kind="GeoLite2-ASN", epoch=days_ago(1))
    looked = open_folder(tmp_path).look_up(AN_ADDRESS)

    assert [(item.source, item.says) for item in looked.evidence] == [("geolite2-city", "SE")]
    assert looked.network is not None
    assert looked.network.asn == 1653
    assert open_folder(tmp_path).look_up("8.8.8.8").evidence == ()


@pytest.mark.parametrize(
    ("names", "kinds", "heard"),
    [
        (("GeoLite2-Country", "GeoLite2-City"), ("GeoLite2-Country", "GeoLite2-City"), "geolite2-city"),
        (("GeoLite2-Country", "GeoIP2-City"), ("GeoLite2-Country", "GeoIP2-City"), "geoip2-city"),
        (("dbip", "dbip-country-lite"), ("Vidare-Country", "DBIP-Country-Lite"), "dbip-country-lite"),
    ],
)
def test_a_publisher_has_one_vote(tmp_path: Path, names: tuple[str, str], kinds: tuple[str, str], heard: str) -> None:
    """Two editions of one publisher are not two independent sources: the newer one speaks, and 0.6 it stays."""
    old, new = ({"country": {"iso_code": code}} for code in ("NO", "SE"))
    write_source(tmp_path / f"{names[0]}.mmdb", {PUBLIC: old}, kind=kinds[0], epoch=days_ago(9))
    write_source(tmp_path / f"{names[1]}.mmdb", {PUBLIC: new}, kind=kinds[1], epoch=days_ago(1))
    looked = open_folder(tmp_path).look_up(AN_ADDRESS)
    found = weigh([looked])

    assert [(item.source, item.says) for item in looked.evidence] == [(heard, "SE")]
    assert (found.country, found.confidence) == ("SE", 0.6)


def test_a_publishers_other_edition_speaks_where_the_first_is_silent(tmp_path: Path) -> None:
    """One voice, from whichever of its files knows the address."""
    record = {"country": {"iso_code": "SE"}}
    write_source(tmp_path / "GeoLite2-City.mmdb", {"9.0.0.0/8": record}, kind="GeoLite2-City", epoch=days_ago(1))
    write_source(tmp_path / "GeoLite2-Country.mmdb", {PUBLIC: record}, kind="GeoLite2-Country", epoch=days_ago(9))

    assert [item.source for item in open_folder(tmp_path).look_up(AN_ADDRESS).evidence] == ["geolite2-country"]


MUTILATIONS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda body: body[:0],
    "one byte": lambda body: body[:1],
    "text": lambda body: b"<html>404 not found</html>" + body[:0],
    "gzip": lambda body: b"\x1f\x8b\x08" + body,
    "zip": lambda body: b"PK\x03\x04" + body[:200],
    "half": lambda body: body[: len(body) // 2],
    "metadata cut": lambda body: body[:-7],
    "no metadata": lambda body: body[: body.index(MARKER)],
    "metadata alone": lambda body: body[body.index(MARKER) :],
    "tree gone": lambda body: body[600:],
    "tree of ones": lambda body: b"\xff" * 600 + body[600:],
    "more nodes than bytes": lambda body: body.replace(b"node_count", b"node_cound"),
    "record size": lambda body: body.replace(b"record_size\xa1\x18", b"record_size\xa1\x19"),
    "another format": lambda body: body.replace(
        b"binary_format_major_version\xa1\x02", b"binary_format_major_version\xa1\x07"
    ),
    "zeros": lambda body: bytes(len(body)),
    "type unsaid": lambda body: body.replace(b"database_type", b"database_tipe"),
}


@pytest.mark.parametrize("name", MUTILATIONS)
def test_e36_a_mutilated_database_keeps_the_old_one_and_says_so(tmp_path: Path, name: str) -> None:
    """E36: whatever became of the file, the set in use answers on, the fault names the file, the metric counts it."""
    path = write_source(
        tmp_path / "one.mmdb",
        {f"{first}.0.0.0/8": "SE" if first != 128 else "NO" for first in range(11, 200)} | {"2001:200::/23": "JP"},
        kind="Vidare-Country",
        epoch=days_ago(1),
    )
    geodata, metrics = open_folder(tmp_path), Metrics()
    sound = path.read_bytes()
    broken = MUTILATIONS[name](sound)
    assert broken != sound

    path.write_bytes(broken)
    assert geodata.refresh()
    Watch(geodata, metrics).tell(TODAY)

    assert geodata.ready
    assert country(geodata, "193.10.0.1") == "SE"
    assert [str(path) in reason for reason in geodata.problems.values()] == [True]
    assert any("one.mmdb" in line and "old one" in line for line in warnings(geodata, TODAY))
    assert metrics.value(telemetry.GEODATA_BROKEN) == 1

    path.write_bytes(sound)
    assert geodata.refresh()
    Watch(geodata, metrics).tell(TODAY)
    assert (geodata.problems, metrics.value(telemetry.GEODATA_BROKEN)) == ({}, 0)


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ("NL", "NL"), ({"country": "NL"}, "NL"), ({"country_code": "NL"}, "NL"),
        ({"country": {"iso_code": "NL"}}, "NL"),
        ({"country": {}}, None), (None, None), ("", None), (7, None), ([], None), ("x" * 99, "x" * 16),
    ],
)  # fmt: skip
def test_common_layouts_are_understood(record: object, found: str | None) -> None:
    """Our layout, MaxMind's and the plain ones; anything else says nothing."""
    assert found == country_of(record)


@pytest.mark.parametrize("body", [b"", b"\x00" * 1000, b"\xab\xcd\xefMaxMind.com"])
def test_what_is_no_database_is_refused(tmp_path: Path, body: bytes) -> None:
    """The reason names the file and what to do."""
    (tmp_path / "x.mmdb").write_bytes(body)

    with pytest.raises(BrokenDatabase, match=r"x\.mmdb"):
        open_source(tmp_path / "x.mmdb")


def test_test_networks_are_refused_while_an_agency_is_real(tmp_path: Path) -> None:
    """An invented country never reaches a channel that leaves this machine."""
    agencies = tmp_path / "agencies.toml"
    agencies.write_text(
        '[[agency]]\nid = "europol"\nname = "x"\nkind = "europol"\nprofile = "police"\nbasis = "x"\n'
        'channels = ["webhook"]\nwebhook = { url = "https://desk.example/in" }\n'
    )

    with pytest.raises(Misconfigured, match="europol"):
        Geodata.of(Settings(test_networks="on", agencies=agencies))


def test_the_demo_folder_is_built_from_its_table(tmp_path: Path) -> None:
    """What is committed is what ``ranges.toml`` says."""
    build_test_set(tmp_path)

    for path in sorted(tmp_path.glob("*.mmdb")):
        assert path.read_bytes() == (DEMO / path.name).read_bytes(), (
            f"{path.name}: run services.geolocate.build test-set"
        )
