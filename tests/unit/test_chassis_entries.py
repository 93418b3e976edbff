"""Custody entries are put together from bytes; what stands in them is what an encoder would write."""

from typing import Any
from uuid import UUID, uuid5

import orjson
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import CustodyEntry
from services.chassis.codec import derived, text_of
from services.chassis.hop import Emit, Entry, Record
from services.chassis.running.entries import Named, Told, digest_of, entry_bytes

EVENT, CAUSE = UUID(int=1), UUID(int=2)
WORDS = st.sampled_from(["plain", 'quo"te', "back\\slash", "räksmörgås", "new\nline", ""])
JSON = st.dictionaries(WORDS, st.one_of(WORDS, st.integers(0, 9), st.lists(WORDS, max_size=2)), max_size=3)
ENTRIES = st.builds(Entry, kind=WORDS, tip=st.none(), purpose=WORDS, basis=JSON, tally=JSON, actor=st.none() | WORDS)
EMITS = st.builds(
    Emit, topic=st.just("tips-located"), key=st.just("k"), type=st.just("t/1"), body=st.binary(max_size=9),
    to=st.none() | WORDS, expects_entry=st.booleans(),
)  # fmt: skip


def expected(entry: Entry, tip: str | None, told: Told) -> dict[str, Any]:
    """The same entry as a document."""
    document: dict[str, Any] = {
        "schema": "custody/1", "v": 1, "kind": entry.kind, "event": str(EVENT), "at": "then", "service": "hop@1",
        "actor": entry.actor or "svc:hop", "purpose": entry.purpose, "cause": str(CAUSE), "basis": entry.basis,
        "tally": entry.tally, "trace": "0f" * 16, "out": [],
    }  # fmt: skip
    for named in told.produced:
        said = {"event": named.text.decode(), "topic": named.emit.topic}
        if named.emit.to:
            document["out"].append(said | {"to": named.emit.to, "digest": digest_of(named.emit.body).decode()})
        elif named.emit.expects_entry:
            document["out"].append(said)
    if tip:
        document["tip"] = tip
    if told.prev is not None:
        document["prev"] = told.prev.decode("ascii", "replace")
    if told.record is not None:
        document["in"] = {
            "topic": told.record.topic, "partition": told.record.partition, "offset": str(told.record.offset),
            "digest": digest_of(told.record.value or b"").decode(),
        }  # fmt: skip
    return document


@given(
    entry=ENTRIES,
    tip=st.none() | WORDS,
    prev=st.none() | st.sampled_from([b"before", b'"', b"\xff"]),
    value=st.none() | st.binary(max_size=9),
    emits=st.lists(EMITS, max_size=3),
    inner=st.booleans(),
)
def test_an_entry_is_byte_for_byte_what_an_encoder_writes(  # noqa: PLR0913 - a property of all of them together
    *, entry: Entry, tip: str | None, prev: bytes | None, value: bytes | None, emits: list[Emit], inner: bool
) -> None:
    """Names in order, nothing that a sender or a hop wrote left unescaped, nothing without a value."""
    record = Record("tips-received", 3, 17, None, value, (), 0) if inner else None
    named = [Named(emit, str(UUID(int=n)).encode()) for n, emit in enumerate(emits)]
    told = Told(text_of(EVENT), b"then", text_of(CAUSE), b"0f" * 16, prev, record, named)

    written = entry_bytes(entry, tip, told, "hop@1", "svc:hop")

    assert written == orjson.dumps(expected(entry, tip, told), option=orjson.OPT_SORT_KEYS)
    assert CustodyEntry.model_validate_json(written).cause == str(CAUSE)


@given(st.uuids(), st.text(max_size=20))
def test_derived_ids_are_those_of_uuid5(cause: UUID, name: str) -> None:
    """Other programs can derive them: RFC 9562, version 5."""
    assert derived(cause.bytes, name.encode()).decode() == str(uuid5(cause, name))
    assert text_of(cause).decode() == str(cause)
