"""Where the entries of a tip lie in the log, so that one tip can be shown without reading all of it."""

from collections.abc import Iterator
from uuid import UUID

OFFSET_BYTES = 6
"""Enough for 10^14 entries; about 50 bytes a tip."""


class EntryIndex:
    """Offsets of the entries of every tip, in memory: it is made anew whenever the log is read from its beginning."""

    def __init__(self) -> None:
        self._offsets: dict[bytes, bytes] = {}

    def note(self, tip: str, offset: int) -> None:
        """Note that the entry at *offset* is one of *tip*."""
        key = UUID(tip).bytes
        self._offsets[key] = self._offsets.get(key, b"") + offset.to_bytes(OFFSET_BYTES, "big")

    def offsets(self, tip: UUID) -> list[int]:
        """Offsets of the entries of *tip*, in the order of the log."""
        packed = self._offsets.get(tip.bytes, b"")
        return [int.from_bytes(packed[at : at + OFFSET_BYTES], "big") for at in range(0, len(packed), OFFSET_BYTES)]


def stretches(offsets: list[int], *, gap: int) -> Iterator[tuple[int, int]]:
    """Join *offsets* (ascending) to (first, next) stretches; those less than *gap* apart are read in one go."""
    if not offsets:
        return
    first = last = offsets[0]
    for offset in offsets[1:]:
        if offset - last > gap:
            yield first, last + 1
            first = offset
        last = offset
    yield first, last + 1
