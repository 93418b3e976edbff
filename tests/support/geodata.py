"""The synthetic databases: documentation addresses in invented countries (deploy/demo/geodata/README.md)."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from services.geolocate.build import TEST_COUNTRY_TYPE, cidr_range, synthetic_databases
from services.geolocate.geodata import DEMO, Geodata
from services.geolocate.mmdb import UNDATED, Meta, write

NAMED = {
    "NL": "192.0.2.7",
    "SE": "192.0.2.70",
    "US": "192.0.2.100",
    "DE": "192.0.2.130",
    "IT": "192.0.2.165",
    "TW": "192.0.2.180",
    "VN": "192.0.2.200",
    "KP": "192.0.2.210",
    "XK": "192.0.2.230",
    "TH": "192.0.2.245",
    "GB": "198.51.100.5",
    "FR": "198.51.100.20",
    "FI": "198.51.100.40",
    "NO": "198.51.100.50",
}
"""One address per country, on whose place all three sources agree."""

CDN, CDN_FOREIGN, ANYCAST, TOR_EXIT = "203.0.113.5", "203.0.113.20", "203.0.113.40", "203.0.113.50"
MAJORITY_NL, ALL_DISAGREE, MAJORITY_SE = "203.0.113.70", "203.0.113.85", "203.0.113.100"
NOT_A_COUNTRY, PAIR_CH, SINGLE_SC, TWO_DISAGREE = "203.0.113.115", "203.0.113.130", "203.0.113.150", "203.0.113.165"
TOR_CODE, SILENT = "203.0.113.235", "203.0.113.245"


@cache
def demo_geodata() -> Geodata:
    """The shipped synthetic set, open, as ``VIDARE_TEST_NETWORKS=on`` opens it."""
    return Geodata(lambda: DEMO, test=True)


def build_test_set(folder: Path, table: Mapping[str, Any] | None = None) -> Path:
    """Write the synthetic databases of *table* (the demo's ``ranges.toml`` if none) into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in synthetic_databases(table or tomllib.loads((DEMO / "ranges.toml").read_text("utf-8"))).items():
        (folder / name).write_bytes(body)
    return folder


def write_source(path: Path, rows: Mapping[str, Any], *, kind: str = TEST_COUNTRY_TYPE, epoch: int = UNDATED) -> Path:
    """Write one database that answers *rows* (block to value)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(
        write([cidr_range(cidr, value) for cidr, value in rows.items()], Meta(kind, "made by a test", epoch))
    )
    temporary.replace(path)
    return path
