"""Everything that is known about one tip: its entries, what was decided, how it was delivered, its traces."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from contracts.topics import CUSTODY, DECISIONS, DELIVERIES
from services.chassis.broker.broker_port import Broker, Spot
from services.custody.books import Books, State

Document = Mapping[str, Any]

AT_ONCE = 4
"""Partitions read at the same time: each has a connection of its own."""


@dataclass(frozen=True, slots=True)
class TipView:
    """What is known of one tip; no content, since none of it is in these topics."""

    tip_id: str
    state: State
    timeline: tuple[Document, ...]
    """Custody entries, oldest first."""
    decisions: tuple[Document, ...] = ()
    """One for each version, oldest first."""
    deliveries: tuple[Document, ...] = ()

    @property
    def traces(self) -> tuple[str, ...]:
        """Trace ids of the entries, in order of their first use."""
        return tuple(dict.fromkeys(str(entry["trace"]) for entry in self.timeline if entry.get("trace")))

    def as_json(self) -> dict[str, object]:
        """The view as other programs read it."""
        return {
            "tip_id": self.tip_id,
            "state": self.state.value,
            "traces": list(self.traces),
            "timeline": list(self.timeline),
            "decisions": list(self.decisions),
            "deliveries": list(self.deliveries),
        }


async def view_tip(broker: Broker, tip: str) -> TipView | None:
    """Read what the topics hold about *tip*; None where there is no entry of it."""
    entries, decisions, deliveries = await asyncio.gather(
        *(documents_naming(broker, topic, tip) for topic in (CUSTODY, DECISIONS, DELIVERIES))
    )
    timeline = timeline_of(entries, tip)
    if not timeline:
        return None
    return TipView(
        tip,
        state_of(timeline, tip),
        timeline,
        tuple(sorted((d for d in decisions if d.get("tip_id") == tip), key=lambda d: int(d.get("version", 0)))),
        tuple(sorted((d for d in deliveries if d.get("tip_id") == tip), key=lambda d: str(d.get("at", "")))),
    )


def timeline_of(entries: Sequence[Document], tip: str) -> tuple[Document, ...]:
    """Keep the entries of *tip*, in the order of the log: a cause lies before what it caused."""
    return tuple(entry for entry in entries if entry.get("tip") == tip)


def state_of(timeline: Sequence[Document], tip: str) -> State:
    """Fold the entries of one tip alone."""
    books = Books()
    for entry in timeline:
        books.add(entry)
    return books.state(tip) or State.MISSING


async def documents_naming(broker: Broker, topic: str, name: str) -> list[Document]:
    """Read every JSON document of *topic* whose bytes contain *name*; a topic that does not exist has none."""
    count = (await broker.partitions([topic])).get(topic, 0)
    gate = asyncio.Semaphore(AT_ONCE)
    spots = [Spot(topic, partition) for partition in range(count)]
    found = await asyncio.gather(*(_naming(broker, spot, name.encode(), gate) for spot in spots))
    return [document for documents in found for document in documents]


async def _naming(broker: Broker, spot: Spot, name: bytes, gate: asyncio.Semaphore) -> list[Document]:
    found: list[Document] = []
    async with gate:
        span = (await broker.spans([spot]))[spot]
        async for records in broker.read_to(spot, span.begin, span.end):
            found += [parsed for r in records if r.value is not None and name in r.value for parsed in _parsed(r.value)]
    return found


def _parsed(value: bytes) -> list[Document]:
    """Parse a document; what is none tells nothing of a tip."""
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return []
    return [found] if isinstance(found, dict) else []
