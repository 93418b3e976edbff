"""
Which record was in work when the process ended, so that one bad record cannot end it for ever.

The file is written when a batch begins and when it is committed; a kill leaves
it standing. Twice in a row at the same place: records are worked one by one.
Three times: the record is dead-lettered alone.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from services.chassis.broker_port import Spot


@dataclass(slots=True)
class Suspect:
    """A place at which the process ended, and how often in a row."""

    first: int
    count: int


class CrashLog:
    """The file of one task."""

    def __init__(self, path: Path | None, *, limit: int, span: int) -> None:
        self._path = path
        self._limit = limit
        self._span = span
        self._open: dict[Spot, int] = {}
        self._suspects: dict[Spot, Suspect] = {}
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            self._load()

    def _load(self) -> None:
        try:
            said = orjson.loads(os.pread(self._file, 1 << 20, 0) or b"{}")
            before = {Spot(t, p): Suspect(first, count) for t, p, first, count in said.get("suspects", [])}
            left = [(Spot(t, p), first) for t, p, first in said.get("open", [])]
        except (ValueError, TypeError, AttributeError):
            before, left = {}, []
        for spot, first in left:
            before[spot] = self._again(before.get(spot), first)
        self._suspects = before
        if left:
            self._write(sync=True)

    def _again(self, before: Suspect | None, first: int) -> Suspect:
        """One by one, the place moves on with each record; it is still the same suspicion."""
        if before is None:
            return Suspect(first, 1)
        same = first == before.first or (self._one_by_one(before) and before.first < first <= before.first + self._span)
        return Suspect(first, before.count + 1 if same else 1)

    def _one_by_one(self, suspect: Suspect) -> bool:
        return suspect.count >= self._limit - 1

    def alone(self, spot: Spot, offset: int) -> bool:
        """True for a record that nothing else may be committed with."""
        return bool(self._suspects) and (self.careful(spot, offset) or self.condemned(spot, offset))

    def careful(self, spot: Spot, offset: int) -> bool:
        """True while records of *spot* must be worked one by one."""
        suspect = self._suspects.get(spot)
        return suspect is not None and self._one_by_one(suspect) and offset <= suspect.first + self._span

    def condemned(self, spot: Spot, offset: int) -> bool:
        """True for the record that ended the process too often: the first one from that place on."""
        suspect = self._suspects.get(spot)
        return suspect is not None and suspect.count >= self._limit and suspect.first <= offset

    def spare(self, spot: Spot) -> None:
        """The condemned record is dealt with; those behind it start with a clean slate."""
        self._suspects.pop(spot, None)

    def enter(self, spot: Spot, first: int) -> None:
        """Work on *spot* begins at offset *first*."""
        if self._path is not None and self._open.get(spot) != first:
            self._open[spot] = first
            self._write(sync=spot in self._suspects)

    def done(self, next_: dict[Spot, int]) -> None:
        """Everything that was entered is committed, or was not to blame; *next_*: where work goes on."""
        self._open.clear()
        for spot, offset in next_.items():
            suspect = self._suspects.get(spot)
            if suspect is not None and offset > suspect.first and not self.careful(spot, offset):
                del self._suspects[spot]
        if self._path is not None:
            self._write(sync=False)

    def _write(self, *, sync: bool) -> None:
        document = {
            "open": [[*spot, first] for spot, first in self._open.items()],
            "suspects": [[*spot, s.first, s.count] for spot, s in self._suspects.items()],
        }
        body = orjson.dumps(document)
        os.ftruncate(self._file, os.pwrite(self._file, body, 0))
        if sync:
            os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file; what it says stays."""
        if self._path is not None:
            os.close(self._file)
            self._path = None
