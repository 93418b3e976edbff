"""Topics of a broker as an operator sees them: create, describe, configure. No hop needs this."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from contracts.topics import Topic
from services.chassis.errors import Misconfigured, Unavailable

WITHIN_MS = 60_000
"""150 topics on one small machine take about two seconds; a loaded one several times that."""
AT_ONCE = 100
"""Topics in one request: a broker that creates hundreds in one answer may run into its own time-out."""
EXISTS = 36
BROKER_DEFAULT = -1
"""Replication factor: the broker's own ``default.replication.factor``."""


class Admin:
    """A connection for administration; use as a context manager."""

    def __init__(self, bootstrap: str) -> None:
        """Name the broker; nothing is connected yet."""
        self._bootstrap = bootstrap
        self._client = AIOKafkaAdminClient(
            bootstrap_servers=bootstrap.split(","), client_id="vidare-admin", request_timeout_ms=WITHIN_MS
        )

    async def __aenter__(self) -> Self:
        """
        Connect.

        Raises:
            Unavailable: Nothing answers there.
        """
        try:
            await self._client.start()
        except (KafkaError, OSError) as error:
            await self._client.close()
            what = f"the broker at {self._bootstrap}"
            raise Unavailable(what) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self._client.close()

    async def names(self) -> list[str]:
        """Every topic of the broker but its own."""
        return sorted(name for name in await self._client.list_topics() if not name.startswith("__"))

    async def describe(self, names: Sequence[str]) -> dict[str, tuple[int, Mapping[str, str]]]:
        """Partition count and settings of those of *names* that exist."""
        there = set(await self.names())
        wanted = [name for name in names if name in there]
        if not wanted:
            return {}
        topics = await self._client.describe_topics(wanted)
        counts = {topic["topic"]: len(topic["partitions"]) for topic in topics if not topic["error_code"]}
        settings = await self._settings(list(counts))
        return {name: (count, settings.get(name, {})) for name, count in counts.items()}

    async def _settings(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answers = await self._client.describe_configs(resources) if resources else []
        found: dict[str, dict[str, str]] = {}
        for answer in answers:
            for _code, _message, _type, name, entries in answer.resources:
                found[name] = {entry[0]: entry[1] for entry in entries}
        return found

    async def create(self, topics: Sequence[Topic]) -> None:
        """
        Create *topics* and wait until the broker knows all of them; one that exists already is no fault.

        Raises:
            Misconfigured: The broker refuses one.
        """
        for start in range(0, len(topics), AT_ONCE):
            some = topics[start : start + AT_ONCE]
            made = [NewTopic(t.name, t.partitions, BROKER_DEFAULT, {}, t.config) for t in some]
            answer = await self._client.create_topics(made, timeout_ms=WITHIN_MS)
            _refusals((error[0], error[1], error[2] if len(error) > 2 else "") for error in answer.topic_errors)
        await self._until_known({topic.name for topic in topics})

    async def _until_known(self, names: set[str]) -> None:
        while names - set(await self._client.list_topics()):  # noqa: ASYNC110 - it is the broker that is asked
            await asyncio.sleep(0.05)  # the broker has no event for "every node knows it"

    async def configure(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        """
        Set the settings of existing topics.

        Raises:
            Misconfigured: The broker refuses one.
        """
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict(config)) for name, config in settings.items()]
        for answer in await self._client.alter_configs(resources) if resources else []:
            _refusals((resource[3], resource[0], resource[1]) for resource in answer.resources)


def _refusals(answers: Iterable[tuple[Any, Any, Any]]) -> None:
    for name, code, message in answers:
        if code not in (0, EXISTS):
            msg = f"the broker refuses the topic {name}: error {code} {message or ''}".rstrip()
            raise Misconfigured(msg)
