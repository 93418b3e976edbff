"""
The pull channel: what the door shows an agency of its own feed.

A read model of ``referrals-agency-<a>`` and ``deliveries`` on disk (SQLite),
made anew from the topics at every start. The cursor is the offset in the
agency's feed, so nothing is skipped and nothing comes twice behind it.
"""

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from contracts.events import DeliveryRecorded
from contracts.topics import AGENCY, DELIVERIES
from services.chassis.broker.broker_port import Broker, LaneReader, Spot
from services.chassis.hop import Record

ANSWERED = frozenset({"acknowledged", "closed", "nacked", "withdrawn", "receipt_ignored"})
"""After one of these a referral is no longer open; a notice closes itself and is listed until its cursor is behind."""

PAGE = 100
TAKEN_AT_ONCE = 500

SCHEMA = """
CREATE TABLE feed (agency TEXT, place INTEGER, referral TEXT, body BLOB, PRIMARY KEY (agency, place)) WITHOUT ROWID;
CREATE INDEX feed_referral ON feed (agency, referral);
CREATE TABLE answered (agency TEXT, referral TEXT, PRIMARY KEY (agency, referral)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Documents in the order of the feed, and the cursor behind the last one."""

    documents: tuple[bytes, ...]
    after: int


class PullView:
    """The read model."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        """Begin empty at *path*, whatever was there."""
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(SCHEMA)
        self._changed: dict[str, asyncio.Event] = {}

    def apply(self, record: Record) -> None:
        """Take note of one record of a feed or of ``deliveries``."""
        if record.value is None:
            return
        if record.topic == DELIVERIES:
            self._delivery(DeliveryRecorded.model_validate_json(record.value))
            return
        agency = record.topic.removeprefix(AGENCY)
        row = (agency, record.offset, (record.key or b"").decode(errors="replace"), record.value)
        self._db.execute("INSERT OR REPLACE INTO feed VALUES (?, ?, ?, ?)", row)
        self._changed.pop(agency, asyncio.Event()).set()

    def _delivery(self, recorded: DeliveryRecorded) -> None:
        if recorded.what in ANSWERED and recorded.reason != "notice":
            row = (recorded.destination, str(recorded.referral_id))
            self._db.execute("INSERT OR REPLACE INTO answered VALUES (?, ?)", row)

    def page(self, agency: str, *, after: int = -1, open_only: bool = True, limit: int = PAGE) -> Page:
        """Up to *limit* documents of *agency* behind the cursor *after*."""
        still_open = "AND referral NOT IN (SELECT referral FROM answered WHERE answered.agency = feed.agency)"
        found = self._db.execute(
            f"SELECT place, body FROM feed WHERE agency = ? AND place > ? {still_open if open_only else ''} "  # noqa: S608 - our own words
            "ORDER BY place LIMIT ?",
            (agency, after, limit),
        ).fetchall()
        return Page(tuple(body for _, body in found), found[-1][0] if found else after)

    async def wait_page(self, agency: str, *, after: int, open_only: bool, wait_s: float) -> Page:
        """The same, but wait up to *wait_s* seconds for the first document."""
        page = self.page(agency, after=after, open_only=open_only)
        try:
            async with asyncio.timeout(wait_s):
                while not page.documents:
                    await self._changed.setdefault(agency, asyncio.Event()).wait()
                    page = self.page(agency, after=after, open_only=open_only)
        except TimeoutError:
            pass
        return page

    async def knows(self, agency: str, referral: UUID, *, wait_s: float) -> bool:
        """Tell whether *referral* stands in the feed of *agency*; its reader may be ahead of us, so wait a little."""
        try:
            async with asyncio.timeout(wait_s):
                while not self._holds(agency, referral):
                    await self._changed.setdefault(agency, asyncio.Event()).wait()
        except TimeoutError:
            return False
        return True

    def _holds(self, agency: str, referral: UUID) -> bool:
        row = (agency, str(referral))
        return self._db.execute("SELECT 1 FROM feed WHERE agency = ? AND referral = ?", row).fetchone() is not None

    def close(self) -> None:
        """Close the file."""
        self._db.close()


async def follow(view: PullView, broker: Broker, agencies: Iterable[str], ready: asyncio.Event) -> None:
    """Read the feeds of *agencies* and ``deliveries`` into *view* for ever; set *ready* when it has caught up once."""
    counts = await broker.partitions([DELIVERIES, *(AGENCY + agency for agency in agencies)])
    spots = [Spot(topic, partition) for topic, count in counts.items() for partition in range(count)]
    spans = await broker.spans(spots)
    behind = {spot: span.end for spot, span in spans.items() if span.end > span.begin}
    reader = broker.reader("pull")
    await reader.start()
    try:
        reader.assign({spot: span.begin for spot, span in spans.items()})
        while True:
            behind = {spot: end for spot, end in behind.items() if (reader.position(spot) or 0) < end}
            if not behind:
                ready.set()
            await _read(view, reader, spots)
    finally:
        await reader.stop()


async def _read(view: PullView, reader: LaneReader, spots: Iterable[Spot]) -> None:
    """
    Take everything that is here; look again every second, for the end of a partition may be a transaction's marker.

    Nothing is left behind: the client asks for no more while any record that it has is not taken, and tells of
    none twice, so what stayed would stay for ever.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await reader.arrived()
    for spot in spots:
        while records := await reader.take(spot, TAKEN_AT_ONCE):
            for record in records:
                view.apply(record)
            await asyncio.sleep(0)
