"""Mutilated databases: each is refused with the file and one reason, and whatever is accepted answers every address."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import maxminddb
import pytest

from services.geolocate.geodata import DEMO, SHIPPED
from services.geolocate.mmdb import MARKER, Value, encode
from services.geolocate.source import BrokenDatabase, open_source
from services.geolocate.wholeness import NotWhole, check_whole

WHOLE = (DEMO / "test-asn.mmdb").read_bytes()
META = WHOLE.rindex(MARKER)
with maxminddb.open_database(str(DEMO / "test-asn.mmdb")) as _reader:
    NODES = _reader.metadata().node_count
SAID: dict[str, Value] = {
    "node_count": NODES,
    "record_size": 24,
    "ip_version": 6,
    "database_type": "Vidare-Test-ASN",
    "languages": ["en"],
    "binary_format_major_version": 2,
    "binary_format_minor_version": 0,
    "build_epoch": 1,
    "description": {"en": "made by a test"},
}
TREE = NODES * 6
DATA = TREE + 16
ADDRESSES = (
    *(f"192.0.2.{n}" for n in range(0, 256, 5)),
    *(f"203.0.113.{n}" for n in range(0, 256, 16)),
    *("8.8.8.8", "2001:db8:1::1", "2001:db8:f000::1", "::1", "fe80::1"),
)
Mutate = Callable[[bytes], bytes]


def put(at: int, new: bytes) -> Mutate:
    """Overwrite bytes."""
    return lambda data: data[:at] + new + data[at + len(new) :]


def said(**changed: Value | None) -> Mutate:
    """Other words in the metadata; None leaves one out."""
    words = {name: value for name, value in (SAID | changed).items() if value is not None}
    return lambda data: data[: META + len(MARKER)] + encode(words)


def data_of(section: bytes) -> Mutate:
    """Another data section, behind a tree of one node whose records point at its first byte."""
    node = (1 + 16).to_bytes(3, "big") * 2
    return lambda _: node + bytes(16) + section + MARKER + encode(SAID | {"node_count": 1})


def record(side: int, value: int, node: int = 0) -> Mutate:
    """Overwrite one record of the tree."""
    return put(node * 6 + side * 3, value.to_bytes(3, "big"))


CASES: dict[str, tuple[Mutate, str]] = {
    "zero bytes": (lambda _: b"", "no metadata"),
    "only zeros": (lambda data: bytes(len(data)), "no metadata"),
    "no database": (lambda _: b"not a database" * 99, "no metadata"),
    "half": (lambda data: data[: len(data) // 2], "no metadata"),
    "the tail is gone": (lambda data: data[:-40], "runs over its end"),
    "the head is gone": (lambda data: data[64:], "larger than the file|gap|outside|runs over|no text|no kind|nested"),
    "metadata only": (lambda data: data[META:], "larger than the file"),
    "metadata is no map": (lambda data: data[: META + len(MARKER)] + encode("text"), "no map"),
    "metadata is empty": (lambda data: data[: META + len(MARKER)] + encode({}), "node_count"),
    "a tree without nodes": (said(node_count=0), "node_count"),
    "a tree of many nodes": (said(node_count=2**32 - 1), "larger than the file"),
    "node_count is a text": (said(node_count="many"), "node_count"),
    "one node too many": (said(node_count=NODES + 1), "gap|outside"),
    "record size 16": (said(record_size=16), "record_size 16"),
    "record size 0": (said(record_size=0), "record_size 0"),
    "record size 32 for 24": (said(record_size=32), "larger than the file|gap|outside"),
    "record size 28 for 24": (said(record_size=28), "larger than the file|gap|outside"),
    "ip version 5": (said(ip_version=5), "ip_version"),
    "format 3": (said(binary_format_major_version=3), "binary_format_major_version"),
    "no type": (said(database_type=None), "database_type"),
    "no build date": (said(build_epoch=None), "build_epoch"),
    "a description that is a number": (said(description=7), "description"),
    "a circle": (record(0, 0), "circle"),
    "a wide circle": (record(1, 0, NODES - 1), "circle"),
    "a record behind the end": (record(0, 0xFF_FFFF), "outside the data"),
    "a record in the gap": (record(0, NODES + 5), "outside the data"),
    "no gap": (put(TREE, b"\x01"), "gap"),
    "a key that is a number": (data_of(b"\xe1\xa1\x05\x41x"), "no text"),
    "a key that is a map": (data_of(b"\xe1\xe0\x41x"), "no text"),
    "a pointer to itself": (data_of(b"\x20\x00"), "points at a pointer"),
    "a map within itself": (data_of(b"\xe1\x41x\x20\x00"), "nested without end"),
    "an array within itself": (data_of(b"\x01\x04\x20\x00"), "nested without end"),
    "a bomb of maps": (
        data_of(
            b"".join(b"\xe2\x41a" + b"\x20%c" % (9 * n) + b"\x41b" + b"\x20%c" % (9 * n) for n in range(1, 25))
            + b"\x41x"
        ),
        "nested without end",
    ),
    "a pointer behind the end": (data_of(b"\xe1\x41x\x27\xff"), "runs over its end"),
    "a text of 16 MB": (data_of(b"\x5f\xff\xff\xff"), "runs over its end"),
    "a map of 16 million": (data_of(b"\xff\xff\xff\xff"), "runs over its end"),
    "an array of 16 million": (data_of(b"\x1f\x04\xff\xff\xff"), "runs over its end"),
    "a number of 9 bytes": (data_of(b"\xe1\x41x\x09\x02" + bytes(9)), "of no kind"),
    "a kind that is none": (data_of(b"\xe1\x41x\x01\x20\x00"), "of no kind"),
    "a text that is none": (data_of(b"\xe1\x41x\x42\xff\xfe"), "not UTF-8"),
    "a float of 3 bytes": (data_of(b"\xe1\x41x\x03\x08abc"), "of no kind"),
}


@pytest.mark.parametrize(("mutate", "reason"), CASES.values(), ids=CASES)
def test_a_mutilated_database_is_refused_with_one_reason(tmp_path: Path, mutate: Mutate, reason: str) -> None:
    """Cut, circular, pointing nowhere, of sizes and kinds that are none: nobody asks it for an address."""
    path = tmp_path / "bad.mmdb"
    path.write_bytes(mutate(WHOLE))

    with pytest.raises(BrokenDatabase) as error:
        open_source(path)

    told = str(error.value)
    assert told.startswith(f"{path}: ")
    assert "\n" not in told
    assert any(one in told for one in reason.split("|")), told


def test_whatever_is_accepted_answers_every_address(tmp_path: Path) -> None:
    """Files with some bytes changed: each is refused, or answers as if nothing were; no process ends."""
    draw, path = Random(7), tmp_path / "maybe.mmdb"
    for _ in range(150):
        body = bytearray(WHOLE)
        for _ in range(draw.choice((1, 1, 2, 8))):
            at = draw.randrange(len(body))
            body[at] = draw.choice((0, 255, body[at] ^ 1 << draw.randrange(8)))
        path.write_bytes(body)
        assert _survives(path), f"look-ups in {bytes(body).hex()}"


def _survives(path: Path) -> bool:
    """Open and ask in a process of its own, so that a crash of the reader is an answer too."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            source = open_source(path)
            ask = source.country or source.network
            for ip in ADDRESSES:
                assert ask is not None
                ask(ip)
            code = 0
        except BrokenDatabase:
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("path", [*sorted(SHIPPED.glob("*.mmdb")), *sorted(DEMO.glob("*.mmdb"))], ids=lambda p: p.stem)
def test_the_shipped_databases_are_whole(path: Path) -> None:
    """Read once here, so that nobody has to wait for it when a process starts."""
    check_whole(path.read_bytes())


def test_the_shipped_sums_are_those_of_the_shipped_files() -> None:
    """A file that is vouched for is the file that was read as a whole."""
    rows = [line.split() for line in (SHIPPED / "SHA256SUMS").read_text("utf-8").splitlines()]
    sums = {name: digest for digest, name in rows}

    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SHIPPED.glob("*.mmdb")}


@pytest.mark.parametrize("bits", [24, 28, 32])
def test_every_record_size_is_read(tmp_path: Path, bits: int) -> None:
    """Files of other writers: the same answers whatever the width, and a circle is seen in each."""
    from mmdb_writer import MMDBWriter  # noqa: PLC0415
    from netaddr import IPSet  # noqa: PLC0415

    made = MMDBWriter(6, "Any-Country", languages=["en"], description={"en": "made up"}, ipv4_compatible=True)
    for number in range(64):
        made.insert_network(IPSet([f"192.0.{number}.0/24"]), {"country": {"iso_code": "SE"}, "n": number})
    path = tmp_path / "any.mmdb"
    made.to_db_file(str(path))
    body = _widened(path.read_bytes(), bits)

    check_whole(body)
    with pytest.raises(NotWhole, match="circle"):
        check_whole(
            bytes(bits // 8 if bits != 28 else 3)
            + (body[3:4] if bits == 28 else b"")
            + body[bits // 8 if bits != 28 else 4 :]
        )


def _widened(body: bytes, bits: int) -> bytes:
    """*body* with records of *bits*, whatever width they have."""
    meta = body.rindex(MARKER)
    at = body.index(b"record_size", meta) + 11
    old, nodes_at = body[at + 1], body.index(b"node_count", meta) + 10
    nodes = int.from_bytes(body[nodes_at + 1 : nodes_at + 1 + (body[nodes_at] & 31)], "big")
    size = old // 4
    tree = b""
    for node in range(nodes):
        raw = body[node * size : (node + 1) * size]
        if old == 28:
            pair = (
                (raw[3] >> 4) << 24 | int.from_bytes(raw[:3], "big"),
                (raw[3] & 15) << 24 | int.from_bytes(raw[4:], "big"),
            )
        else:
            pair = int.from_bytes(raw[: size // 2], "big"), int.from_bytes(raw[size // 2 :], "big")
        if bits == 28:
            middle = bytes([pair[0] >> 24 << 4 | pair[1] >> 24])
            tree += (pair[0] & 0xFFFFFF).to_bytes(3, "big") + middle + (pair[1] & 0xFFFFFF).to_bytes(3, "big")
        else:
            tree += b"".join(one.to_bytes(bits // 8, "big") for one in pair)
    return tree + body[nodes * size : at + 1] + bytes([bits]) + body[at + 2 :]
