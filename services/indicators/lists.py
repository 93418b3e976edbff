"""The closed lists that the URL parser reads, from data files that name their source and date."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "data"
NAMES = ("redirectors", "shorteners", "messengers", "tracking")
_SOURCE, _DATE = "# source:", "; date:"


def stated(lines: Sequence[str]) -> tuple[str | None, date | None]:
    """Source and day that the head of a list states (``# source: ...; date: ...``); None where it does not."""
    head = next((line for line in lines if line.startswith(_SOURCE)), "")
    source, _, day = head.removeprefix(_SOURCE).rpartition(_DATE)
    try:
        return source.strip() or None, date.fromisoformat(day.strip())
    except ValueError:
        return head.removeprefix(_SOURCE).strip() or None, None


def read_lines(name: str) -> list[str]:
    """Every line of the file *name* of the lists."""
    return (_FOLDER / name).read_text("utf-8").splitlines()


@cache
def _rows(name: str) -> frozenset[str]:
    return frozenset(line.strip() for line in read_lines(f"{name}.txt") if line.strip() and not line.startswith("#"))


def _parents(host: str) -> list[str]:
    """*host* and every name above it, down to two labels."""
    labels = host.split(".")[-6:]
    return [".".join(labels[i:]) for i in range(max(1, len(labels) - 1))]


def is_redirector(host: str) -> bool:
    """True for shorteners and link hubs."""
    names = _parents(host)
    return not (_rows("redirectors").isdisjoint(names) and _rows("shorteners").isdisjoint(names))


def is_messenger(host: str, path: str) -> bool:
    """True where host and path name a room or a person of a messenger."""
    rows = _rows("messengers")
    first = path.split("/", 2)[1].lower() if path.count("/") else ""
    return any(name in rows or f"{name}/{first}" in rows for name in _parents(host))


def is_tracking(parameter: str) -> bool:
    """True for a query parameter that says who sent the link, not what it shows."""
    name = parameter.lower()
    rows = _rows("tracking")
    return name in rows or (f"{name.partition('_')[0]}_*" in rows and "_" in name)
