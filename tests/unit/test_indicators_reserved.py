"""The table of addresses where nobody hosts (hostile inputs 50, 51)."""

import pytest

from services.indicators.reserved import DOCUMENTATION, is_documentation, reserved_reason


@pytest.mark.parametrize(
    "ip",
    [
        "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.8", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.1.1", "192.175.48.1",
        "198.18.0.1", "198.19.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:8.8.8.8", "::8.8.8.8", "::ffff:0:808:808", "64:ff9b::808:808", "64:ff9b:1::1", "100::1",
        "100:0:0:1::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:30::1", "2002::1", "3ffe::1",
        "5f00::1",
        "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "4000::1", "2001:db8:5efe::5efe:808:808",
        "2a00:1450::5efe:808:808",
    ],
)  # fmt: skip
def test_nobody_hosts_there(ip: str) -> None:
    """Private, local, tunnel, multicast and unallocated space has a reason not to be located."""
    assert reserved_reason(ip)


@pytest.mark.parametrize("ip", ["192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff:fff::1"])
def test_documentation_ranges_are_told_apart(ip: str) -> None:
    """Only these may be placed by a synthetic database."""
    assert is_documentation(ip)
    assert reserved_reason(ip) == DOCUMENTATION


@pytest.mark.parametrize(
    "ip",
    [
        "1.0.0.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1", "128.0.0.1", "172.15.0.1",
        "172.32.0.1", "192.0.1.0", "192.0.3.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
        "2001:200::1", "2001:db9::1", "2003::1", "2606:4700::1", "2a00:1450::1", "2c0f::1",
    ],
)  # fmt: skip
def test_the_space_around_is_public(ip: str) -> None:
    """The neighbours of every reserved range are ordinary addresses."""
    assert reserved_reason(ip) is None


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4.5", "::g"])
def test_only_standard_spellings_are_looked_up(text: str) -> None:
    """Anything else is an error of the caller, never a public address."""
    with pytest.raises(OSError):
        reserved_reason(text)
