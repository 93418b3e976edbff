"""
How a task begins, in this order: fence, restore, committed offset.

Only after the fence is the predecessor's last transaction decided, so only then
do the changelog's end and the committed offset tell the truth.
"""

from collections.abc import Mapping

from services.chassis.broker.broker_port import Broker, Span, Spot
from services.chassis.errors import Misconfigured
from services.chassis.hop import Record, TaskSpec
from services.chassis.running.runtime import Runtime
from services.chassis.store.sqlite_store import SqliteStore
from services.chassis.store.state import MemoryStore, Store
from services.chassis.telemetry.logs import logger

PARTITIONS_ROW = "chassis/partitions"
"""Row of the changelog with the partition count under which its keys were placed."""


def open_store(spec: TaskSpec, runtime: Runtime) -> Store:
    """The local store of a task: a file if it has a changelog and a home, else memory."""
    path = runtime.file("state", f"{spec.id}.sqlite")
    if spec.changelog is None or path is None:
        return MemoryStore()
    return SqliteStore(path, max_age_s=runtime.tuning.store_max_age_s)


async def restore(spec: TaskSpec, store: Store, broker: Broker) -> None:
    """Bring *store* to the end of the changelog; it may end in a transaction marker."""
    if spec.changelog is None:
        return
    spot = Spot(*spec.changelog)
    span = (await broker.spans([spot]))[spot]
    if store.offset is not None and not span.begin <= store.offset <= span.end:
        logger().warning("local store does not fit its changelog and is rebuilt", task=spec.id, topic=spot.topic)
        store.wipe()
    begin = store.offset if store.offset is not None else span.begin
    async for records in broker.read_to(spot, begin, span.end):
        if records:
            store.apply({_key(record): record.value for record in records}, records[-1].offset + 1)


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "surrogateescape")


async def begin_offsets(spec: TaskSpec, broker: Broker, group: str) -> dict[Spot, int]:
    """
    Where to read each input on: at the committed offset, at the beginning where there is none.

    Raises:
        Misconfigured: The committed offset lies beyond the end: this is not the topic it was.
    """
    spots = [Spot(topic, partition) for topic, partition, _ in spec.inputs]
    committed = await broker.committed(group, spots)
    spans = await broker.spans(spots)
    return {spot: _begin(spot, committed.get(spot), spans) for spot in spots}


def _begin(spot: Spot, committed: int | None, spans: Mapping[Spot, Span]) -> int:
    begin, end = spans[spot]
    if committed is None:
        return begin
    if committed > end:
        raise Misconfigured(
            f"{spot.topic}/{spot.partition} ends at {end}, but offset {committed} is committed: the topic was "
            "made anew or lost records; compare with the custody log, then reset the group's offset by hand"
        )
    if committed < begin:
        logger().error(
            "records were removed by retention before they were worked", topic=spot.topic, partition=spot.partition,
            offset=committed, count=begin - committed,
        )  # fmt: skip
        return begin
    return committed


async def check_partitions(tasks: list[TaskSpec], broker: Broker) -> Mapping[str, int]:
    """
    Check that every topic of *tasks* has as many partitions as they say.

    Raises:
        Misconfigured: A topic is missing, or has another count: keys would move between tasks.
    """
    wanted: dict[str, int] = {}
    for task in tasks:
        for topic, partition in [(t, p) for t, p, _ in task.inputs] + ([task.changelog] if task.changelog else []):
            wanted[topic] = max(wanted.get(topic, 0), partition + 1)
    found = await broker.partitions(sorted(wanted))
    for topic, count in wanted.items():
        if topic not in found:
            raise Misconfigured(f"topic {topic} does not exist; run `vidare topics apply`")
        if found[topic] != count:
            raise Misconfigured(
                f"topic {topic} has {found[topic]} partitions, the contract says {count}; set VIDARE_PARTITIONS to "
                "what the mesh was made with: another count would move keys between tasks"
            )
    return found


def check_row(spec: TaskSpec, store: Store, counts: Mapping[str, int]) -> dict[str, bytes | None]:
    """
    Compare the partition count in the changelog with today's; return the row to write where there is none yet.

    Raises:
        Misconfigured: The changelog was written under another count.
    """
    if spec.changelog is None:
        return {}
    count = str(counts[spec.changelog[0]]).encode()
    known = store.get(PARTITIONS_ROW)
    if known is not None and known != count:
        raise Misconfigured(
            f"changelog {spec.changelog[0]} was written with {known.decode()} partitions, not {count.decode()}"
        )
    return {} if known is not None else {PARTITIONS_ROW: count}
