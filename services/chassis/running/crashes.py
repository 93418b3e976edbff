"""
Which records were in work when the process ended, so that one bad record cannot end it for ever.

The file is written when records are taken and when they are committed; a kill
leaves it standing. Each end among the records of the one before narrows the suspicion:
after the first, they are worked a few at a time, after the second one by one;
the record that was alone in work at the third is dead-lettered alone. An end
elsewhere is a new suspicion: a worker that is killed now and then from outside
condemns nobody.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from services.chassis.broker.broker_port import Spot

FEW = 20
"""Records of a batch after one end: small enough to narrow the search, large enough to be through in a second."""


@dataclass(slots=True)
class Suspect:
    """The offsets that were in work when the process ended, and how often in a row it ended among them."""

    first: int
    last: int
    count: int


class CrashLog:
    """The file of one task."""

    def __init__(self, path: Path | None, *, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._open: dict[Spot, tuple[int, int]] = {}
        self._suspects: dict[Spot, Suspect] = {}
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            self._load()

    def _load(self) -> None:
        try:
            said = orjson.loads(os.pread(self._file, 1 << 20, 0) or b"{}")
            before = {Spot(t, p): Suspect(*rest) for t, p, *rest in said.get("suspects", [])}
            left = [(Spot(t, p), first, last) for t, p, first, last in said.get("open", [])]
        except (ValueError, TypeError, AttributeError):
            before, left = {}, []
        for spot, first, last in left:
            before[spot] = _again(before.get(spot), first, last)
        self._suspects = before
        if left:
            self._write(sync=True)

    def most(self, spot: Spot, offset: int) -> int | None:
        """How many records a batch with *offset* may have; None: as many as any."""
        suspect = self._suspects.get(spot)
        if suspect is None or offset > suspect.last:
            return None
        return 1 if suspect.count >= self._limit - 1 else FEW

    def condemned(self, spot: Spot, offset: int) -> bool:
        """True for the record that ended the process too often."""
        suspect = self._suspects.get(spot)
        return suspect is not None and suspect.count >= self._limit and suspect.first <= offset <= suspect.last

    def spare(self, spot: Spot) -> None:
        """The condemned record is dealt with; those behind it start with a clean slate."""
        self._suspects.pop(spot, None)

    def enter(self, spot: Spot, first: int, offset: int, last: int) -> None:
        """
        The record at *offset* is in work, in a batch of *spot* that began at *first*; *last*: taken and next to come.

        A range may not reach over records to come: ends minutes apart would meet in it, and condemn who was
        never in work at any of them.
        """
        if self._path is None:
            return
        open_ = self._open.get(spot)
        if open_ is not None and open_[0] == first and offset <= open_[1]:
            return
        # Under suspicion the note is exact, whatever it costs; else one note covers what was taken together.
        suspected = self.most(spot, offset) is not None
        self._open[spot] = (first, offset if suspected else max(offset, last))
        self._write(sync=suspected)

    def done(self, next_: dict[Spot, int]) -> None:
        """Everything that was entered is committed, or was not to blame; *next_*: where work goes on."""
        self._open.clear()
        for spot, offset in next_.items():
            suspect = self._suspects.get(spot)
            if suspect is not None and offset > suspect.last:
                del self._suspects[spot]
            elif suspect is not None:
                suspect.first = max(suspect.first, offset)  # what is committed is innocent
        if self._path is not None:
            self._write(sync=False)

    def _write(self, *, sync: bool) -> None:
        document = {
            "open": [[*spot, *range_] for spot, range_ in self._open.items()],
            "suspects": [[*spot, s.first, s.last, s.count] for spot, s in self._suspects.items()],
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


def _again(before: Suspect | None, first: int, last: int) -> Suspect:
    """An end while the offsets *first* to *last* were in work: the same suspicion where they meet, narrowed."""
    meets = before is not None and first <= before.last and before.first <= last
    return Suspect(first, last, before.count + 1 if before is not None and meets else 1)
