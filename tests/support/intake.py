"""Values for the tests of intake and triage: partners, submissions, a store in a dictionary, a door in memory."""

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from contracts.onboarding import Partner
from contracts.vocabulary import PartnerKind
from services.chassis.hop import Record

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = b"a key of the tests, 32 bytes long"
VETTED = Partner(
    id="ecpat-se", name="a hotline", kind=PartnerKind.HOTLINE, vetted=True, token="env:VIDARE_TEST_TOKEN_ONE"
)
PUBLIC = Partner(id="public", name="the form", kind=PartnerKind.PUBLIC, token="env:VIDARE_TEST_TOKEN_TWO")
PARTNERS = {partner.id: partner for partner in (VETTED, PUBLIC)}

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(range(60))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
ZIP = b"PK\x03\x04\x14\x00" + bytes(range(50))
MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(range(40))
WEBP = b"RIFF\x24\x10\x00\x00WEBPVP8 " + bytes(range(40))
"""First bytes of media formats, followed by nothing: no picture is in them."""


def fields(**changed: Any) -> dict[str, Any]:
    """A small submission as a dictionary; a field given as ``...`` is left out."""
    whole = {"reference": "E-1", "kind": "csam", "urls": ["https://host.example/a"]} | changed
    return {name: value for name, value in whole.items() if value is not ...}


def submission(**changed: Any) -> bytes:
    """The same as JSON."""
    return json.dumps(fields(**changed)).encode()


def b64(data: bytes) -> str:
    """*data* in base64."""
    return base64.b64encode(data).decode()


def record(value: bytes | None, *, topic: str = "tips-inbox-ecpat-se", offset: int = 0) -> Record:
    """A record of an inbox."""
    return Record(topic, 0, offset, None, value, (), int(NOW.timestamp() * 1000))


class DictView:
    """A task's store as a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """The value of *key*."""
        return self.rows.get(key)

    def scan(self, prefix: str, *, limit: int = 1000) -> Iterator[tuple[str, bytes]]:
        """Rows whose key begins with *prefix*."""
        yield from [(key, self.rows[key]) for key in sorted(self.rows) if key.startswith(prefix)][:limit]

    def put(self, rows: dict[str, bytes | None]) -> None:
        """Take over what an outcome asks for."""
        for key, value in rows.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value


class Inboxes:
    """Remembers what a door appended; fails while *broken* is set."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bytes, dict[str, bytes]]] = []
        self.broken: Exception | None = None

    async def append(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int = 0
    ) -> tuple[int, int]:
        """Append one record."""
        assert key is None
        if self.broken:
            raise self.broken
        self.written.append((topic, value, dict(headers)))
        return partition, len(self.written) - 1
