"""What ``vidare geodata status`` tells of the lists beside the databases: who says so, and how old that is."""

from datetime import date
from typing import Any

from services.geolocate.geodata import Geodata
from services.indicators import lists

_NAMES = (*(f"{name}.txt" for name in lists.NAMES), "places-SE.csv")


def list_rows(geodata: Geodata, today: date) -> list[dict[str, Any]]:
    """One row per entry of the networks in use, and one per list of the URL parser and the places."""
    networks = [
        _row(one.id, one.kind, one.source, one.date, today) | {"blocks": one.blocks, "numbers": one.numbers}
        for one in geodata.current.networks.listed
    ]
    return networks + [_of_list(name, today) for name in _NAMES]


def _of_list(name: str, today: date) -> dict[str, Any]:
    lines = lists.read_lines(name)
    source, day = lists.stated(lines)
    entries = sum(1 for line in lines if line.strip() and not line.startswith("#"))
    return _row(name.rpartition(".")[0], "list", source, day, today) | {"entries": entries}


def _row(name: str, kind: str, source: str | None, day: date | None, today: date) -> dict[str, Any]:
    return {
        "list": name,
        "kind": kind,
        "from": source,
        "date": day.isoformat() if day else None,
        "age_days": (today - day).days if day else None,
    }
