"""``vidare topics apply|check``: the topics of the contract against those of the broker, and who may touch them."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.topics import RECEIVED, Topic, all_topics
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import load_agencies, load_partners
from services.chassis.settings import Settings
from services.cli import output
from services.cli.context import load_settings, with_broker

if TYPE_CHECKING:
    from services.chassis.broker.kafka_admin import Admin


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the broker has it."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the broker differs from the contract."""

    topic: str
    what: str
    """``missing``, ``partitions`` or the name of a setting."""
    wanted: str
    found: str | None

    def __str__(self) -> str:
        """In words."""
        if self.what == "missing":
            return f"{self.topic} is missing"
        return f"{self.topic}: {self.what} is {self.found}, the contract says {self.wanted}"


@dataclass(frozen=True, slots=True)
class Acl:
    """Who may do what to a topic."""

    principal: str
    operation: str
    topic: str


def contract(settings: Settings) -> list[Topic]:
    """Every topic of the mesh that *settings* describe."""
    return all_topics(load_partners(settings), load_agencies(settings).records, settings.partitions)


def compare(wanted: Iterable[Topic], found: Mapping[str, Found]) -> list[Difference]:
    """List what the broker lacks or has otherwise than the contract says; topics of others are none of our business."""
    made: list[Difference] = []
    for topic in wanted:
        have = found.get(topic.name)
        if have is None:
            made.append(Difference(topic.name, "missing", str(topic.partitions), None))
            continue
        if have.partitions != topic.partitions:
            made.append(Difference(topic.name, "partitions", str(topic.partitions), str(have.partitions)))
        made += [
            Difference(topic.name, key, value, have.config.get(key))
            for key, value in topic.config.items()
            if have.config.get(key) != value
        ]
    return made


def acls(topics: Iterable[Topic]) -> list[Acl]:
    """Who writes and who reads each topic, as rows for the broker's access control lists."""
    return [
        Acl(f"User:{actor.replace(' ', '-')}", operation, topic.name)
        for topic in topics
        for operation, actors in (("WRITE", topic.writers), ("READ", topic.readers))
        for actor in actors
    ]


def refuse_partitions(differences: Sequence[Difference]) -> None:
    """
    Do nothing if every existing topic has the partitions of the contract.

    Raises:
        Misconfigured: One has another count; keys would move between tasks, so nothing is changed.
    """
    wrong = [d for d in differences if d.what == "partitions"]
    if wrong:
        first = wrong[0]
        msg = (
            f"{len(wrong)} topics have another number of partitions than the contract ({first.topic}: {first.found}, "
            f"not {first.wanted}); set VIDARE_PARTITIONS={first.found} to go on with them, or use a fresh broker"
        )
        raise Misconfigured(msg)


async def apply_topics(settings: Settings) -> list[Difference]:
    """
    Create what is missing and set what differs; return what was done.

    Raises:
        Misconfigured: A topic has another number of partitions.
        Unavailable: The broker does not answer.
    """
    from services.chassis.broker.kafka_admin import Admin  # noqa: PLC0415 - keeps `vidare --help` quick

    topics = contract(settings)
    async with Admin(settings.kafka or "") as admin:
        differences = compare(topics, await _describe(admin, topics))
        refuse_partitions(differences)
        missing = {d.topic for d in differences if d.what == "missing"}
        await admin.create([topic for topic in topics if topic.name in missing])
        changed = {d.topic for d in differences} - missing
        await admin.configure({topic.name: topic.config for topic in topics if topic.name in changed})
    return differences


async def check_topics(settings: Settings) -> list[Difference]:
    """Compare only."""
    from services.chassis.broker.kafka_admin import Admin  # noqa: PLC0415 - keeps `vidare --help` quick

    topics = contract(settings)
    async with Admin(settings.kafka or "") as admin:
        return compare(topics, await _describe(admin, topics))


async def adopting(settings: Settings, environment: Mapping[str, str] = os.environ) -> Settings:
    """
    Return *settings* with the number of partitions that the mesh already has, unless somebody chose one.

    On a small machine ``vidare up`` takes fewer than the default; a later look at the topics must not quarrel with it.
    """
    default = type(settings).model_fields["partitions"].default
    if "VIDARE_PARTITIONS" in environment or settings.partitions != default:
        return settings
    from services.chassis.broker.kafka_admin import Admin  # noqa: PLC0415 - keeps `vidare --help` quick

    async with Admin(settings.kafka or "") as admin:
        found = await admin.describe([RECEIVED])
    return settings.model_copy(update={"partitions": found[RECEIVED][0]}) if RECEIVED in found else settings


async def _describe(admin: "Admin", topics: Sequence[Topic]) -> dict[str, Found]:
    described = await admin.describe([topic.name for topic in topics])
    return {name: Found(partitions, config) for name, (partitions, config) in described.items()}


def apply(*, json: bool = False) -> int:
    """Create the topics of the contract, set what differs, print who may touch them."""
    settings = asyncio.run(adopting(with_broker(load_settings())))
    done = asyncio.run(apply_topics(settings))
    _answer(settings, done, "done", json=json)
    return 0


def check(*, json: bool = False) -> int:
    """Compare the broker with the contract; 1 if it differs."""
    settings = asyncio.run(adopting(with_broker(load_settings())))
    found = asyncio.run(check_topics(settings))
    _answer(settings, found, "differs", json=json)
    return 1 if found else 0


def _answer(settings: Settings, differences: Sequence[Difference], word: str, *, json: bool) -> None:
    topics = contract(settings)
    if json:
        rows = [{"topic": d.topic, "what": d.what, "wanted": d.wanted, "found": d.found} for d in differences]
        allowed = [{"principal": a.principal, "operation": a.operation, "topic": a.topic} for a in acls(topics)]
        output.as_json({"broker": settings.kafka, "topics": len(topics), word: rows, "acls": allowed})
        return
    output.table(
        ("topic", "may write", "may read"), [(t.name, ", ".join(t.writers), ", ".join(t.readers)) for t in topics]
    )
    for difference in differences:
        output.note(f"{word}: {difference}")
    output.note(f"{len(topics)} topics at {settings.kafka}; {len(differences)} {word}")
