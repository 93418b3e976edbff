"""
Networks whose address says nothing of where content lies: CDN edges, anycast, Tor exits.

Data comes from ``networks.toml`` and ``tor-exits.txt``; the narrowest block
decides, then the operator's number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.chassis.errors import Misconfigured
from services.chassis.tomlfile import read_toml, validate

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


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs such a network, and the agency id of its own child-safety desk, if it is one of the mesh."""

    id: str
    kind: NetworkKind
    agency: str | None = None


@dataclass(slots=True)
class Networks:
    """Every known operator, by block and by number."""

    by_asn: dict[int, Operator] = field(default_factory=dict)
    _blocks: dict[tuple[int, int], dict[int, Operator]] = field(default_factory=dict)
    _widths: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def add(self, operator: Operator, blocks: Iterable[str], numbers: Sequence[int] = ()) -> None:
        """
        Know *operator* by its blocks and numbers; a later one wins where two name the same.

        Raises:
            ValueError: A block is not in CIDR notation.
        """
        for block in blocks:
            net = ip_network(block)
            bits = net.max_prefixlen
            self._blocks.setdefault((bits, net.prefixlen), {})[int(net[0]) >> bits - net.prefixlen] = operator
        for number in numbers:
            self.by_asn[number] = operator
        for bits in (32, 128):
            self._widths[bits] = tuple(sorted((length for b, length in self._blocks if b == bits), reverse=True))

    def find(self, number: int, bits: int, asn: int | None) -> Operator | None:
        """The operator of address *number*, of *bits* bits, that network *asn* announces; None for an ordinary one."""
        for length in self._widths.get(bits, ()):
            found = self._blocks[bits, length].get(number >> bits - length)
            if found is not None:
                return found
        return self.by_asn.get(asn) if asn is not None else None


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
    return made


def _read_operators(made: Networks, path: Path) -> None:
    file = read_toml(path)
    for number, row in enumerate(validate(file, _File).operator):
        try:
            made.add(Operator(row.id, row.kind, row.agency), row.cidr, row.asn)
        except ValueError as error:
            raise file.refuse(("operator", number, "cidr"), f"operator {row.id!r}: {error}") from error


def _read_exits(made: Networks, path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    blocks = [
        (number, line.strip()) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")
    ]
    for number, block in blocks:
        try:
            ip_network(block)
        except ValueError as error:
            raise Misconfigured(f"{path}:{number}: {error}; one address or block a line") from error
    made.add(Operator(_TOR, "tor_exit"), [block for _, block in blocks])
