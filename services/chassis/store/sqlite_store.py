"""
The local store of a task: one SQLite file, locked by its process, thrown away whenever it may be stale.

It survives a kill of the process (the operating system keeps what was
written), not a fall of the machine: a new boot without a clean close wipes it.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from services.chassis.store.state import Rows

_END = "\U0010ffff"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_PAGE = 1000
"""Rows that a scan holds at a time: a store may hold more than the memory should."""
_USED_EVERY_S = 60.0
"""How often the time of last use is renewed; far below the age at which a store is wiped."""


def boot_id() -> str:
    """Id of this start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


class SqliteStore:
    """Rows in a file; opening it decides whether what it holds may be believed."""

    def __init__(self, path: Path, *, max_age_s: float, now: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._now = now
        self._used = 0.0
        self._temporary = False
        self._lock, self._path = self._own(path)
        self._db = self._open()
        if not self._believable(max_age_s):
            self.wipe()
        self._set("clean", "no")
        self._set("boot", boot_id())
        self._touch()

    def _own(self, path: Path) -> tuple[int, Path]:
        """Lock the file; while another process still has it, use one of our own that is thrown away."""
        lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._temporary = True
            path = path.with_name(f"{path.stem}.{os.getpid()}-{time.monotonic_ns()}.sqlite")
        return lock, path

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError:
            self._remove()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, cached_statements=32)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA cache_size=-2000")
        db.executescript(_SCHEMA)
        return db

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").unlink()

    def _believable(self, max_age_s: float) -> bool:
        if self._fact("offset") is None:
            return True
        age = self._now() - float(self._fact("used") or 0)
        same_boot = self._fact("boot") == boot_id()
        return 0 <= age <= max_age_s and (same_boot or self._fact("clean") == "yes")

    def _fact(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _touch(self) -> None:
        now = self._now()
        if now - self._used > _USED_EVERY_S or now < self._used:
            self._used = now
            self._set("used", str(now))

    @property
    def offset(self) -> int | None:
        """Next changelog offset that is not in here yet."""
        known = self._fact("offset")
        return None if known is None else int(known)

    def get(self, key: str) -> bytes | None:
        """The value of *key*, or None."""
        row = self._db.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def scan(self, prefix: str, *, limit: int = 1000) -> Iterator[tuple[str, bytes]]:
        """Rows whose key begins with *prefix*, in key order."""
        begin, first, left = ">=", prefix, limit
        while left > 0:
            rows = self._db.execute(
                f"SELECT key, value FROM rows WHERE key {begin} ? AND key < ? ORDER BY key LIMIT ?",  # noqa: S608
                (first, prefix + _END, min(left, _PAGE)),
            ).fetchall()
            for key, value in rows:
                yield key, bytes(value)
            if len(rows) < _PAGE:
                return
            begin, first, left = ">", rows[-1][0], left - len(rows)

    def apply(self, changes: Rows, offset: int | None) -> None:
        """Take *changes* over, all or nothing."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR REPLACE INTO rows VALUES (?, ?)", [(k, v) for k, v in changes.items() if v is not None]
        )
        self._db.executemany("DELETE FROM rows WHERE key = ?", [(k,) for k, v in changes.items() if v is None])
        if offset is not None:
            self._set("offset", str(offset))
        self._touch()
        self._db.execute("COMMIT")

    def wipe(self) -> None:
        """Forget everything."""
        self._db.executescript("DELETE FROM rows; DELETE FROM facts;")
        self._used = 0.0

    def close(self, *, clean: bool) -> None:
        """Close; *clean* says that every committed change was applied."""
        if clean:
            self._set("clean", "yes")
            self._set("used", str(self._now()))
        self._db.close()
        if self._temporary:
            self._remove()
        os.close(self._lock)
