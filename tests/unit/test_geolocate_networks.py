"""Operators of networks whose address says nothing of where content lies."""

from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.errors import Misconfigured
from services.geolocate.networks import Networks, Operator, load_networks
from services.indicators.reserved import as_number

WIDE, NARROW, BY_NUMBER = Operator("wide", "cdn", "cdn-wide"), Operator("narrow", "anycast"), Operator("number", "cdn")


def found(networks: Networks, ip: str, asn: int | None = None) -> str | None:
    """Id of the operator of *ip*."""
    operator = networks.find(*as_number(ip), asn)
    return operator.id if operator else None


def test_the_narrowest_block_decides_then_the_number() -> None:
    """A resolver inside a CDN's block is a resolver; a block outside every list is known by its operator's number."""
    networks = Networks()
    networks.add(WIDE, ["192.0.2.0/24", "2001:db8::/32"])
    networks.add(NARROW, ["192.0.2.8/29"])
    networks.add(BY_NUMBER, [], [64_500])

    assert found(networks, "192.0.2.9", 64_500) == "narrow"
    assert found(networks, "192.0.2.16", 64_500) == "wide"
    assert found(networks, "2001:db8:ffff::1") == "wide"
    assert found(networks, "198.51.100.1", 64_500) == "number"
    assert found(networks, "198.51.100.1", 64_501) is None
    assert found(networks, "198.51.100.1") is None


@given(
    blocks=st.lists(st.tuples(st.integers(0, 255), st.integers(20, 32)), max_size=12),
    last=st.integers(0, 4095),
)
def test_any_address_has_the_operator_of_the_narrowest_block_around_it(
    blocks: list[tuple[int, int]], last: int
) -> None:
    """Nested, touching, at the edge of the space: what a search through every block would say."""
    space = int(IPv4Address("255.255.240.0"))
    nets = [ip_network((space + start * 16, length), strict=False) for start, length in blocks]
    networks = Networks()
    for net in nets:
        networks.add(Operator(str(net), "cdn"), [str(net)])
    address = IPv4Address(space + last)
    around = [net for net in nets if address in net]

    expected = str(max(around, key=lambda net: net.prefixlen)) if around else None
    assert found(networks, str(address)) == expected


def test_later_folders_win(tmp_path: Path) -> None:
    """An operator's own list goes over the shipped one; exits add up."""
    row = '[[operator]]\nid = "{id}"\nname="x"\nkind="cdn"\nsource="t"\ndate=2026-01-01\ncidr = ["192.0.2.0/24"]'
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "networks.toml").write_text(row.format(id=name))
    (tmp_path / "b" / "tor-exits.txt").write_text("# exits\n198.51.100.7\n2001:db8::/64\n")
    networks = load_networks([tmp_path / "a", tmp_path / "b"])

    assert found(networks, "192.0.2.1") == "b"
    assert found(networks, "198.51.100.7") == found(networks, "2001:db8::1") == "tor-exits"


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("networks.toml", '[[operator]]\nid = "x"\nkind = "planet"\n', ":"),
        (
            "networks.toml",
            '[[operator]]\nid="x"\nname="x"\nkind="cdn"\nsource="t"\ndate=2026-01-01\ncidr=["nonsense"]\n',
            ":7:",
        ),
        ("networks.toml", "no toml at all", ":1:"),
        ("tor-exits.txt", "# exits\n198.51.100.7\nnonsense\n", ":3:"),
    ],
)
def test_a_wrong_list_names_file_and_line(tmp_path: Path, name: str, text: str, line: str) -> None:
    """A fault in a list is a configuration fault, said where it stands."""
    (tmp_path / name).write_text(text)

    with pytest.raises(Misconfigured, match=f"{name}{line}"):
        load_networks([tmp_path])
