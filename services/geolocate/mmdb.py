"""
Write ``.mmdb`` files: sorted address ranges in, the smallest tree that answers the same out.

The MaxMind DB format is a binary tree over address bits, a data section and
metadata. Equal sub-trees are written once, which no reader minds and which
makes country databases several times smaller than a plain tree.

Source: https://maxmind.github.io/MaxMind-DB/ (format 2.0).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Value: TypeAlias = "str | int | Mapping[str, Value] | Sequence[str]"

V6_BITS = 128
UNDATED = 1
MARKER = b"\xab\xcd\xefMaxMind.com"
SEPARATOR = 16
"""Zero bytes between tree and data, by the format."""

_STRING, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 5, 6, 7, 9, 11
_EXTENDED = 7
"""Types above this number take a second byte."""

_NEAR = 2048
"""A pointer below this takes two bytes; keys that come later are written out."""


class Range(NamedTuple):
    """Addresses *first* to *last*, both included, as 128-bit numbers; IPv4 lies at ``::/96``."""

    first: int
    last: int
    value: Value


@dataclass(frozen=True, slots=True)
class Meta:
    """What a file says of itself."""

    database_type: str
    description: str
    build_epoch: int
    """Seconds; `UNDATED` where the data has no date (the synthetic set): readers refuse 0."""


def _control(kind: int, size: int) -> bytes:
    if size < 29:
        head, tail = size, b""
    elif size < 285:
        head, tail = 29, bytes([size - 29])
    elif size < 65_821:
        head, tail = 30, (size - 285).to_bytes(2, "big")
    else:
        raise ValueError(f"a value of {size} bytes does not belong in an address database")
    if kind > _EXTENDED:
        return bytes([head, kind - _EXTENDED]) + tail
    return bytes([kind << 5 | head]) + tail


def _number(value: int, kind: int) -> bytes:
    body = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return _control(kind, len(body)) + body


def encode(value: Value, keys: Mapping[str, bytes] | None = None) -> bytes:
    """The bytes of *value*; map keys named in *keys* are written as the pointers given there."""
    if isinstance(value, str):
        body = value.encode()
        return _control(_STRING, len(body)) + body
    if isinstance(value, int):
        return _number(value, _UINT32 if value < 1 << 32 else _UINT64)
    if isinstance(value, Mapping):
        parts = [(keys or {}).get(key) or encode(key) for key in value]
        body = b"".join(part + encode(item, keys) for part, item in zip(parts, value.values(), strict=True))
        return _control(_MAP, len(value)) + body
    return _control(_ARRAY, len(value)) + b"".join(encode(item, keys) for item in value)


class _Data:
    """The data section: every distinct value once."""

    def __init__(self) -> None:
        self.parts = bytearray()
        self._keys: dict[str, bytes] = {}
        self._offsets: dict[bytes, int] = {}

    def offset(self, value: Value) -> int:
        for key in value if isinstance(value, Mapping) else ():
            if key not in self._keys and len(self.parts) < _NEAR:
                self._keys[key] = bytes([1 << 5 | len(self.parts) >> 8, len(self.parts) & 0xFF])
                self.parts += encode(key)
        body = encode(value, self._keys)
        if body not in self._offsets:
            self._offsets[body] = len(self.parts)
            self.parts += body
        return self._offsets[body]


def _segments(ranges: Iterable[Range], data: _Data) -> tuple[list[int], list[int]]:
    """Starts and leaves that cover the whole space; a leaf is a data offset, or -1 for nothing."""
    starts, leaves = [0], [-1]
    offsets: dict[str, int] = {}
    for first, last, value in sorted(ranges, key=lambda row: row[0]):
        known = value if isinstance(value, str) else repr(value)
        if known not in offsets:
            offsets[known] = data.offset(value)
        if first < starts[-1]:
            raise ValueError("two ranges of one database overlap")
        if first == starts[-1]:
            del starts[-1], leaves[-1]
        for start, leaf in ((first, offsets[known]), (last + 1, -1)):
            if start >> V6_BITS == 0 and (not leaves or leaves[-1] != leaf):
                starts.append(start)
                leaves.append(leaf)
    return starts, leaves


class _Tree:
    """Nodes, children before parents, equal ones once. A child below zero is a leaf."""

    def __init__(self, starts: Sequence[int], leaves: Sequence[int]) -> None:
        self._starts, self._leaves = starts, leaves
        self.nodes: list[tuple[int, int]] = []
        self._known: dict[tuple[int, int], int] = {}
        root = self._build(0, len(starts), 0, V6_BITS)
        if root < 0:
            self.nodes.append((root, root))

    def _build(self, low: int, high: int, base: int, bits: int) -> int:
        if high - low == 1:
            return -2 - self._leaves[low]
        middle = base + (1 << bits - 1)
        cut = bisect_right(self._starts, middle, low, high)
        exact = self._starts[cut - 1] == middle
        left = self._build(low, cut - 1 if exact else cut, base, bits - 1)
        right = self._build(cut - 1, high, middle, bits - 1)
        if left == right and left < 0:
            return left
        node = (left, right)
        if node not in self._known:
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return self._known[node]


def _records(tree: _Tree, data_size: int) -> tuple[bytes, int]:
    """The tree's bytes and the size of one record in bits."""
    count = len(tree.nodes)
    width = 3 if count + SEPARATOR + data_size < 1 << 24 else 4

    def number(child: int) -> bytes:
        if child >= 0:
            return (count - 1 - child).to_bytes(width, "big")
        return (count if child == -1 else count + SEPARATOR - child - 2).to_bytes(width, "big")

    return b"".join(number(a) + number(b) for a, b in reversed(tree.nodes)), width * 8


def write(ranges: Iterable[Range], meta: Meta) -> bytes:
    """
    The file that answers every address as *ranges* say.

    Raises:
        ValueError: Two ranges overlap.
    """
    data = _Data()
    tree = _Tree(*_segments(ranges, data))
    body, bits = _records(tree, len(data.parts))
    head = b"".join(
        encode(key) + value
        for key, value in (
            ("node_count", _number(len(tree.nodes), _UINT32)),
            ("record_size", _number(bits, _UINT16)),
            ("ip_version", _number(6, _UINT16)),
            ("database_type", encode(meta.database_type)),
            ("languages", encode(["en"])),
            ("binary_format_major_version", _number(2, _UINT16)),
            ("binary_format_minor_version", _number(0, _UINT16)),
            ("build_epoch", _number(meta.build_epoch, _UINT64)),
            ("description", encode({"en": meta.description})),
        )
    )
    return body + bytes(SEPARATOR) + bytes(data.parts) + MARKER + _control(_MAP, 9) + head
