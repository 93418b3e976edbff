"""
``vidare dlq list|show|replay``: records that could not be worked, kept whole with their reason.

A replay writes the original bytes back to where they came from, with the
custody entry that says who did it, in one transaction with the position up to
which this topic was replayed: doing it twice replays nothing twice, nor do two
people who do it at once.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import orjson

from contracts import headers as h
from contracts import topics
from services.chassis.broker.broker_port import Broker, Out, Spot
from services.chassis.codec import Envelope, rfc3339_ms
from services.chassis.errors import Fenced, Misconfigured
from services.chassis.hop import Record, record_id
from services.chassis.telemetry.tracecontext import fresh_context
from services.cli import output
from services.cli.context import load_settings, with_broker
from services.cli.kafka_io import all_records, connected, now_ms, only_writer
from services.cli.signed import actor_of, whoever
from services.cli.wronguse import WrongUse

GROUP = "vidare-dlq"
"""Its committed offset in a dead-letter topic is how far that was replayed."""
SERVICE = "cli"
BATCH = 100
NO = 1


class Sent(NamedTuple):
    """How many went back, and whether somebody else took over."""

    letters: int
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter as an operator may see it: no content."""

    topic: str
    offset: int
    reason: str
    service: str
    at: str
    tip: str | None
    origin: str
    """Topic, partition and offset it lay at."""
    size: int
    digest: str


def letter_of(record: Record) -> Letter:
    """Describe a dead letter by its headers."""

    def said(name: str) -> str:
        return (record.header(name) or b"").decode("utf-8", "replace")

    origin = f"{said(h.DLQ_TOPIC)}/{said(h.DLQ_PARTITION)}/{said(h.DLQ_OFFSET)}"
    value = record.value or b""
    return Letter(
        record.topic, record.offset, said(h.DLQ_REASON), said(h.DLQ_SERVICE), said(h.DLQ_AT),
        said(h.VIDARE_TIP) or None, origin, len(value), digest_of(value),
    )  # fmt: skip


def dead_letter_topics(partitions: int) -> list[str]:
    """Every dead-letter topic of the contract."""
    return [topic.name for topic in topics.mesh_topics(partitions) if topic.name.endswith(topics.DLQ)]


def digest_of(value: bytes) -> str:
    """``sha-256:`` and hex of *value*."""
    return f"sha-256:{sha256(value).hexdigest()}"


def as_dead_letter_topic(name: str) -> str:
    """
    Return the dead-letter topic that *name*, with or without its ending, means.

    Raises:
        WrongUse: The contract has no such topic.
    """
    full = name if name.endswith(topics.DLQ) else name + topics.DLQ
    known = dead_letter_topics(1)
    if full not in known:
        msg = f"no dead-letter topic {full}; there are {', '.join(known)}"
        raise WrongUse(msg)
    return full


def replayed(record: Record, by: str, now: datetime) -> list[Out]:
    """
    Return the original record for where it came from, and the custody entry of who sent it back.

    Raises:
        Misconfigured: The letter does not say where it came from.
    """
    origin, partition = record.header(h.DLQ_TOPIC), record.header(h.DLQ_PARTITION)
    if origin is None or partition is None or not partition.isdigit():
        msg = f"{record.topic} at {record.offset} does not say where it came from; it cannot be replayed"
        raise Misconfigured(msg)
    kept = [(name, value) for name, value in record.headers if not name.startswith("vidare-dlq-")]
    original = Out(origin.decode(), int(partition), record.key, record.value, kept, now_ms())
    return [original, _entry(record, origin.decode(), by, now)]


def _entry(record: Record, origin: str, by: str, now: datetime) -> Out:
    event = uuid5(record_id(record.topic, record.partition, record.offset), "reopened")
    tip = (record.header(h.VIDARE_TIP) or b"").decode() or None
    parent = (record.header(h.TRACEPARENT) or b"").split(b"-")
    at = rfc3339_ms(now)
    document: dict[str, Any] = {
        "schema": "custody/1", "v": 1, "kind": "tip.reopened", "event": str(event), "at": at, "service": SERVICE,
        "actor": actor_of(by), "purpose": "replay", "basis": {}, "tally": {"dlq": record.topic},
        "in": {
            "topic": record.topic, "partition": record.partition, "offset": str(record.offset),
            "digest": digest_of(record.value or b""),
        },
        "out": [{"event": event_id, "topic": origin} for event_id in _event_ids(record)],
    }  # fmt: skip
    document |= {"tip": tip} if tip else {}
    document |= {"trace": parent[1].decode("ascii", "replace")} if len(parent) == 4 else {}
    headers = Envelope(SERVICE).headers("custody/1", str(event).encode(), at.encode(), fresh_context(event).header)
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return Out(topics.CUSTODY, 0, tip.encode() if tip else None, body, headers, now_ms())


def _event_ids(record: Record) -> list[str]:
    """The event that its hop must answer for again; none where it never had a valid id."""
    try:
        return [str(UUID((record.header(h.CE_ID) or b"").decode()))]
    except ValueError:
        return []


async def waiting(broker: Broker, topic: str) -> list[Record]:
    """Dead letters of *topic* that were not replayed."""
    done = await broker.committed(GROUP, [Spot(topic, 0)])
    return [record async for record in all_records(broker, topic, begin=done)]


def topics_of(name: str | None) -> list[str]:
    """
    Return the dead-letter topic that *name* means; all where it is None.

    Raises:
        WrongUse: The contract has no such topic.
    """
    return dead_letter_topics(1) if name is None else [as_dead_letter_topic(name)]


def list_(topic: str | None = None, *, json: bool = False) -> int:
    """Count the dead letters that wait, by topic and reason; of *topic* or of all."""
    settings, names = with_broker(load_settings()), topics_of(topic)

    async def counts() -> list[tuple[str, str, int]]:
        async with connected(settings.kafka or "") as broker:
            found = [(name, letter_of(r).reason) for name in names for r in await waiting(broker, name)]
            return [(topic, reason, count) for (topic, reason), count in sorted(Counter(found).items())]

    rows = asyncio.run(counts())
    if json:
        output.as_json([{"topic": topic, "reason": reason, "count": count} for topic, reason, count in rows])
    else:
        output.table(("topic", "reason", "waiting"), rows)
        output.note(f"{sum(count for _, _, count in rows)} dead letters wait")
    return 0


def show(topic: str, *, content: bool = False, json: bool = False) -> int:
    """Show the dead letters of a topic that wait; their bytes only on request."""
    settings, name = with_broker(load_settings()), as_dead_letter_topic(topic)

    async def records() -> list[Record]:
        async with connected(settings.kafka or "") as broker:
            return await waiting(broker, name)

    found = asyncio.run(records())
    rows = [{key: getattr(letter_of(r), key) for key in Letter.__slots__} for r in found]
    if content:
        rows = [
            row | {"content": (r.value or b"").decode("utf-8", "backslashreplace")}
            for row, r in zip(rows, found, strict=True)
        ]
    if json:
        output.as_json(rows)
        return 0
    heads = ("offset", "reason", "service", "at", "tip", "origin", "size")
    output.table(heads, [[row[key] for key in heads] for row in rows])
    for row in rows if content else ():
        output.line(f"--- {row['offset']}")
        output.line(row["content"])
    return 0


def replay(topic: str, *, by: str | None = None, limit: int | None = None, json: bool = False) -> int:
    """Send the dead letters of a topic that wait back to where they came from, oldest first; 1 if overtaken."""
    settings, name = with_broker(load_settings()), as_dead_letter_topic(topic)

    async def send() -> Sent:
        async with connected(settings.kafka or "") as broker:
            return await send_back(broker, name, whoever(by), limit)

    sent = asyncio.run(send())
    if json:
        output.as_json({"topic": name, "replayed": sent.letters} | ({"overtaken": True} if sent.overtaken else {}))
    else:
        output.line(f"replayed {sent.letters} dead letters of {name}")
    if sent.overtaken:
        output.note("somebody else began to replay them; the rest is theirs: look with `vidare dlq list`")
    return NO if sent.overtaken else 0


async def send_back(broker: Broker, name: str, by: str, limit: int | None = None) -> Sent:
    """
    Replay what waits in *name*, once, however many do so at the same time.

    One writer per topic: who begins later fences the one before, whose next
    transaction fails, and then reads how far that one came.
    """
    count = 0
    try:
        async with only_writer(broker, f"dlq-replay-{name}") as writer:
            found = (await waiting(broker, name))[:limit]
            for start in range(0, len(found), BATCH):
                some = found[start : start + BATCH]
                outs = [out for record in some for out in replayed(record, by, datetime.now(UTC))]
                await writer.commit(outs, {Spot(name, 0): some[-1].offset + 1}, GROUP)
                count += len(some)
    except Fenced:
        return Sent(count, overtaken=True)
    return Sent(count)
