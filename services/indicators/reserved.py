"""
Addresses that nobody hosts at, with the reason: a complete table of our own.

``ipaddress.is_global`` is not used: it calls tunnels to loopback, site-local
and several later reservations global.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries, and the
multicast, deprecated and unallocated space around them (as of 2026-11-22).
"""

import socket
from bisect import bisect_right
from ipaddress import IPv4Network, IPv6Network, ip_network

DOCUMENTATION = "documentation"
"""The one reason that the synthetic databases of tests may overrule."""

_V4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared address space",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": DOCUMENTATION,
    "192.31.196.0/24": "AS112 sink",
    "192.52.193.0/24": "multicast tunnelling",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112 sink",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": DOCUMENTATION,
    "203.0.113.0/24": DOCUMENTATION,
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "255.255.255.255/32": "broadcast",
}
_V6 = {
    "::/0": "unallocated",
    "::/96": "IPv4-compatible",
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "NAT64",
    "100::/64": "discard",
    "100:0:0:1::/64": "dummy prefix",
    "2000::/3": "",
    "2001::/23": "protocol assignments",
    "2001::/32": "Teredo",
    "2001:2::/48": "benchmarking",
    "2001:3::/32": "multicast tunnelling",
    "2001:4:112::/48": "AS112 sink",
    "2001:10::/28": "ORCHID",
    "2001:20::/28": "ORCHID",
    "2001:30::/28": "drone remote id",
    "2001:db8::/32": DOCUMENTATION,
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112 sink",
    "3ffe::/16": "6bone, returned",
    "3fff::/20": DOCUMENTATION,
    "5f00::/16": "segment routing",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})


def _painted(table: dict[str, str], bits: int) -> tuple[list[int], list[str | None]]:
    """Start and reason of each stretch of the space; the most specific row wins."""
    rows: list[tuple[IPv4Network | IPv6Network, str]] = [(ip_network(cidr), reason) for cidr, reason in table.items()]
    rows.sort(key=lambda row: row[0].prefixlen)
    starts = sorted(
        {0} | {int(net[0]) for net, _ in rows} | {int(net[-1]) + 1 for net, _ in rows if int(net[-1]) + 1 < 1 << bits}
    )
    reasons: list[str | None] = []
    for start in starts:
        inside = [reason for net, reason in rows if int(net[0]) <= start <= int(net[-1])]
        reasons.append((inside[-1] or None) if inside else None)
    return starts, reasons


_V4_STARTS, _V4_REASONS = _painted(_V4, 32)
_V6_STARTS, _V6_REASONS = _painted(_V6, 128)


def as_number(ip: str) -> tuple[int, int]:
    """
    The number and the width in bits of a canonical address.

    Raises:
        OSError: *ip* is not an address in a standard spelling.
    """
    if ":" in ip:
        return int.from_bytes(socket.inet_pton(socket.AF_INET6, ip), "big"), 128
    return int.from_bytes(socket.inet_pton(socket.AF_INET, ip), "big"), 32


def is_isatap(number: int) -> bool:
    """True where the interface part of IPv6 address *number* is an ISATAP one (RFC 5214)."""
    return number >> 32 & 0xFFFF_FFFF in _ISATAP


def reserved_reason(ip: str) -> str | None:
    """
    Why no server on the public Internet is at *ip*; None for a public address.

    Tunnel forms (6to4, NAT64, Teredo, mapped, ISATAP) are reserved as written:
    their inner address is what `parse_address` gives.

    Raises:
        OSError: *ip* is not an address in a standard spelling.
    """
    number, bits = as_number(ip)
    if bits == 32:
        return _V4_REASONS[bisect_right(_V4_STARTS, number) - 1]
    reason = _V6_REASONS[bisect_right(_V6_STARTS, number) - 1]
    return reason or ("ISATAP" if is_isatap(number) else None)


def is_documentation(ip: str) -> bool:
    """True for the ranges that exist for examples and tests."""
    return reserved_reason(ip) == DOCUMENTATION
