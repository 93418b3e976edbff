"""A hop process without its process: membership, readers, tasks. What ends it comes out of `run`."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from services.chassis.broker.broker_port import Broker, Membership, Spot
from services.chassis.hop import Hop
from services.chassis.running.gate import Gate
from services.chassis.running.lanes import Lanes
from services.chassis.running.runtime import Now, Runtime
from services.chassis.running.startup import check_partitions
from services.chassis.running.sweeping import Sweeper
from services.chassis.running.task import Task
from services.chassis.running.tuning import Tuning
from services.chassis.running.watchdog import Watchdog
from services.chassis.telemetry.logs import logger
from services.chassis.telemetry.telemetry_port import NoRecorder, Recorder


def utc_now() -> datetime:
    """The clock of a process."""
    return datetime.now(UTC)


class Runner:
    """Works the tasks that the group gives to this member."""

    def __init__(  # noqa: PLR0913 - what a process is made of
        self, hop: Hop, broker: Broker, *, tuning: Tuning | None = None, recorder: Recorder | None = None,
        now: Now = utc_now, home: Path | None = None, member: str | None = None,
    ) -> None:  # fmt: skip
        self.tuning = tuning or Tuning()
        self.tasks: dict[str, Task] = {}
        self.rebalances = 0
        self._broker = broker
        self._lanes = Lanes(broker, self.failed)
        self.gate = Gate()
        self._sweeper = Sweeper(broker, self.tuning.delete_every_s, inboxes=hop.untrusted)
        self._rt = Runtime(
            hop, broker, self.tuning, recorder or NoRecorder(), self.gate, self._lanes, self._sweeper, now, self.failed,
            home,
        )  # fmt: skip
        self._specs = {spec.id: spec for spec in hop.tasks()}
        self._member = member
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._membership: Membership | None = None
        self.watchdog = Watchdog(self)
        self._stopping = False

    @property
    def hop(self) -> Hop:
        """The hop it works for."""
        return self._rt.hop

    @property
    def broker(self) -> Broker:
        """The broker it works on."""
        return self._broker

    @property
    def lanes(self) -> Lanes:
        """The readers of its tasks."""
        return self._lanes

    @property
    def ended(self) -> bool:
        """True once something ended it."""
        return self._ended.done()

    async def start(self) -> None:
        """
        Check the topics, join the group.

        Raises:
            Misconfigured: A topic is missing or has another number of partitions than the contract.
        """
        await self._broker.start()
        await check_partitions(list(self._specs.values()), self._broker)
        await self._lanes.start()
        self.watchdog.start()
        group = self._rt.hop.name
        self._membership = self._broker.membership(group, list(self._specs.values()), self, self._member)
        await self._membership.start()

    async def run(self) -> None:
        """Wait for the end: returns after `stop`, raises what ended a task."""
        await asyncio.shield(self._ended)

    def failed(self, error: BaseException) -> None:
        """Something broke: whoever awaits `run` gets it."""
        if not self._ended.done():
            self._ended.set_exception(error)

    async def assigned(self, tasks: frozenset[str]) -> None:
        """Begin these tasks; nothing here waits for them."""
        if self._stopping:
            return
        self.rebalances += 1
        counts: Mapping[str, int] = await check_partitions(list(self._specs.values()), self._broker)
        logger().info("tasks assigned", hop=self._rt.hop.name, count=len(tasks))
        for name in sorted(tasks):
            self.tasks[name] = Task(self._specs[name], self._rt, counts)
            self.tasks[name].begin()

    async def revoked(self) -> None:
        """Finish what runs, then let everything go."""
        tasks, self.tasks = self.tasks, {}
        await asyncio.gather(*(task.end(self.tuning.deadline_s) for task in tasks.values()))

    async def stop(self) -> None:
        """Finish running transactions, leave the group, close everything."""
        self._stopping = True
        self.watchdog.stop()
        if self._membership is not None:
            await self._membership.stop()
        await self._lanes.stop()
        await self._sweeper.stop()
        await self._broker.stop()
        if not self._ended.done():
            self._ended.set_result(None)

    def tasks_of(self, spot: Spot) -> Task:
        """The task that works *spot*."""
        return next(task for task in self.tasks.values() if spot in task.worked)

    @property
    def ready(self) -> bool:
        """True when every task that was given is ready."""
        return self.rebalances > 0 and all(task.ready for task in self.tasks.values())

    def warnings(self) -> list[str]:
        """What is not as it should be, while work is possible."""
        waiting = [
            f"task {name} waits: {task.paused} is unavailable" for name, task in self.tasks.items() if task.paused
        ]
        own = getattr(self._rt.hop, "warnings", None)
        return [*waiting, *(own() if own is not None else ())]
