"""Addresses in every spelling (edge cases E20, E21, E40; hostile inputs 47-53)."""

import pytest

from contracts.vocabulary import Flag
from services.indicators.addresses import is_public, parse_address


@pytest.mark.parametrize(
    ("text", "ip", "port"),
    [
        ("192.0.2.7", "192.0.2.7", None),
        ("192.0.2.7:8080", "192.0.2.7", 8080),
        ("[2001:DB8::1]:443", "2001:db8::1", 443),
        ("[::1]", "::1", None),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1", None),
        ("2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1", None),
        ("2001:db8::192.0.2.7", "2001:db8::c000:207", None),
        ("192.0.2.7/32", "192.0.2.7", None),
        ("192.0.2.0/24", "192.0.2.0", None),
        (" 192.0.2.7,", "192.0.2.7", None),
        ("192[.]0[.]2[.]7", "192.0.2.7", None),
        ("192.0.2.7.", "192.0.2.7", None),
    ],
)
def test_standard_spellings_have_one_canonical_form(text: str, ip: str, port: int | None) -> None:
    """Port, brackets, block, padding and upper case lead to the RFC 5952 form."""
    parsed = parse_address(text)

    assert (ip, port) == (parsed.ip, parsed.port)
    assert text == parsed.raw


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("010.8.8.8", ("8.8.8.8", "10.8.8.8")),
        ("0177.0.0.1", ("127.0.0.1", "177.0.0.1")),
        ("0300.0.2.1", ("192.0.2.1",)),
        ("0x7f000001", ("127.0.0.1",)),
        ("0x7f.1", ("127.0.0.1",)),
        ("2130706433", ("127.0.0.1",)),
        ("3232235777", ("192.168.1.1",)),
        ("127.1", ("127.0.0.1",)),
        ("1.2.3", ("1.2.0.3",)),
        ("\uff11\uff12\uff17.0.0.1", ("127.0.0.1",)),
        ("٣.٣.٣.٣", ("3.3.3.3",)),
        ("99999999999999999999", ()),
    ],
)
def test_e20_odd_spellings_keep_their_readings_and_are_never_guessed(text: str, readings: tuple[str, ...]) -> None:
    """E20: what programs read differently has readings, a flag and no address."""
    parsed = parse_address(text)

    assert parsed.ip is None
    assert (Flag.NONSTANDARD_IP,) == parsed.flags
    assert readings == parsed.readings


def test_e20_a_mapped_address_is_its_inner_one() -> None:
    """E20: ``::ffff:192.0.2.1`` is 192.0.2.1, and says so."""
    parsed = parse_address("[::ffff:192.0.2.1]")

    assert ("192.0.2.1", (Flag.MAPPED,)) == (parsed.ip, parsed.flags)
    assert parsed.readings == ("::ffff:c000:201",)


@pytest.mark.parametrize(
    "text",
    [
        "2002:c000:207::1",
        "64:ff9b::192.0.2.7",
        "64:ff9b:1::192.0.2.7",
        "64:ff9b:1:c000:2:700::",
        "2001:0:4136:e378:8000:63bf:3fff:fdf8",
        "2001:db8::5efe:192.0.2.7",
        "fe80::200:5efe:192.0.2.7",
        "::192.0.2.7",
        "::ffff:0:192.0.2.7",
    ],
)
def test_e21_the_address_inside_a_tunnel_form_is_the_one_that_counts(text: str) -> None:
    """E21: 6to4, NAT64, Teredo, ISATAP, translated and compatible forms carry an IPv4 address; both are kept."""
    parsed = parse_address(text)

    assert ("192.0.2.7", (Flag.EMBEDDED_IPV4,)) == (parsed.ip, parsed.flags)
    assert len(parsed.readings) == 1
    assert ":" in parsed.readings[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "999.1.1.1",
        "1.2.3.4.5",
        "1::2::3",
        "1:2:3:4:5:6:7:8:9",
        "192.0.2.7-192.0.2.9",
        "10.0.0.0/8",
        "x" * 2000,
    ],
)
def test_what_is_no_address_is_kept_and_flagged(text: str) -> None:
    """Nonsense, ranges and wide blocks have no address; nothing is refused."""
    parsed = parse_address(text)

    assert parsed.ip is None
    assert Flag.BAD_ADDRESS in parsed.flags
    assert text == parsed.raw


@pytest.mark.parametrize("text", ["fe80::1%eth0", "[fe80::1%25lo]:80", "fe80::1%$(reboot)"])
def test_a_zone_is_dropped(text: str) -> None:
    """A zone means something on one machine only, and goes nowhere."""
    parsed = parse_address(text)

    assert parsed.ip == "fe80::1"
    assert Flag.TRIMMED in parsed.flags


@pytest.mark.parametrize("text", ["192.0.2.7:99999", "192.0.2.7:0", "192.0.2.7:x", "[2001:db8::1]:"])
def test_a_bad_port_does_not_cost_the_address(text: str) -> None:
    """The address is understood without its port."""
    parsed = parse_address(text)

    assert parsed.ip is not None
    assert (None, True) == (parsed.port, Flag.BAD_PORT in parsed.flags or text.endswith("]:"))


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "fec0::1",
        "x",
        "0x7f.1",
    ],
)
def test_a_call_out_goes_to_public_addresses_only(ip: str) -> None:
    """Every form that may end inside a network is refused, and so is what is no address."""
    assert not is_public(ip)


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1"])
def test_ordinary_addresses_are_public(ip: str) -> None:
    """The guard lets ordinary servers through."""
    assert is_public(ip)
