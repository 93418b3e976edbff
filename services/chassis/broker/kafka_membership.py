"""
A place in a consumer group, used for membership only: it reads nothing.

Its assignor gives all partitions of a task to one member. All partitions stay
paused; the tasks' records come through the lane readers.
"""

# ruff: noqa: ANN401, SLF001 - the client ships no types, and what it keeps to itself is needed here

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

from services.chassis.broker.assignment import Claim, share_out
from services.chassis.broker.broker_port import Member
from services.chassis.hop import TaskSpec
from services.chassis.running.tuning import Tuning

NEVER_MS = 2**31 - 1
"""The client must not throw us out for not polling: our own watchdog judges progress."""


class TaskAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Gives tasks, not partitions; what a member had travels in its metadata, so that tasks stay where they are."""

    name = "vidare-tasks"
    version = 0

    def __init__(self, tasks: Sequence[TaskSpec]) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._task_of = {(topic, partition): t.id for t in tasks for topic, partition, _ in t.inputs}
        self._claim = Claim(frozenset())

    def metadata(self, topics: Iterable[str]) -> Any:
        """What we tell the leader: our topics, and the tasks we had."""
        claim = orjson.dumps({"tasks": sorted(self._claim.tasks), "generation": self._claim.generation})
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), claim)

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the client's signature
        """Share the tasks out among *members*."""
        claims = {member: claim_of(meta.user_data) for member, meta in members.items()}
        generation = max((claim.generation for claim in claims.values()), default=-1) + 1
        shares = share_out(sorted(self._tasks), claims)
        data = orjson.dumps({"generation": generation})
        return {
            member: ConsumerProtocolMemberAssignment(self.version, self._partitions(shares[member]), data)
            for member in members
        }

    def _partitions(self, share: Iterable[str]) -> list[tuple[str, list[int]]]:
        topics: dict[str, list[int]] = {}
        for task in share:
            for topic, partition, _ in self._tasks[task].inputs:
                topics.setdefault(topic, []).append(partition)
        return [(topic, sorted(partitions)) for topic, partitions in sorted(topics.items())]

    def on_assignment(self, assignment: Any) -> None:
        """Remember what we got."""
        known = (self._task_of.get((tp.topic, tp.partition)) for tp in assignment.partitions())
        self._claim = Claim(frozenset(t for t in known if t is not None), claim_of(assignment.user_data).generation)

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks we have."""
        return self._claim.tasks


def claim_of(user_data: bytes | None) -> Claim:
    """Read a member's claim; whatever cannot be read claims nothing."""
    with suppress(orjson.JSONDecodeError, TypeError, ValueError, AttributeError):
        said = orjson.loads(user_data or b"")
        return Claim(frozenset(str(task) for task in said.get("tasks", [])), int(said.get("generation", -1)))
    return Claim(frozenset())


class KafkaMembership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Joins, tells the member what it has, and never lets an exception get lost in the client."""

    def __init__(  # noqa: PLR0913 - a place in a group is made of these
        self, bootstrap: str, group: str, tasks: Sequence[TaskSpec], member: Member, name: str | None, tuning: Tuning
    ) -> None:
        self._member = member
        self._topics = sorted({topic for task in tasks for topic, _, _ in task.inputs})
        self._assignor = TaskAssignor(tasks)
        self._options = {
            "bootstrap_servers": bootstrap, "group_id": group, "group_instance_id": name,
            "enable_auto_commit": False, "auto_offset_reset": "earliest", "isolation_level": "read_committed",
            "partition_assignment_strategy": (self._assignor,), "max_poll_interval_ms": NEVER_MS,
            "session_timeout_ms": tuning.session_ms, "heartbeat_interval_ms": tuning.heartbeat_ms,
            "rebalance_timeout_ms": tuning.rebalance_ms, "fetch_max_bytes": 1, "max_partition_fetch_bytes": 1,
            "consumer_timeout_ms": 5_000,
        }  # fmt: skip
        self._client: Any = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join; returns once the group has answered."""
        self._client = AIOKafkaConsumer(**self._options)
        self._client.subscribe(topics=self._topics, listener=self)
        await self._client.start()
        self._watch = asyncio.create_task(self._until_broken())

    async def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002 - the client's signature
        """Hand over: the client swallows what is raised here, so it is caught and ends the process."""
        try:
            await self._member.revoked()
        except BaseException as error:
            self._member.failed(error)
            raise

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Pause everything and tell the member which tasks it has."""
        try:
            self._client.pause(*assigned)
            await self._member.assigned(self._assignor.tasks)
        except BaseException as error:
            self._member.failed(error)
            raise

    async def _until_broken(self) -> None:
        try:
            while True:
                await self._client.getmany(timeout_ms=1000)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends the process
            self._member.failed(error)

    async def stop(self) -> None:
        """Leave at once, also as a static member: whoever stops in order does not come straight back."""
        if self._watch is not None:
            self._watch.cancel()
        if self._client is not None:
            await self._member.revoked()
            if self._client._coordinator is not None:
                self._client._coordinator._group_instance_id = None
            await self._client.stop()
