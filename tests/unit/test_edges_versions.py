"""Records of newer and older producers at every hop behind intake (E18): read, or parked with a reason."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from contracts import topics
from contracts.vocabulary import DeadReason
from services.chassis.errors import Poison
from services.chassis.hop import Input, Record, record_id
from services.chassis.store.state import MemoryStore, Overlay
from services.geolocate.hop import GeolocateHop
from services.notifier.parse import referral_routed
from tests.support.geodata import demo_geodata
from tests.support.router_world import Room
from tests.support.tips import NOW, a_tip

Feed = Callable[[bytes], object]


def to_geolocate(value: bytes) -> object:
    """A record for the geolocate hop; what it wrote."""
    hop = GeolocateHop(lambda: demo_geodata().current, {}, partitions=1)
    record = Record(topics.RECEIVED, 0, 0, b"key", value, (), 0)
    return hop.decide(Input(record_id("t", 0, 0), NOW, record), Overlay(MemoryStore())).events


def to_router(value: bytes) -> object:
    """A record for the router hop; what it wrote."""
    return Room().feed(topics.LOCATED, value).events


LOCATED = a_tip("NL")
ROUTED = orjson.loads(Room().locate(LOCATED)[0].body)
BODIES: dict[str, tuple[Feed, dict[str, Any]]] = {
    "geolocate": (to_geolocate, orjson.loads(LOCATED.received.model_dump_json(by_alias=True, exclude_none=True))),
    "notifier": (referral_routed, ROUTED),
    "router": (to_router, orjson.loads(LOCATED.model_dump_json(by_alias=True, exclude_none=True))),
}


@pytest.mark.parametrize("hop", BODIES)
def test_e18_a_newer_producers_unknown_fields_are_ignored(hop: str) -> None:
    """E18: N+1 with additions is worked like N."""
    feed, body = BODIES[hop]

    assert feed(orjson.dumps(body | {"a_field_of_tomorrow": {"x": [1]}}))


@pytest.mark.parametrize("hop", BODIES)
def test_e18_an_older_producers_missing_fields_have_their_defaults(hop: str) -> None:
    """E18: N-1, without what was added since, is worked too."""
    feed, body = BODIES[hop]
    older = orjson.loads(orjson.dumps(body))
    received = older.get("received", older)
    for part in (received, received.get("facts", {})):
        for name in ("place_area", "fingerprints", "text_signals", "notice", "duty_count", "actionability"):
            part.pop(name, None)

    assert feed(orjson.dumps(older))


@pytest.mark.parametrize("hop", BODIES)
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"schema": "tip-received/99"}, DeadReason.UNKNOWN_VERSION),
        ({"schema": "tip-located/99"}, DeadReason.UNKNOWN_VERSION),
    ],
)
def test_e18_another_version_is_parked_with_its_reason(hop: str, changed: dict[str, str], reason: DeadReason) -> None:
    """E18: what this hop cannot read ends as a dead letter that says so, never as a crash."""
    feed, body = BODIES[hop]

    with pytest.raises(Poison) as error:
        feed(orjson.dumps(body | changed))
    assert error.value.reason is reason
