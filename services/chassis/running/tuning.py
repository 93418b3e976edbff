"""The runner's constants: each with its unit, why it is so, and what breaks if it is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from contracts.topics import agency_topics, mesh_topics, partner_topics


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a runner paces itself; tests make it smaller, production leaves it alone."""

    transaction_ms: int = 15_000
    """After this the broker aborts an open transaction. Open ones hold the readers of every topic they wrote."""
    deadline_s: float = 10.0
    """A commit that takes longer ends the process. Must stay below the rebalance time-out (a revoke waits for it)."""
    session_ms: int = 10_000
    """A member silent for longer loses its tasks; longer than the slowest slice, or a busy worker is thrown out."""
    heartbeat_ms: int = 2_000
    rebalance_ms: int = 30_000
    """How long the group waits for members to hand over; above `deadline_s` with room."""
    batch_records: int = 400
    """Routine records in one transaction: fewer, fuller ones are cheaper for the broker; more records cost memory and
    the processor's caches (1,000: 110 MiB resident, 400: 85 MiB, at the same CPU per record)."""
    batch_bytes: int = 4 * 1024 * 1024
    urgent_records: int = 100
    slice_ns: int = 1_000_000
    """Work between two looks at the loop: urgent records wait at most for one slice."""
    fetch_wait_ms: int = 200
    """A long poll ends after this with nothing; records end it at once, so this is no latency."""
    fetch_bytes: int = 2 * 1024 * 1024
    partition_fetch_bytes: int = 768 * 1024
    """What one partition may hold in memory, beside one record that is larger."""
    effect_lane: int = 4
    """Effects of one lane (one agency) that run at a time."""
    dead_share: float = 0.5
    dead_window: int = 200
    dead_run: int = 50
    """More dead letters than this are a bad deploy, not bad records: the task stops and alarms."""
    crashes: int = 3
    """A record that ended the process this often at one offset is dead-lettered alone."""
    store_max_age_s: float = 12 * 3600
    """An older local store may miss tombstones that were compacted away; it is rebuilt."""
    watch_s: float = 5.0
    """How often the watchdog looks; it gives up after twice the transaction time-out without progress."""
    delete_every_s: float = 1.0
    """Consumed inbox records are deleted at most this often in one partition."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Largest record of topics that are not in the contract (tests)."""


DEFAULT_LIMIT = 1024 * 1024
RECORD_OVERHEAD = 1024
"""Batch and record framing, rounded up generously: the broker measures the batch, not the body."""

_EXACT = {topic.name: topic.max_message_bytes for topic in mesh_topics()}
_PREFIXES = {
    topic.name.removesuffix("*"): topic.max_message_bytes
    for topic in (*partner_topics("*"), *agency_topics("*"))
    if topic.name.endswith("*")
}


@cache
def contract_limit(topic: str) -> int:
    """``max.message.bytes`` of *topic* by the contract; of others the broker's default."""
    known = _EXACT.get(topic)
    if known is None:
        known = next((size for prefix, size in _PREFIXES.items() if topic.startswith(prefix)), DEFAULT_LIMIT)
    return known


def limit_of(topic: str, tuning: Tuning) -> int:
    """Bytes that one record of *topic* may have, keys and headers included."""
    return (tuning.limits.get(topic) or contract_limit(topic)) - RECORD_OVERHEAD
