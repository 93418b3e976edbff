"""What the hop reads of a received tip is what the contract says, no matter how oddly it is written."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contracts.events import TipReceived
from contracts.indicators import AddressIndicator, UrlIndicator
from contracts.vocabulary import AddressRole, CountryBy, DeadReason, Flag, UrlKind
from services.chassis.errors import Poison
from services.geolocate.reading import Address, Tip, Url, _LaxAddress, _LaxUrl, read
from tests.bench.tips import received_bytes

TIP = "11111111-1111-5111-8111-111111111111"
TEXT = st.sampled_from(["a.example", "192.0.2.7", "", "räksmörgås.example", None, 7])
FLAGS = st.one_of(st.none(), st.lists(st.sampled_from([*Flag, "nonsense"]), max_size=3), st.just("cdn"))
PORTS = st.sampled_from([443, "443", 443.0, 4.5, True, None, "x"])
TIMES = st.sampled_from(["2026-11-01T00:00:00Z", "2026-11-01", "2026-11-01T01:02:03.5+05:30", 1_762_000_000, "x", None])
URL = st.fixed_dictionaries(
    {"raw": st.just("https://a.example/")},
    optional={"kind": st.sampled_from([*UrlKind, "x"]), "host": TEXT, "domain": TEXT, "ip": TEXT, "flags": FLAGS},
)
ADDRESS = st.fixed_dictionaries(
    {"raw": st.just("192.0.2.7"), "role": st.sampled_from([*AddressRole, *AddressRole, None])},
    optional={
        "ip": TEXT,
        "port": PORTS,
        "observed_at": TIMES,
        "possible_proxy": st.sampled_from([True, "yes", 0, None]),
        "country": TEXT,
        "country_by": st.sampled_from([*CountryBy, None]),
        "flags": FLAGS,
        "newer": st.just({"a": [1]}),
    },
)
INDICATORS = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional={"urls": st.lists(URL, max_size=2), "addresses": st.lists(ADDRESS, max_size=2)}),
)
WHOLE: dict[str, Any] = {
    "schema": "tip-received/1",
    "tip_id": TIP,
    "revision": 1,
    "group_id": "0" * 32,
    "partner": "ecpat-se",
    "reference": "E-1",
    "received_at": "2026-11-22T09:15:00Z",
    "facts": {"kind": "csam"},
    "content": {},
}


def contract_reading(body: bytes) -> Tip | None:
    """The same tip through the whole contract; None where that refuses it."""
    try:
        tip = TipReceived.model_validate_json(body)
    except ValidationError:
        return None
    found = tip.content.indicators
    urls = tuple(Url(**url.model_dump(include=set(Url.__struct_fields__))) for url in found.urls)
    addresses = tuple(Address(**a.model_dump(include=set(Address.__struct_fields__))) for a in found.addresses)
    return Tip(str(tip.tip_id), tip.group_id, tip.partner, urls, addresses)


def reading(body: bytes) -> Tip | None:
    """The tip as the hop reads it; None where it refuses."""
    try:
        return read(body)
    except Poison:
        return None


@pytest.mark.parametrize(
    ("ours", "patient", "contract"), [(Url, _LaxUrl, UrlIndicator), (Address, _LaxAddress, AddressIndicator)]
)
def test_every_field_read_has_the_contracts_type_and_default(
    ours: type[msgspec.Struct], patient: type[BaseModel], contract: type[BaseModel]
) -> None:
    """A change of the contract that this hop does not follow fails here."""
    fields = {field.name: field for field in msgspec.structs.fields(ours)}
    assert set(fields) == set(patient.model_fields)
    for name, field in patient.model_fields.items():
        theirs = contract.model_fields[name]
        assert (field.annotation, field.default, field.alias) == (theirs.annotation, theirs.default, theirs.alias)
        assert fields[name].type == field.annotation
        assert field.is_required() or fields[name].default == field.default


@pytest.mark.parametrize("rest", [b'"\xff"', b'"\\ud800"', b"01", b'"a\x01b"', b"[" * 5_000 + b"]" * 5_000])
def test_what_is_passed_over_must_be_json_all_the_same(rest: bytes) -> None:
    """Bytes that no later hop could read are not passed on inside a new event."""
    with pytest.raises(Poison) as raised:
        read(orjson.dumps(WHOLE)[:-1] + b',"newer":' + rest + b"}")
    assert raised.value.reason is DeadReason.NOT_JSON


def test_an_event_as_intake_writes_it_is_read_without_the_patient_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast reader is the one in use; the other would give the same at twice the cost."""
    monkeypatch.setattr("services.geolocate.reading._VALIDATE", None)
    _, body = received_bytes(1)[0]

    assert read(body).addresses[0].role is AddressRole.HOSTING


@given(
    indicators=INDICATORS,
    changed=st.dictionaries(
        st.sampled_from(["schema", "tip_id", "group_id", "partner"]),
        st.sampled_from(["tip-received/1", "tip-received/2", TIP.upper(), TIP.replace("-", ""), f"{{{TIP}}}", "x", 7]),
        max_size=1,
    ),
    gone=st.sampled_from(["", "", "", "schema", "tip_id", "group_id", "partner", "content"]),
    bare=st.booleans(),
)
def test_what_the_contract_accepts_is_read_alike_and_what_it_refuses_here_is_refused(
    indicators: dict[str, Any] | None, changed: dict[str, Any], gone: str, *, bare: bool
) -> None:
    """Lax numbers, odd ids, missing and unknown fields: both readings agree wherever this hop looks."""
    event = WHOLE | {"content": {} if bare else {"indicators": indicators}} | changed
    event.pop(gone, None)
    body = orjson.dumps(event)

    assert reading(body) == contract_reading(body)


def test_what_is_not_read_is_not_judged_here() -> None:
    """Facts are the router's to read; it parks what it cannot."""
    body = orjson.dumps(WHOLE | {"facts": {"kind": "nonsense"}})

    assert contract_reading(body) is None
    assert read(body) == Tip(TIP, "0" * 32, "ecpat-se", (), ())


@pytest.mark.parametrize("role", ["nonsense", None])
def test_an_address_that_cannot_be_read_is_poison(role: str | None) -> None:
    """What is read must be right."""
    body = orjson.dumps(WHOLE | {"content": {"indicators": {"addresses": [{"raw": "192.0.2.7", "role": role}]}}})

    with pytest.raises(Poison) as raised:
        read(body)
    assert raised.value.reason is DeadReason.INVALID_EVENT
