"""
The bytes of custody entries, names in order (`contracts.events.CustodyEntry`).

Every record has an entry, so it is put together from what was encoded before:
7 us with its envelope, where encoding a sorted dictionary took 13. What is set in without being
encoded here cannot need it: ids, digests and times are hex digits and dashes.
Whatever others wrote (a tip's id, a cause, a hop's basis and tally) is encoded.
A test compares every entry with an encoder's.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256

import msgspec
import orjson

from services.chassis.hop import Emit, Entry, Record


class Named(msgspec.Struct, frozen=True, gc=False):
    """An event to write, and the text of its id."""

    emit: Emit
    text: bytes


class Told(msgspec.Struct, frozen=True, gc=False):
    """What an entry says beside its own words."""

    event: bytes
    """Text of the entry's own id."""
    at: bytes
    cause: bytes
    """Text of the id of the input's event."""
    trace: bytes
    """Trace id in hex."""
    prev: bytes | None
    record: Record | None
    produced: Sequence[Named]


def digest_of(body: bytes) -> bytes:
    """``sha-256:`` and hex of *body*."""
    return b"sha-256:%b" % sha256(body).hexdigest().encode()


def entry_bytes(entry: Entry, tip: str | None, told: Told, service: str, actor: str) -> bytes:
    """Write *entry* about *tip* as *service* tells it; *actor* is who acted unless the entry names somebody."""
    who, kind, why = _fixed(entry.actor or actor, entry.kind, entry.purpose, service)
    return b"".join((
        who, told.at, b'","basis":', _json(entry.basis), b',"cause":"', told.cause, b'","event":"', told.event, b'",',
        b"" if told.record is None else _brought(told.record), kind, b",".join(_produced(told.produced)), b"],",
        b"" if told.prev is None else b'"prev":%b,' % _json(told.prev.decode("ascii", "replace")),
        why, _json(entry.tally), b",", b"" if not tip else b'"tip":%b,' % _json(tip),
        b'"trace":"', told.trace, b'","v":1}',
    ))  # fmt: skip


@lru_cache(maxsize=256)
def _fixed(actor: str, kind: str, purpose: str, service: str) -> tuple[bytes, bytes, bytes]:
    return (
        b'{"actor":%b,"at":"' % _json(actor),
        b'"kind":%b,"out":[' % _json(kind),
        b'"purpose":%b,"schema":"custody/1","service":%b,"tally":' % (_json(purpose), _json(service)),
    )


def _json(value: str | Mapping[str, object]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@lru_cache(maxsize=1024)
def _place(topic: str, partition: int) -> bytes:
    return b'","partition":%d,"topic":%b},' % (partition, _json(topic))


def _brought(record: Record) -> bytes:
    """The record that the entry is about."""
    place = _place(record.topic, record.partition)
    return b'"in":{"digest":"%b","offset":"%d%b' % (digest_of(record.value or b""), record.offset, place)


def _produced(events: Sequence[Named]) -> list[bytes]:
    """Events that a reader must account for, and disclosures with the digest of their bytes."""
    produced = []
    for each in events:
        emit, text = each.emit, each.text
        if emit.to:
            digest, topic = digest_of(emit.body), _json(emit.topic)
            produced.append(b'{"digest":"%b","event":"%b","to":%b,"topic":%b}' % (digest, text, _json(emit.to), topic))
        elif emit.expects_entry:
            produced.append(b'{"event":"%b","topic":%b}' % (text, _json(emit.topic)))
    return produced
