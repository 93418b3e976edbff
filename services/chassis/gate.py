"""The gate of a process: routine work starts nothing new while urgent work is open anywhere in it."""

import asyncio
from collections.abc import Callable


class Gate:
    """Counts open urgent work; routine work waits until there is none."""

    def __init__(self) -> None:
        self._open = 0
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def closed(self) -> bool:
        """True while urgent work is open."""
        return self._open > 0

    def close(self) -> None:
        """One more piece of urgent work is open."""
        self._open += 1
        self.nudge()

    def open(self) -> None:
        """One piece of urgent work has ended."""
        self._open -= 1
        if not self._open:
            self.nudge()

    def nudge(self) -> None:
        """Let everybody who waits look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def routine(self, leave: Callable[[], bool]) -> None:
        """
        Let the loop look around once, then wait until no urgent work is open.

        *leave* says that the caller has urgent work of its own, or must end: it
        would wait for itself.
        """
        await asyncio.sleep(0)
        while self._open and not leave():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
