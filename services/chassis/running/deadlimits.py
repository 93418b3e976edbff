"""How many dead letters are too many: a bad deploy must stop, not divert a whole topic."""

from collections import deque
from pathlib import Path

import orjson

from services.chassis.errors import VidareError


class TooManyDeadLetters(VidareError):
    """The task stops: fix or roll back the release, then start it again; nothing of the last batch was diverted."""


class DeadLimits:
    """Remembers how the last records of a task ended; over a restart too, or a restart would be a way around."""

    def __init__(self, path: Path | None, *, share: float, window: int, run: int) -> None:
        self._path = path
        self._share = share
        self._ends: deque[bool] = deque(maxlen=window)
        self._limit = run
        self._run = 0
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            said = orjson.loads(path.read_bytes())
            self._ends.extend(bool(end) for end in said["ends"])
            self._run = int(said["run"])
        except (ValueError, KeyError, TypeError):
            return

    def good(self) -> None:
        """One more record was worked."""
        self._ends.append(False)
        self._run = 0

    def bad(self) -> None:
        """
        One more record is to be dead-lettered.

        Raises:
            TooManyDeadLetters: It is one too many.
        """
        self._ends.append(True)
        self._run += 1
        full = len(self._ends) == self._ends.maxlen
        share = sum(self._ends) / len(self._ends)
        if self._run >= self._limit or (full and share > self._share):
            self._keep()
            raise TooManyDeadLetters(
                f"{self._run} dead letters in a row, {share:.0%} of the last {len(self._ends)} records: "
                "the task stops instead of diverting more; fix or roll back the release and start it again"
            )

    def _keep(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(orjson.dumps({"ends": [int(end) for end in self._ends], "run": self._run}))
