"""Runs effects after the commit: concurrently, bounded per lane, so that no lane waits for another."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable

from services.chassis.hop import Effect, Effects, Told


class EffectLanes:
    """The effects of one task; each end is handed to *told*."""

    def __init__(
        self, effects: Effects | None, width: int, told: Callable[[Told], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._effects = effects
        self._told = told
        self._failed = failed
        self._lanes: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(width))
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, effects: Iterable[Effect]) -> None:
        """Start *effects*; one that runs already is not started again."""
        for effect in effects:
            if effect.key not in self._running:
                self._running[effect.key] = asyncio.create_task(self._run(effect), name=f"effect {effect.kind}")

    async def _run(self, effect: Effect) -> None:
        try:
            async with self._lanes[effect.lane]:
                told = await self._perform(effect)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self._failed(error)
        else:
            self._told(told)
        finally:
            self._running.pop(effect.key, None)

    async def _perform(self, effect: Effect) -> Told:
        if self._effects is None:
            raise TypeError(f"an outcome asks for the effect {effect.kind}, but the hop has none")
        return await self._effects.perform(effect)

    def __len__(self) -> int:
        return len(self._running)

    async def stop(self) -> None:
        """Cut off what runs: the attempt's row stands in the store, and the next owner makes it again, same id."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
