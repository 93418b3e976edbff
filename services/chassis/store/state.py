"""
What a task remembers: rows in a local store, and the view of them while a transaction is being decided.

The store is disposable: the changelog topic is the truth. It is changed only
after the commit, together with the offset up to which it holds the changelog.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from heapq import merge
from typing import Protocol

from services.chassis.hop import View

Rows = Mapping[str, bytes | None]
"""Changes: None deletes."""
_END = "\U0010ffff"


class Store(Protocol):
    """Rows of one task and the changelog offset they stand for."""

    def get(self, key: str) -> bytes | None:
        """The value of *key*, or None."""

    def scan(self, prefix: str, *, limit: int = 1000) -> Iterator[tuple[str, bytes]]:
        """Rows whose key begins with *prefix*, in key order."""

    @property
    def offset(self) -> int | None:
        """Next changelog offset that is not in here yet; None: nothing is."""

    def apply(self, changes: Rows, offset: int | None) -> None:
        """Take *changes* over, all or nothing."""

    def wipe(self) -> None:
        """Forget everything."""

    def close(self, *, clean: bool) -> None:
        """Close; *clean* says that every committed change was applied."""


class MemoryStore:
    """A store in memory: for tests, and for hops without a changelog."""

    def __init__(self) -> None:
        self._rows: dict[str, bytes] = {}
        self._keys: list[str] = []
        self._offset: int | None = None

    @property
    def offset(self) -> int | None:
        """Next changelog offset that is not in here yet."""
        return self._offset

    def get(self, key: str) -> bytes | None:
        """The value of *key*, or None."""
        return self._rows.get(key)

    def scan(self, prefix: str, *, limit: int = 1000) -> Iterator[tuple[str, bytes]]:
        """Rows whose key begins with *prefix*, in key order."""
        first = bisect_left(self._keys, prefix)
        for key in self._keys[first : first + limit]:
            if not key.startswith(prefix):
                return
            yield key, self._rows[key]

    def apply(self, changes: Rows, offset: int | None) -> None:
        """Take *changes* over."""
        for key, value in changes.items():
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
        self._keys = sorted(self._rows)
        self._offset = offset if offset is not None else self._offset

    def wipe(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self._keys.clear()
        self._offset = None

    def close(self, *, clean: bool) -> None:
        """Nothing to do."""


class Overlay(View):
    """The store as it will be after everything decided so far in this transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changes: dict[str, bytes | None] = {}

    def get(self, key: str) -> bytes | None:
        """The value of *key*, or None."""
        if key in self.changes:
            return self.changes[key]
        return self._store.get(key)

    def scan(self, prefix: str, *, limit: int = 1000) -> Iterator[tuple[str, bytes]]:
        """Rows whose key begins with *prefix*, in key order."""
        mine = sorted((key, value) for key, value in self.changes.items() if key.startswith(prefix))
        if not mine:
            yield from self._store.scan(prefix, limit=limit)
            return
        changed = {key for key, _ in mine}
        stored = ((k, v) for k, v in self._store.scan(prefix, limit=limit + len(mine)) if k not in changed)
        left = limit
        for key, value in merge(stored, ((k, v) for k, v in mine if v is not None), key=lambda row: row[0]):
            if not left:
                return
            left -= 1
            yield key, value

    def put(self, changes: Rows) -> None:
        """Add *changes* to what the transaction will write."""
        self.changes.update(changes)
