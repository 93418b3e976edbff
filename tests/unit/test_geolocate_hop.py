"""The geolocate hop: bytes in, bytes and custody out."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from contracts.events import Content, TipFacts, TipLocated, TipReceived
from contracts.indicators import AddressIndicator, Indicators
from contracts.onboarding import Partner
from contracts.telemetry import ATTRIBUTES
from contracts.vocabulary import AddressRole, CountryBy, DeadReason, Kind, PartnerKind
from services.chassis.errors import Poison, Unavailable
from services.chassis.hop import Input, Outcome, Record
from services.chassis.running.memory_run import Fed, run_in_memory
from services.chassis.store.state import MemoryStore, Overlay
from services.geolocate.geodata import OpenSet
from services.geolocate.hop import GeolocateHop
from services.geolocate.networks import Networks
from services.indicators.urls import parse_url
from tests.support.geodata import CDN, MAJORITY_NL, NAMED, demo_geodata

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
TIP = UUID("11111111-1111-5111-8111-111111111111")
NO_STATE = Overlay(MemoryStore())
PARTNERS = {"ecpat-se": Partner(id="ecpat-se", name="Hotline", kind=PartnerKind.HOTLINE, vetted=True)}
NARRATIVE = "Neutral words that must travel byte for byte: räksmörgås \u2028 end"


def received(*ips: str, partner: str = "ecpat-se", **more: Any) -> bytes:
    """A received tip with these hosting addresses."""
    addresses = tuple(AddressIndicator(raw=ip, ip=ip, role=AddressRole.HOSTING, **more) for ip in ips)
    tip = TipReceived(
        tip_id=TIP,
        revision=1,
        group_id="0" * 32,
        partner=partner,
        reference="E-1",
        received_at=NOW,
        facts=TipFacts(kind=Kind.CSAM),
        content=Content(
            indicators=Indicators(urls=(parse_url("https://page.example/x"),), addresses=addresses), narrative=NARRATIVE
        ),
    )
    return tip.model_dump_json(by_alias=True).encode()


def hop(current: OpenSet | None = None) -> GeolocateHop:
    """The hop over the synthetic databases."""
    return GeolocateHop(lambda: current or demo_geodata().current, PARTNERS, partitions=2)


def decided(body: bytes | None, topic: str = "tips-received") -> Outcome:
    """What the hop makes of *body*."""
    record = Record(topic, 1, 7, b"0" * 32, body, (), 0)
    return hop().decide(Input(uuid4(), NOW, record=record), NO_STATE)


def test_the_tip_goes_on_as_it_came_with_its_verdicts() -> None:
    """The received bytes are inside the new event unchanged; it is a valid ``tip-located/1``."""
    body = received(NAMED["NL"])
    (event,) = decided(body).events

    assert body in event.body
    found = TipLocated.model_validate_json(event.body)
    assert found.received == TipReceived.model_validate_json(body)
    assert found.received.content.narrative == NARRATIVE
    assert (found.jurisdiction.hosting[0].country, found.located_at) == ("NL", NOW)
    assert (event.key, event.partition, event.expects_entry, event.tip) == ("0" * 32, 1, True, str(TIP))


@pytest.mark.parametrize(
    ("lane", "out"), [("tips-received", "tips-located"), ("tips-received-urgent", "tips-located-urgent")]
)
def test_a_tip_stays_in_its_lane(lane: str, out: str) -> None:
    """Urgent stays urgent."""
    assert decided(received(NAMED["NL"]), lane).events[0].topic == out


def test_e33_custody_records_what_every_source_said_and_no_address() -> None:
    """E33: evidence and digest of the databases, without a word of content."""
    (entry,) = decided(received(MAJORITY_NL, CDN)).entries

    assert entry.kind == "hop.geolocated"
    assert entry.basis["geodata"] == demo_geodata().current.digest
    assert entry.basis["said"] == [
        "/addresses/0 test-ipfire=NL test-dbip=NL test-whois=SC: NL 75 conflict",
        "/addresses/1 test-ipfire=US test-dbip=CA test-whois=US: - 30 cdn",
    ]
    assert "203.0.113" not in str(entry)


def test_spans_tell_countries_and_flags_only() -> None:
    """Attributes are of the closed list and hold no address, host or text."""
    attributes = decided(received(MAJORITY_NL, NAMED["SE"])).attributes

    assert set(attributes) <= set(ATTRIBUTES)
    assert attributes["vidare.countries"] == ["NL", "SE"]
    assert "203.0.113" not in str(attributes)
    assert "page.example" not in str(attributes)


def test_only_a_vetted_partners_analyst_is_believed() -> None:
    """The flag is the partner's, from the registry, never from the body."""
    claim = {"country": "JP", "country_by": CountryBy.ANALYST}
    vetted = TipLocated.model_validate_json(decided(received(NAMED["NL"], **claim)).events[0].body)
    unknown = TipLocated.model_validate_json(decided(received(NAMED["NL"], partner="other", **claim)).events[0].body)

    assert vetted.jurisdiction.hosting[0].country == "JP"
    assert unknown.jurisdiction.hosting[0].country == "NL"


def test_e18_fields_of_a_newer_version_are_carried_on() -> None:
    """E18: an unknown field is ignored here and still there for the next reader."""
    body = orjson.dumps(orjson.loads(received(NAMED["NL"])) | {"newer": {"a": [1]}})

    assert orjson.loads(decided(body).events[0].body)["received"]["newer"] == {"a": [1]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, DeadReason.NULL_VALUE),
        (b"", DeadReason.NOT_JSON),
        (b"{", DeadReason.NOT_JSON),
        (b"\xff", DeadReason.NOT_JSON),
        (b"[]", DeadReason.INVALID_EVENT),
        (b"{}", DeadReason.INVALID_EVENT),
        (b'{"schema": "tip-received/99"}', DeadReason.UNKNOWN_VERSION),
        (b'{"schema": 7}', DeadReason.INVALID_EVENT),
    ],
)
def test_e71_poison_is_named_and_says_nothing_of_the_tip(body: bytes | None, reason: DeadReason) -> None:
    """E71: a record that can never succeed has one reason of the closed list."""
    with pytest.raises(Poison) as raised:
        decided(body)

    assert raised.value.reason is reason


def test_e36_without_a_database_nothing_is_decided() -> None:
    """E36: no source, no verdict; the tip waits."""
    record = Record("tips-received", 0, 0, None, received(NAMED["NL"]), (), 0)

    with pytest.raises(Unavailable):
        hop(OpenSet((), Networks())).decide(Input(uuid4(), NOW, record=record), NO_STATE)


def test_the_hop_works_each_partition_of_both_lanes_together() -> None:
    """Task *i* is partition *i* of urgent and routine; there is no changelog."""
    tasks = hop().tasks()

    assert [task.inputs for task in tasks] == [
        (("tips-received-urgent", i, True), ("tips-received", i, False)) for i in range(2)
    ]
    assert {task.changelog for task in tasks} == {None}


async def test_a_tip_runs_through_the_real_runner() -> None:
    """From the topic to the next topic and to custody, a poison record beside it kept as a dead letter."""
    fed = [
        Fed("tips-received", value=received(NAMED["NL"]), key=b"0" * 32, headers=[("ce_id", str(uuid4()).encode())]),
        Fed("tips-received", value=b"{", key=b"1" * 32, headers=[("ce_id", str(uuid4()).encode())]),
        Fed(
            "tips-received-urgent",
            value=received(NAMED["SE"]),
            key=b"0" * 32,
            headers=[("ce_id", str(uuid4()).encode())],
        ),
    ]
    results = await run_in_memory(hop(), fed, now=lambda: NOW)

    assert [len(results.records(topic)) for topic in ("tips-located", "tips-located-urgent", "tips-received-dlq")] == [
        1,
        1,
        1,
    ]
    assert sorted(entry["kind"] for entry in results.json("custody")) == [
        "hop.geolocated",
        "hop.geolocated",
        "tip.parked",
    ]
