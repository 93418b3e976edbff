"""
Build the shipped databases and the synthetic test set.

    python -m services.geolocate.build shipped OUT --tor /usr/share/tor --npm FOLDER
    python -m services.geolocate.build test-set FOLDER

``--npm`` is a folder with the unpacked ``@ip-location-db`` packages, one
folder each, as ``vidare geodata update`` makes it.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from services.geolocate.mmdb import UNDATED, Meta, Range, Value, write
from services.geolocate.sources import (
    country_ranges,
    ipfire_date,
    ipfire_ranges,
    network_ranges,
    package_date,
    without_overlaps,
)

COUNTRY_TYPE, NETWORK_TYPE = "Vidare-Country", "Vidare-ASN"
TEST_COUNTRY_TYPE, TEST_NETWORK_TYPE = "Vidare-Test-Country", "Vidare-Test-ASN"
TEST_SOURCES = ("ipfire", "dbip", "whois")


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package of address ranges, and what it becomes here."""

    source: str
    name: str
    files: tuple[str, str]
    type: str
    read: Callable[..., Iterable[Range]]
    credit: str


_NRO = "Regional Internet Registries via NRO extended delegation data, CC BY 4.0"
PACKAGES = (
    Package(
        "whois",
        "@ip-location-db/geo-whois-asn-country",
        ("geo-whois-asn-country-ipv4.csv", "geo-whois-asn-country-ipv6.csv"),
        COUNTRY_TYPE,
        country_ranges,
        f"geo-whois-asn-country by sapics/ip-location-db; {_NRO}; re-encoded by Vidare",
    ),
    Package(
        "dbip",
        "@ip-location-db/dbip-country",
        ("dbip-country-ipv4.csv", "dbip-country-ipv6.csv"),
        COUNTRY_TYPE,
        country_ranges,
        "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0, via sapics/ip-location-db; re-encoded by Vidare",
    ),
    Package(
        "asn",
        "@ip-location-db/asn",
        ("asn-ipv4.csv", "asn-ipv6.csv"),
        NETWORK_TYPE,
        network_ranges,
        "RouteViews and DB-IP (https://db-ip.com), CC BY 4.0, via sapics/ip-location-db; re-encoded by Vidare",
    ),
)
IPFIRE_CREDIT = (
    "IPFire Location Database by the IPFire Project (https://location.ipfire.org), CC BY-SA 4.0; "
    "this file is an adaptation under the same licence: re-encoded by Vidare from Debian's tor-geoipdb"
)


def ipfire(folder: Path) -> bytes:
    """The IPFire database of ``geoip`` and ``geoip6`` in *folder* (Debian: ``/usr/share/tor``)."""
    with (folder / "geoip").open(encoding="utf-8") as header:
        date = ipfire_date(header)
    with (folder / "geoip").open(encoding="utf-8") as v4, (folder / "geoip6").open(encoding="utf-8") as v6:
        return _file(ipfire_ranges(v4, v6), COUNTRY_TYPE, IPFIRE_CREDIT, date)


def packaged(package: Package, folder: Path) -> bytes:
    """The database of the npm package *package*, unpacked in *folder*."""
    version = json.loads((folder / "package.json").read_text("utf-8"))["version"]
    with ExitStack() as stack:
        files = [stack.enter_context((folder / name).open(encoding="utf-8")) for name in package.files]
        return _file(package.read(*files), package.type, f"{package.credit}; version {version}", package_date(version))


def _file(ranges: Iterable[Range], kind: str, credit: str, date: datetime) -> bytes:
    return write(without_overlaps(ranges), Meta(kind, credit, int(date.timestamp())))


def find_package(root: Path, name: str) -> Path:
    """
    The folder under *root* that holds the unpacked package *name*.

    Raises:
        FileNotFoundError: There is none.
    """
    for manifest in sorted(root.rglob("package.json")):
        if json.loads(manifest.read_text("utf-8")).get("name") == name:
            return manifest.parent
    raise FileNotFoundError(f"{root}: no unpacked package {name}; get it with 'npm pack {name}' and unpack it there")


def synthetic_databases(table: Mapping[str, Any]) -> dict[str, bytes]:
    """
    The synthetic set of a ``ranges.toml``: file name to bytes.

    ``says`` stands for every source; a source that a row leaves out says nothing there.
    """
    made = {}
    for source in TEST_SOURCES:
        rows = [(row["cidr"], row.get(source, row.get("says"))) for row in table.get("range", ())]
        made[f"test-{source}.mmdb"] = _synthetic(((cidr, says) for cidr, says in rows if says), TEST_COUNTRY_TYPE)
    networks = ((row["cidr"], {"asn": row["asn"], "name": row["name"]}) for row in table.get("asn", ()))
    made["test-asn.mmdb"] = _synthetic(networks, TEST_NETWORK_TYPE)
    return made


def _synthetic(rows: Iterable[tuple[str, Value]], kind: str) -> bytes:
    return write(
        without_overlaps(cidr_range(cidr, value) for cidr, value in rows),
        Meta(kind, "Invented for tests: documentation addresses only", UNDATED),
    )


def cidr_range(cidr: str, value: Value) -> Range:
    """The range of a block in CIDR notation."""
    net = ip_network(cidr)
    return Range(int(net[0]), int(net[-1]), value)


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two builds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    shipped = commands.add_parser("shipped", help="the four open databases")
    shipped.add_argument("out", type=Path)
    shipped.add_argument("--tor", type=Path, default=Path("/usr/share/tor"))
    shipped.add_argument("--npm", type=Path, required=True)
    commands.add_parser("test-set", help="the synthetic databases of FOLDER/ranges.toml").add_argument("out", type=Path)
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.command == "test-set":
        made = synthetic_databases(tomllib.loads((given.out / "ranges.toml").read_text("utf-8")))
    else:
        made = {"ipfire.mmdb": ipfire(given.tor)}
        made |= {f"{p.source}.mmdb": packaged(p, find_package(given.npm, p.name)) for p in PACKAGES}
    for name, body in made.items():
        (given.out / name).write_bytes(body)
        sys.stdout.write(f"{given.out / name}: {len(body):,} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
