"""Names that are resolved, from outside: `vidare locate` with ``VIDARE_DNS=on`` and a name server of the test's own."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import blackbox
from tests.support.blackbox import environment, vidare
from tests.support.nameserver import NameServer, name_server

NL, SE, DE = (f"192.0.2.{first}" for first in (1, 17, 33))
MANY = [f"192.0.2.{first + n}" for n in range(14) for first in (0, 16, 32)][:40]
"""Forty addresses in three countries."""

ZONE: dict[str, list[str] | str] = {
    "one.example": [NL],
    "two-in-one.example": [NL, "192.0.2.2"],
    "three.example": [NL, SE, DE],
    "forty.example": MANY,
    "six.example": ["2001:db8:1::7"],
    "both.example": [NL, "2001:db8:1::7"],
    "empty.example": [],
    "broken.example": "servfail",
    "silent.example": "silent",
    "garbage.example": "garbage",
    "private.example": ["10.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "mixed.example": ["10.0.0.1", NL],
    "alias.example": ["CNAME one.example."],
    "inside.example": ["CNAME localhost."],
    "localhost": ["127.0.0.1"],
    "loop.example": ["CNAME pool.example."],
    "pool.example": ["CNAME loop.example."],
    "edge.example": ["198.51.100.129"],
    "disagree.example": ["198.51.100.17"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    """The test's own name server."""
    with name_server(ZONE) as made:
        yield made


@pytest.fixture(scope="module")
def env(server: NameServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Resolution on, by the test's server; three synthetic sources."""
    base = tmp_path_factory.mktemp("names")
    geodata = str(blackbox.three_voices(base / "geodata"))
    return environment(base / "home", geodata=geodata, test_networks="on", dns="on", dns_server=server.address)


def located(host: str, env: dict[str, str]) -> dict[str, Any]:
    """What `vidare locate` says of a page of *host*."""
    done = vidare(["locate", f"http://{host}/page", "--json"], env)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def heard(found: dict[str, Any]) -> str:
    """What the name server's answer counts as in the evidence."""
    return str(found["evidence"][-1]["source"])


@pytest.mark.parametrize(
    ("host", "country", "confidence", "flags"),
    [
        ("one.example", "NL", 0.95, []),
        ("two-in-one.example", "NL", 0.95, []),
        ("six.example", "NL", 0.95, []),
        ("both.example", "NL", 0.95, []),
        ("alias.example", "NL", 0.95, []),
        ("edge.example", None, 0.3, ["cdn"]),
    ],
)
def test_e29_a_name_is_placed_by_its_addresses(
    host: str, country: str | None, confidence: float, flags: list[str], env: dict[str, str]
) -> None:
    """E29: one answer, several in one country, an alias: as the address itself, and the answer is evidence."""
    found = located(host, env)

    assert (found["country"], found["confidence"], found["flags"], heard(found)) == (country, confidence, flags, "dns")


@pytest.mark.parametrize("host", ["three.example", "forty.example"])
def test_e29_answers_in_many_countries_are_a_conflict(host: str, env: dict[str, str]) -> None:
    """E29: three or forty addresses in three countries: none is picked, each is a candidate (R20)."""
    found = located(host, env)

    assert (found["country"], found["confidence"], found["flags"]) == (None, 0.4, ["conflict"])
    assert sorted(found["candidates"]) == ["DE", "NL", "SE"]


def test_e29_an_answer_too_long_for_a_datagram_is_read_whole(env: dict[str, str], server: NameServer) -> None:
    """E29: the cut answer is asked for again over TCP."""
    before = server.by_tcp["forty.example"]
    located("forty.example", env)

    assert server.by_tcp["forty.example"] > before


@pytest.mark.parametrize(
    ("host", "failure"),
    [
        ("nobody.example", "nxdomain"),
        ("empty.example", "empty"),
        ("broken.example", "servfail"),
        ("loop.example", "servfail"),
        ("silent.example", "timeout"),
        ("garbage.example", "timeout"),
    ],
)
def test_e29_a_failure_is_recorded_and_asked_about_no_more(
    host: str, failure: str, env: dict[str, str], server: NameServer
) -> None:
    """E29: no such name, no address, refusal, a ring of aliases, silence, nonsense: evidence, no country."""
    before = server.asked.total()
    found = located(host, env)

    assert (found["country"], found["confidence"], heard(found)) == (None, 0, f"dns:{failure}")
    assert "no_address" in found["flags"]
    assert server.asked.total() - before <= 12


@pytest.mark.parametrize(
    "host", ["private.example", "loopback.example", "metadata.example", "mapped.example", "inside.example"]
)
def test_e30_a_private_answer_is_no_place(host: str, env: dict[str, str]) -> None:
    """E30: private, loopback, metadata, mapped and aliased into this machine: unroutable, no source asked."""
    found = located(host, env)

    assert found["country"] is None
    assert {"unroutable", "no_address"} <= set(found["flags"])
    assert [one["source"] for one in found["evidence"]] == ["dns"]


def test_e30_nobody_is_contacted_at_a_private_answer(env: dict[str, str], server: NameServer) -> None:
    """E30: a listener at the answered address hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        done = vidare(["locate", f"http://loopback.example:{port}/x", "--json"], env)
        assert json.loads(done.stdout)["country"] is None
        with pytest.raises(TimeoutError):
            listener.accept()
    assert server.asked["loopback.example"]


def test_e30_a_public_answer_beside_a_private_one_stands_and_the_other_is_said(env: dict[str, str]) -> None:
    """E30: half of a rebinding: the public address is located, the private one flagged and thrown away."""
    found = located("mixed.example", env)

    assert (found["country"], found["flags"]) == ("NL", ["unroutable"])


@pytest.mark.parametrize("dns", ["off", None])
def test_e28_without_resolution_no_question_leaves(dns: str | None, env: dict[str, str], server: NameServer) -> None:
    """E28: off, which is the default: the server named in the settings hears nothing, and no country is guessed."""
    quiet = {name: value for name, value in env.items() if name != "VIDARE_DNS"} | ({"VIDARE_DNS": dns} if dns else {})
    before = server.asked.total()
    found = located("one.example", quiet)

    assert (found["country"], found["flags"], server.asked.total()) == (None, ["no_address"], before)


def test_e28_explain_never_asks_a_name_server(env: dict[str, str], server: NameServer) -> None:
    """E28: nothing leaves the machine when a decision is explained, whatever the settings say."""
    before = server.asked.total()
    tip = {"reference": "N-1", "kind": "csam", "urls": ["http://one.example/x"]}
    done = vidare(["explain", "-", "--as", "ecpat-se", "--json"], env, blackbox.lines([tip]))

    assert json.loads(done.stdout)["jurisdiction"]["hosting"] == []
    assert server.asked.total() == before


@pytest.mark.parametrize("server_text", ["nonsense", "192.0.2.53:dns", "name.example:53", "1.2.3"])
def test_a_name_server_that_is_no_address_is_bad_configuration(server_text: str, env: dict[str, str]) -> None:
    """78 with the setting's name and how to write it."""
    done = vidare(["locate", "http://one.example/"], env | {"VIDARE_DNS_SERVER": server_text})

    assert done.returncode == 78
    assert "VIDARE_DNS_SERVER" in done.stderr.decode()
