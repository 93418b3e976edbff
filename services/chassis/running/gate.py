"""
The gate of a process: routine work starts nothing new while urgent work is open anywhere in it.

Behind the gate is a floor for one: routine tasks decide one after the other, so
that one decides while others commit, and memory holds one large draft, not all.
"""

import asyncio
from collections.abc import Callable


class Gate:
    """Counts open urgent work; routine work waits until there is none."""

    def __init__(self) -> None:
        self._open = 0
        self._floor: object = None
        self._waiters: dict[asyncio.Future[None], None] = {}

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

    async def routine(self, who: object, leave: Callable[[], bool]) -> None:
        """
        Let the loop look around once, then wait until no urgent work is open and the floor is free; take it.

        *leave* says that the caller has urgent work of its own, or must end: it
        would wait for itself. Those who wait longest come first.
        """
        await asyncio.sleep(0)
        while (self._open or self._floor not in (None, who)) and not leave():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters[waiter] = None
            try:
                await waiter
            finally:
                del self._waiters[waiter]
        if not leave():
            self._floor = who

    def leave_floor(self, who: object) -> None:
        """Make room for the next."""
        if self._floor is who:
            self._floor = None
            self.nudge()
