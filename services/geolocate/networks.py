"""
Networks whose address says nothing of where content lies: CDN edges, anycast, Tor exits.

Data comes from ``networks.toml`` and ``tor-exits.txt``; the narrowest block
decides, then the operator's number.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.chassis.errors import Misconfigured
from services.chassis.tomlfile import read_toml, validate
from services.indicators.lists import stated

NetworkKind = Literal["cdn", "anycast", "tor_exit", "vpn", "cgnat"]

_TOR = "tor-exits"


class _Row(BaseModel):
    """One operator of ``networks.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    kind: NetworkKind
    agency: str | None = None
    source: str
    date: date
    asn: tuple[Annotated[int, Field(gt=0)], ...] = ()
    cidr: tuple[str, ...] = ()


class _File(BaseModel):
    """``networks.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: tuple[_Row, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """Who runs such a network, and its own child-safety desk if that is one of the mesh; known by identity."""

    id: str
    kind: NetworkKind
    agency: str | None = None
    """Id of the desk."""


_BLANK: tuple[list[int], list[Operator | None]] = ([0], [None])
"""Nobody anywhere."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a list: who says so, and the day of the snapshot that it was taken from."""

    id: str
    kind: NetworkKind
    source: str | None
    date: date | None
    blocks: int
    numbers: int
    path: Path


@dataclass(slots=True)
class Networks:
    """Every known operator, by block and by number."""

    listed: list[Listed] = field(default_factory=list)
    by_asn: dict[int, Operator] = field(default_factory=dict)
    _blocks: dict[tuple[int, int], dict[int, Operator]] = field(default_factory=dict)
    _widths: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _stretches: dict[int, tuple[list[int], list[Operator | None]]] = field(default_factory=dict)
    """Per width in bits: where each stretch of one operator (or none) starts, and whose it is."""

    def add(self, operator: Operator, blocks: Iterable[str], numbers: Sequence[int] = ()) -> None:
        """
        Know *operator* by its blocks and numbers; a later one wins where two name the same.

        Raises:
            ValueError: A block is not in CIDR notation.
        """
        self.note(operator, blocks, numbers)
        self.paint()

    def note(self, operator: Operator, blocks: Iterable[str], numbers: Sequence[int] = ()) -> None:
        """`add` without `paint`, which must follow the last of several."""
        for block in blocks:
            net = ip_network(block)
            bits = net.max_prefixlen
            self._blocks.setdefault((bits, net.prefixlen), {})[int(net[0]) >> bits - net.prefixlen] = operator
        for number in numbers:
            self.by_asn[number] = operator

    def paint(self) -> None:
        """Make what was noted findable."""
        for bits in (32, 128):
            self._widths[bits] = tuple(sorted((length for b, length in self._blocks if b == bits), reverse=True))
            self._stretches[bits] = self._painted(bits)

    def find(self, number: int, bits: int, asn: int | None) -> Operator | None:
        """The operator of address *number*, of *bits* bits, that network *asn* announces; None for an ordinary one."""
        starts, operators = self._stretches.get(bits, _BLANK)
        found = operators[bisect_right(starts, number) - 1]
        return self.by_asn.get(asn) if found is None and asn is not None else found

    def _painted(self, bits: int) -> tuple[list[int], list[Operator | None]]:
        """Every number at which the narrowest block may change: one bisection answers `find` then."""
        edges = {0}
        for (width, length), blocks in self._blocks.items():
            if width == bits:
                edges.update(block + end << bits - length for block in blocks for end in (0, 1))
        starts = sorted(edges)
        return starts, [self._narrowest(start, bits) for start in starts]

    def _narrowest(self, number: int, bits: int) -> Operator | None:
        for length in self._widths[bits]:
            found = self._blocks[bits, length].get(number >> bits - length)
            if found is not None:
                return found
        return None


def load_networks(folders: Iterable[Path]) -> Networks:
    """
    The operators that ``networks.toml`` and ``tor-exits.txt`` of *folders* name; later folders win.

    Raises:
        Misconfigured: File, line and reason.
    """
    made = Networks()
    for folder in folders:
        if (folder / "networks.toml").is_file():
            _read_operators(made, folder / "networks.toml")
        if (folder / "tor-exits.txt").is_file():
            _read_exits(made, folder / "tor-exits.txt")
    made.paint()
    return made


def _read_operators(made: Networks, path: Path) -> None:
    file = read_toml(path)
    for number, row in enumerate(validate(file, _File).operator):
        try:
            made.note(Operator(row.id, row.kind, row.agency), row.cidr, row.asn)
        except ValueError as error:
            wrong = next((block for block in row.cidr if not _is_block(block)), "")
            where, near = ("operator", number, "cidr"), (f'"{wrong}"',)
            raise file.refuse(where, f"operator {row.id!r}: {error}", near=near) from error
        made.listed.append(Listed(row.id, row.kind, row.source, row.date, len(row.cidr), len(row.asn), path))


def _is_block(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _read_exits(made: Networks, path: Path) -> None:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}:1: not a text in UTF-8; one address or block a line") from error
    blocks = [
        (number, line.strip()) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")
    ]
    for number, block in blocks:
        try:
            ip_network(block)
        except ValueError as error:
            raise Misconfigured(f"{path}:{number}: {error}; one address or block a line") from error
    made.note(Operator(_TOR, "tor_exit"), [block for _, block in blocks])
    source, day = stated(lines)
    made.listed.append(Listed(_TOR, "tor_exit", source, day, len(blocks), 0, path))
