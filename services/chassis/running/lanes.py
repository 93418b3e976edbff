"""The readers of a process: one for urgent partitions, one for routine ones; each wakes those whose records came."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from services.chassis.broker.broker_port import Broker, LaneReader, Spot
from services.chassis.hop import Record


class Reading(Protocol):
    """A task, as far as its readers know it."""

    def positions(self, *, urgent: bool) -> Mapping[Spot, int]:
        """Partitions of one lane, and the next offset of each that the task has not taken."""

    def notice(self, *, urgent: bool) -> None:
        """Records of one lane are here."""


class Lanes:
    """Who reads what; a change of owners assigns both readers anew, from the tasks' own offsets."""

    def __init__(self, broker: Broker, failed: Callable[[BaseException], None]) -> None:
        self._readers: dict[bool, LaneReader] = {
            True: broker.reader("urgent"),
            False: broker.reader("routine"),
        }
        self._failed = failed
        self._tasks: list[Reading] = []
        self._owners: dict[Spot, Reading] = {}
        self._stale = False
        self._pumps: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect both readers."""
        for urgent, reader in self._readers.items():
            await reader.start()
            self._pumps.append(asyncio.create_task(self._pump(reader, urgent=urgent), name=f"lane {urgent=}"))

    def own(self, task: Reading) -> None:
        """Read for *task* from now on."""
        self._tasks.append(task)
        self._changed()

    def drop(self, task: Reading) -> None:
        """Read for *task* no more."""
        if task in self._tasks:
            self._tasks.remove(task)
            self._changed()

    def _changed(self) -> None:
        """Assign once for all changes of this turn of the loop."""
        if not self._stale:
            self._stale = True
            asyncio.get_running_loop().call_soon(self._assign)

    def _assign(self) -> None:
        self._stale = False
        try:
            self._owners = {s: task for task in self._tasks for u in (True, False) for s in task.positions(urgent=u)}
            for urgent, reader in self._readers.items():
                wanted: dict[Spot, int] = {}
                for task in self._tasks:
                    wanted.update(task.positions(urgent=urgent))
                reader.assign(wanted)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self._failed(error)

    async def _pump(self, reader: LaneReader, *, urgent: bool) -> None:
        try:
            while True:
                for spot in await reader.arrived():
                    owner = self._owners.get(spot)
                    if owner is not None:
                        owner.notice(urgent=urgent)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends the process
            self._failed(error)

    async def take(self, spot: Spot, limit: int, *, urgent: bool) -> Sequence[Record]:
        """Up to *limit* records of *spot* that are here already; none while the readers are being assigned anew."""
        return () if self._stale else await self._readers[urgent].take(spot, limit)

    def position(self, spot: Spot, *, urgent: bool) -> int | None:
        """Offset of the next record that `take` would give."""
        return self._readers[urgent].position(spot)

    async def stop(self) -> None:
        """Close both readers."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for reader in self._readers.values():
            await reader.stop()
