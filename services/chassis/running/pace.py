"""
How many records a slice has time for: learnt from what those before it took of the processor.

Measured in processor time: on a busy machine a slice that was interrupted
would else be taken for a slow one, and the next would be cut to a single record.
"""

import time

MOST = 64
"""Records in one slice at most; more would gain nothing and hold memory."""
_GROWTH = 2
_MEMORY = 0.75


class Pace:
    """Begins with one record; each slice may take twice as many as the last, if they fit into its time."""

    def __init__(self, slice_ns: int) -> None:
        self.count = 1
        self._slice_ns = slice_ns
        self._record_ns = 0.0
        self._began = 0

    def begin(self) -> None:
        """A slice begins."""
        self._began = time.thread_time_ns()

    def end(self, records: int) -> None:
        """It ends, after so many *records*."""
        if not records:
            return
        took = max(1.0, (time.thread_time_ns() - self._began) / records)
        # A slower one counts at once: the next slice may hold up an urgent record.
        self._record_ns = max(took, _MEMORY * self._record_ns + (1 - _MEMORY) * took)
        self.count = max(1, min(int(self._slice_ns / self._record_ns), self.count * _GROWTH, MOST))
