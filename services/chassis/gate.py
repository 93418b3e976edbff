"""The gate of a process: routine work starts nothing new while urgent work is open anywhere in it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Counts open urgent work; routine work waits until there is none."""

    def __init__(self) -> None:
        self._open = 0
        self._free = asyncio.Event()
        self._free.set()

    @property
    def closed(self) -> bool:
        """True while urgent work is open."""
        return self._open > 0

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Hold routine work back while the body runs."""
        self.close()
        try:
            yield
        finally:
            self.open()

    def close(self) -> None:
        """One more piece of urgent work is open."""
        self._open += 1
        self._free.clear()

    def open(self) -> None:
        """One piece of urgent work has ended."""
        self._open -= 1
        if not self._open:
            self._free.set()

    async def routine(self) -> None:
        """Let the loop look around once, then wait until no urgent work is open."""
        await asyncio.sleep(0)
        while self._open:
            await self._free.wait()
