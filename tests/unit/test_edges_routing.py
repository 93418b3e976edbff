"""Edge cases of routing that need more than one decision, a list of real operators, or another process."""

import os
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts import topics
from contracts.events import Verdict
from contracts.indicators import AddressIndicator, Indicators
from contracts.vocabulary import AddressRole, AssessmentStatus, Flag, Kind, Priority, Signal
from services.chassis.settings import ROOT
from services.geolocate.geodata import SHIPPED, Geodata
from services.geolocate.locate import World as Places
from services.geolocate.locate import jurisdiction
from services.geolocate.networks import load_networks
from tests.support.geodata import write_source
from tests.support.router_world import Room, actions, decide, ids, rules_of, told
from tests.support.tips import a_tip, edge, host, of_person, suspect, unsure, victim

TODAY = date(2026, 11, 22)
VPN = sorted(number for number, operator in load_networks([SHIPPED]).by_asn.items() if operator.kind == "vpn")
"""Numbers of networks that the shipped list knows as exits of private networks."""


def uploaded_from(number: int, folder: Path) -> Geodata:
    """Databases in which one block lies in Sweden and is announced by network *number*."""
    block, country = "193.10.0.0/16", "Vidare-Country"
    for name in ("ipfire", "dbip", "whois"):
        write_source(folder / f"{name}.mmdb", {block: "SE"}, kind=country, epoch=1_795_000_000)
    write_source(folder / "asn.mmdb", {block: {"asn": number, "name": "x"}}, kind="Vidare-ASN", epoch=1_795_000_000)
    return Geodata(lambda: folder)


@pytest.mark.parametrize("number", VPN)
def test_e39_an_uploader_behind_a_known_exit_is_nowhere(number: int, tmp_path: Path) -> None:
    """E39: three databases agree, and it means little: a person at P2 and below, the home police besides at P1."""
    geodata = uploaded_from(number, tmp_path)
    address = AddressIndicator(raw="193.10.0.7", ip="193.10.0.7", role=AddressRole.UPLOAD, port=40_000)
    found = jurisdiction(
        Indicators(addresses=(address,)), Places(geodata.look_up, TODAY), vetted=True, builds=geodata.current.builds
    )

    (verdict,) = found.persons
    assert (verdict.country, verdict.confidence) == ("SE", 0.3)
    assert Flag.POSSIBLE_PROXY in found.flags
    tip = a_tip(persons=[verdict])
    assert ids(tip) == {"review"}
    urgent = decide(a_tip(persons=[verdict], kind=Kind.GROOMING))
    assert urgent.priority is Priority.P1
    assert {"police-se", "review"} <= set(urgent.ids)


def test_e39_an_ordinary_network_at_the_same_place_is_believed(tmp_path: Path) -> None:
    """The other side: without the list's word the uploader is in Sweden, and the home police get it."""
    geodata = uploaded_from(64_500, tmp_path)
    address = AddressIndicator(raw="193.10.0.7", ip="193.10.0.7", role=AddressRole.UPLOAD, port=40_000)
    found = jurisdiction(Indicators(addresses=(address,)), Places(geodata.look_up, TODAY), vetted=True, builds={})

    assert ids(a_tip(persons=found.persons)) == {"police-se"}


def behind(flag: Flag = Flag.POSSIBLE_PROXY) -> Verdict:
    """An uploader's address that a proxy or an exit stands for."""
    return of_person("SE", confidence=0.3, flags=(flag,))


@pytest.mark.parametrize("flag", [Flag.POSSIBLE_PROXY, Flag.TOR_EXIT])
@pytest.mark.parametrize("server", [host("NL"), edge(), host(None, flags=(Flag.ONION,)), unsure("NL", "FI")])
def test_e39_a_known_server_does_not_hide_that_the_uploader_is_nowhere(server: Verdict, flag: Flag) -> None:
    """E39: besides what the server asks for, a person at P2 and below, the home police at P1."""
    low = decide(a_tip(server, persons=[behind(flag)]))
    high = decide(a_tip(server, persons=[behind(flag)], kind=Kind.GROOMING))

    assert (low.priority, high.priority) == (Priority.P2, Priority.P1)
    assert set(low.ids) == ids(a_tip(server)) | {"review"}
    assert set(high.ids) == ids(a_tip(server, kind=Kind.GROOMING)) | {"police-se"}
    assert "R41" in rules_of(low, "review") & rules_of(high, "police-se")
    assert "R41" not in rules_of(low, "police-se") | rules_of(high, "review")


def test_e39_a_child_abroad_does_not_place_the_uploader() -> None:
    """E39: what is known of another person says nothing of who uploaded it."""
    assert rules_of(decide(a_tip("NL", persons=[behind()], people=(victim("US"),))), "review") == {"R41"}


@pytest.mark.parametrize(
    "known",
    [
        {"persons": [behind()], "people": (suspect(location="NO"),)},
        {"persons": [behind(), of_person("NO", AddressRole.LOGIN)]},
        {"persons": [of_person("NO", confidence=0.99, flags=(Flag.POSSIBLE_PROXY,))]},
    ],
)
def test_e39_an_estimated_place_outvotes_the_proxy(known: dict[str, Any]) -> None:
    """E39: the offender's own place, another address or an analyst's word decides, and nobody need look."""
    assert ids(a_tip("NL", **known)) == {"hotline-nl", "interpol-iccam", "police-no"}


def test_e39_where_nothing_is_known_one_rule_is_enough() -> None:
    """E39: R21 asks for a person and for the police already."""
    assert rules_of(decide(a_tip(persons=[behind()])), "review") == {"R21"}
    assert rules_of(decide(a_tip(persons=[behind()], kind=Kind.GROOMING)), "police-se") == {"R21"}


CHOICE = """
from tests.support.router_world import ids
from tests.support.tips import a_tip, host
for n in range(60):
    print(*sorted(name for name in ids(a_tip(host("DE", domain=f"h{n}.example"))) if name.startswith("hotline-de")))
"""


def test_e49_the_choice_among_hotlines_survives_a_restart() -> None:
    """E49: another process, with other hash seeds, names the same hotline for each of sixty domains."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", CHOICE], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
            check=True, text=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]  # fmt: skip
    here = [
        name
        for n in range(60)
        for name in sorted(ids(a_tip(host("DE", domain=f"h{n}.example"))))
        if name.startswith("hotline-de")
    ]

    assert runs == [here, here]
    assert len(set(here)) == 3


def test_e49_a_thousand_tips_on_one_domain_meet_one_hotline() -> None:
    """E49: whatever else they say."""
    kinds = list(Kind)
    found = Counter(
        name
        for n in range(1_000)
        for name in ids(a_tip(host("DE"), reference=f"S-{n}", kind=kinds[n % len(kinds)], group=f"{n:032x}"))
        if name.startswith("hotline-de")
    )

    assert list(found.values()) == [1_000]


def test_e57_from_one_hotline_to_another_and_back_stops_at_a_person() -> None:
    """E57: the German hotline told of it, the Dutch one says that it moved to Germany: never back, a person looks."""
    room = Room()
    domain = next(
        f"h{n}.example"
        for n in range(60)
        if "hotline-de-eco" in ids(a_tip(host("DE", domain=f"h{n}.example"), partner="ecpat-se"))
    )
    unassessed = AssessmentStatus.UNASSESSED
    first = told(room.locate(a_tip(host("NL", domain=domain), partner="inhope-peer", status=unassessed)))
    assert set(first) == {"hotline-nl"}

    back = room.answer(first["hotline-nl"], "moved", moved_to="DE")

    assert actions(back) == {}
    decision = room.bodies(topics.DECISIONS)[-1]
    assert decision["suppressed"] == [{"id": "hotline-de-eco", "rule": "R36"}]
    assert [to["id"] for to in decision["destinations"]] == ["review"]
    assert room.bodies(topics.REVIEWS)[-1]["state"] == "open"


def test_e58_what_is_illegal_at_home_only_says_so_and_claims_no_more_abroad() -> None:
    """E58: the hotline reads that it is the sender's law; neither police nor Interpol abroad; baseline says nothing."""
    room = Room()
    drawn = told(
        room.locate(
            a_tip("NL", host("NO", domain="b.example"), status=AssessmentStatus.NATIONAL, signals=(Signal.DRAWN,))
        )
    )
    other = told(room.locate(a_tip("NL", reference="T-2", group="1" * 32, signals=(Signal.DRAWN,))))

    assert {agency: body["legality"] for agency, body in drawn.items()} == {"hotline-nl": "home-only"}
    assert {body["status"] for body in drawn.values()} == {"national"}
    assert {agency: body["legality"] for agency, body in other.items()} == {"hotline-nl": None, "interpol-iccam": None}
