"""
How often a process ended in the middle of its work; kept in a file, for who ends so can tell nobody.

The count goes on over restarts, so that each new crash is an increase.
"""

from contextlib import suppress
from pathlib import Path

import orjson


class Ends:
    """The file of one process's place; a missing or broken one is begun anew, telemetry may not fail a start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._crashes = 0

    def begin(self) -> int:
        """Note that work begins; return how often it ended without `end` so far."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            said = orjson.loads(self._path.read_bytes())
            self._crashes = int(said["crashes"]) + bool(said["open"])
        self._write(working=True)
        return self._crashes

    def end(self) -> None:
        """Note that nothing is open."""
        self._write(working=False)

    def _write(self, *, working: bool) -> None:
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(orjson.dumps({"crashes": self._crashes, "open": working}))
