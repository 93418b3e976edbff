"""
Whether an ``.mmdb`` file is whole: every record of its tree and every value behind it, read once by careful eyes.

The reader that answers look-ups is written in C and trusts what it reads: a
map key that is no text ends the process. So a file that nobody has vouched
for is walked here first, bounded in depth and in work.

Source: https://maxmind.github.io/MaxMind-DB/ (format 2.0).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping
from operator import gt
from typing import NamedTuple

from services.geolocate.mmdb import MARKER, SEPARATOR

_POINTER, _TEXT, _DOUBLE, _BYTES, _MAP, _ARRAY, _BOOLEAN, _FLOAT = 1, 2, 3, 4, 7, 11, 14, 15
_NUMBERS = {5: 2, 6: 4, 8: 4, 9: 8, 10: 16}
"""Types of whole numbers and the most bytes that each may have."""

_FIXED = {_DOUBLE: 8, _FLOAT: 4}
_DEEPEST = 32
_MOST_PARTS = 4_096
"""Values within one record; ours have three, MaxMind's largest a few hundred."""

_META_WITHIN = 128 * 1024
_BITS = {4: 32, 6: 128}


class NotWhole(ValueError):
    """A file that a reader must not be trusted with; says what is wrong with it, in words."""


class _Meta(NamedTuple):
    nodes: int
    bits: int
    """Of one record; a node has two."""


def check_whole(body: bytes) -> None:
    """
    Read all of *body*.

    Raises:
        NotWhole: Something in it points nowhere, runs over its end, or is of a kind that does not belong there.
    """
    at = body.rfind(MARKER, max(0, len(body) - _META_WITHIN))
    if at < 0:
        raise NotWhole("no metadata at its end: not an .mmdb file, or cut short")
    meta = _meta(_Values(body[at + len(MARKER) :], "metadata").value(0))
    tree = meta.nodes * meta.bits // 4
    begin = tree + SEPARATOR
    if begin > at:
        raise NotWhole(f"a tree of {meta.nodes} nodes is larger than the file")
    if any(body[tree:begin]):
        raise NotWhole("no gap between tree and data")
    values = _Values(body[begin:at], "data")
    for offset in sorted(_leaves(body[:tree], meta, at - begin)):
        values.value(offset)


def _meta(found: object) -> _Meta:
    if not isinstance(found, Mapping):
        raise NotWhole("the metadata is no map")
    nodes, bits = found.get("node_count"), found.get("record_size")
    if not isinstance(nodes, int) or nodes < 1:
        raise NotWhole("the metadata names no node_count")
    if bits not in (24, 28, 32):
        raise NotWhole(f"record_size {bits} is none of 24, 28, 32")
    if found.get("ip_version") not in _BITS:
        raise NotWhole("ip_version is neither 4 nor 6")
    if found.get("binary_format_major_version") != 2:
        raise NotWhole("binary_format_major_version is not 2")
    if not (isinstance(found.get("database_type"), str) and found["database_type"]):
        raise NotWhole("the metadata names no database_type")
    if not isinstance(found.get("description", {}), Mapping) or not isinstance(found.get("build_epoch"), int):
        raise NotWhole("description or build_epoch is not what it must be")
    return _Meta(nodes, bits)


def _leaves(tree: bytes, meta: _Meta, data: int) -> set[int]:
    """Offsets of every value that the tree points at."""
    left, right = _records(tree, meta.bits)
    everything = set(left) | set(right)
    first, end = meta.nodes + SEPARATOR, meta.nodes + SEPARATOR + data
    for record in everything:
        if record > meta.nodes and not first <= record < end:
            raise NotWhole("a record of the tree points outside the data")
    _check_ends(left, right, meta.nodes)
    return {record - first for record in everything if record >= first}


def _records(tree: bytes, bits: int) -> tuple[array[int], array[int]]:
    """The left and the right record of every node."""
    if bits == 32:
        parts = [[tree[n + side :: 8] for n in range(4)] for side in (0, 4)]
    elif bits == 24:
        parts = [[bytes(len(tree) // 6), *(tree[n + side :: 6] for n in range(3))] for side in (0, 3)]
    else:
        middle = tree[3::7]
        high, low = middle.translate(_HIGH), middle.translate(_LOW)
        parts = [[high, tree[0::7], tree[1::7], tree[2::7]], [low, tree[4::7], tree[5::7], tree[6::7]]]
    return _joined(parts[0]), _joined(parts[1])


_HIGH = bytes(byte >> 4 for byte in range(256))
_LOW = bytes(byte & 15 for byte in range(256))


def _joined(parts: Iterable[bytes]) -> array[int]:
    columns = list(parts)
    buffer = bytearray(4 * len(columns[0]))
    for place, column in enumerate(columns):
        buffer[place::4] = column
    made = array("I", bytes(buffer))
    if sys.byteorder == "little":
        made.byteswap()
    return made


def _check_ends(left: array[int], right: array[int], nodes: int) -> None:
    """No way through the tree comes back to where it was."""
    numbers = range(nodes)
    if all(map(gt, left, numbers)) and all(map(gt, right, numbers)):
        return
    waits = [0] * nodes
    for side in (left, right):
        for child in side:
            if child < nodes:
                waits[child] += 1
    open_ = [node for node in numbers if not waits[node]]
    done = 0
    while open_:
        node = open_.pop()
        done += 1
        for child in (left[node], right[node]):
            if child < nodes:
                waits[child] -= 1
                if not waits[child]:
                    open_.append(child)
    if done < nodes:
        raise NotWhole("the tree runs in a circle")


class _Values:
    """Values of one section, each read with its own budget."""

    def __init__(self, section: bytes, name: str) -> None:
        self._section, self._name = section, name
        self._left = 0

    def value(self, offset: int) -> object:
        """The value at *offset*."""
        self._left = _MOST_PARTS
        return self._read(offset, 0)[0]

    def _read(self, at: int, depth: int) -> tuple[object, int]:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise NotWhole(f"a value of the {self._name} is nested without end")
        kind, size, at = self._control(at)
        if kind == _POINTER:
            return self._read(size, depth + 1)[0], at
        if kind == _MAP:
            return self._map(size, at, depth)
        if kind == _ARRAY:
            return self._array(size, at, depth)
        if kind == _BOOLEAN:
            return bool(size), at
        return self._plain(kind, size, at)

    def _control(self, at: int) -> tuple[int, int, int]:
        """Kind, size (of a pointer: where it points) and where the value begins."""
        first = self._bytes(at, 1)[0]
        kind, size, at = first >> 5, first & 31, at + 1
        if kind == _POINTER:
            return self._pointer(first, at)
        if kind == 0:
            kind, at = self._bytes(at, 1)[0] + 7, at + 1
        if size >= 29:
            more = size - 28
            size = (29, 285, 65_821)[more - 1] + int.from_bytes(self._bytes(at, more), "big")
            at += more
        return kind, size, at

    def _pointer(self, first: int, at: int) -> tuple[int, int, int]:
        length = (first >> 3 & 3) + 1
        high = first & 7 if length < 4 else 0
        target = (high << 8 * length | int.from_bytes(self._bytes(at, length), "big")) + (0, 2_048, 526_336, 0)[
            length - 1
        ]
        if self._bytes(target, 1)[0] >> 5 == _POINTER:
            raise NotWhole(f"a pointer of the {self._name} points at a pointer")
        return _POINTER, target, at + length

    def _map(self, size: int, at: int, depth: int) -> tuple[object, int]:
        made: dict[str, object] = {}
        for _ in range(size):
            key, at = self._read(at, depth + 1)
            if not isinstance(key, str):
                raise NotWhole(f"a key of the {self._name} is no text")
            made[key], at = self._read(at, depth + 1)
        return made, at

    def _array(self, size: int, at: int, depth: int) -> tuple[object, int]:
        made: list[object] = []
        for _ in range(size):
            one, at = self._read(at, depth + 1)
            made.append(one)
        return made, at

    def _plain(self, kind: int, size: int, at: int) -> tuple[object, int]:
        body = self._bytes(at, size)
        if kind == _TEXT:
            try:
                return body.decode(), at + size
            except UnicodeDecodeError:
                raise NotWhole(f"a text of the {self._name} is not UTF-8") from None
        if kind in _NUMBERS and size <= _NUMBERS[kind]:
            return int.from_bytes(body, "big"), at + size
        if kind == _BYTES or _FIXED.get(kind) == size:
            return body, at + size
        raise NotWhole(f"a value of the {self._name} is of no kind, or of a size that its kind never has")

    def _bytes(self, at: int, count: int) -> bytes:
        if at + count > len(self._section):
            raise NotWhole(f"a value of the {self._name} runs over its end")
        return self._section[at : at + count]
