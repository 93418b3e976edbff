"""
The compatibility gate: whether a schema may replace the released one.

Breaking, always: a field removed or renamed, a new required field, a type,
word list, pattern, length or range narrowed, a constant changed. For documents
that we write and others read also: a field no longer promised, a type widened.
Additions pass: optional fields, words of a closed list, wider limits.

A break is allowed only as a new version of the document beside the old one.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]

_UPPER = ("maxLength", "maxItems", "maximum", "exclusiveMaximum", "maxProperties")
_LOWER = ("minLength", "minItems", "minimum", "exclusiveMinimum", "minProperties")
_EXACT = ("pattern", "format", "const", "uniqueItems", "multipleOf")
_ADDED_ONLY = ("pattern", "format", "uniqueItems", "multipleOf")
"""Keywords that narrow when they appear where there was none."""


@dataclass(frozen=True, slots=True)
class Break:
    """One way in which a new schema breaks those who hold on to the old one."""

    path: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Pair:
    """The same place in both schemas, with what their references resolve in."""

    path: str
    old: Schema
    new: Schema
    old_defs: Mapping[str, Schema]
    new_defs: Mapping[str, Schema]
    sent: bool

    def at(self, step: str, old: Schema, new: Schema) -> "_Pair":
        return _Pair(f"{self.path}/{step}", old, new, self.old_defs, self.new_defs, self.sent)


def _resolve(schema: Schema, defs: Mapping[str, Schema]) -> Schema:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    rest = {key: value for key, value in schema.items() if key != "$ref"}
    return {**defs[reference.rpartition("/")[2]], **rest}


def _branches(schema: Schema, defs: Mapping[str, Schema]) -> list[Schema]:
    """The alternatives of a schema: one for most, value and null for an optional one."""
    resolved = _resolve(schema, defs)
    for keyword in ("anyOf", "oneOf"):
        if keyword in resolved:
            return [inner for part in resolved[keyword] for inner in _branches(part, defs)]
    kinds = resolved.get("type")
    if isinstance(kinds, list):
        return [{**resolved, "type": kind} for kind in kinds]
    return [resolved]


def _kind(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    for keyword in ("const", "enum"):
        if keyword in schema:
            sample = schema[keyword] if keyword == "const" else schema[keyword][0]
            return {str: "string", bool: "boolean", int: "integer", float: "number"}.get(type(sample), "null")
    return "any"


def _fits(kind: str, offered: set[str]) -> bool:
    return kind in offered or "any" in offered or (kind == "integer" and "number" in offered)


def _walk(pair: _Pair, seen: frozenset[tuple[str, str]]) -> Iterator[Break]:
    references = (str(pair.old.get("$ref")), str(pair.new.get("$ref")))
    if references[0] != "None" and references in seen:
        return
    seen = seen | {references}
    old = _branches(pair.old, pair.old_defs)
    new = _branches(pair.new, pair.new_defs)
    yield from _types(pair, {_kind(b) for b in old}, {_kind(b) for b in new})
    for branch in old:
        twins = [b for b in new if _kind(b) == _kind(branch)]
        found = [list(_branch(pair.at("", branch, twin), seen)) for twin in twins]
        # Two alternatives of one type: it is enough that one of them still takes everything.
        yield from min(found, key=len, default=[])


def _types(pair: _Pair, old: set[str], new: set[str]) -> Iterator[Break]:
    for kind in sorted(old):
        if not _fits(kind, new):
            yield Break(pair.path, "type narrowed", f"no longer takes {kind}")
    for kind in sorted(new):
        if pair.sent and not _fits(kind, old):
            yield Break(pair.path, "type widened", f"readers now meet {kind}")


def _branch(pair: _Pair, seen: frozenset[tuple[str, str]]) -> Iterator[Break]:
    pair = _Pair(pair.path.rstrip("/"), pair.old, pair.new, pair.old_defs, pair.new_defs, pair.sent)
    yield from _words(pair)
    yield from _limits(pair)
    yield from _fields(pair, seen)
    for keyword in ("items", "additionalProperties"):
        old, new = pair.old.get(keyword), pair.new.get(keyword)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _walk(pair.at(keyword, old, new), seen)
        elif new is False and old is not False:
            yield Break(pair.path, f"{keyword} closed", "what was allowed beside the named fields no longer is")
        elif isinstance(new, Mapping) and old in (None, True):
            yield Break(pair.path, f"{keyword} narrowed", "anything was allowed before")


def _words(pair: _Pair) -> Iterator[Break]:
    old, new = pair.old.get("enum"), pair.new.get("enum")
    if old is None and new is not None and "const" not in pair.old:
        yield Break(pair.path, "enum added", "any value was allowed before")
    elif old is not None and new is not None:
        for word in old:
            if word not in new:
                yield Break(pair.path, "enum narrowed", f"the word {word!r} is gone")
    elif old is not None and "const" in pair.new:
        yield Break(pair.path, "enum narrowed", "one word is left of a list")


def _limits(pair: _Pair) -> Iterator[Break]:
    old, new = pair.old, pair.new
    for key in _UPPER:
        if key in new and (key not in old or new[key] < old[key]):
            yield Break(pair.path, f"{key} narrowed", f"{old.get(key)} became {new[key]}")
    for key in _LOWER:
        if key in new and (key not in old or new[key] > old[key]):
            yield Break(pair.path, f"{key} narrowed", f"{old.get(key)} became {new[key]}")
    for key in _EXACT:
        if key in old and key in new and old[key] != new[key]:
            yield Break(pair.path, f"{key} changed", f"{old[key]!r} became {new[key]!r}")
    for key in _ADDED_ONLY:
        if key in new and key not in old and new[key] is not False:
            yield Break(pair.path, f"{key} added", f"now {new[key]!r}")


def _fields(pair: _Pair, seen: frozenset[tuple[str, str]]) -> Iterator[Break]:
    old, new = pair.old.get("properties", {}), pair.new.get("properties", {})
    for name in old:
        if name not in new:
            yield Break(f"{pair.path}/{name}", "field removed", "removed or renamed")
        else:
            yield from _walk(pair.at(name, old[name], new[name]), seen)
    before, after = set(pair.old.get("required", ())), set(pair.new.get("required", ()))
    for name in sorted(after - before):
        yield Break(f"{pair.path}/{name}", "field required", "was optional, or is new")
    for name in sorted((before - after) & set(new)) if pair.sent else ():
        yield Break(f"{pair.path}/{name}", "field no longer promised", "readers rely on it")


def breaks(old: Schema, new: Schema, *, sent: bool) -> list[Break]:
    """
    List every way in which *new* breaks those who hold on to *old*; empty means compatible.

    Args:
        old: The released schema.
        new: The schema that would replace it.
        sent: We write the document and others read it.
    """
    return list(_walk(_Pair("", old, new, old.get("$defs", {}), new.get("$defs", {}), sent), frozenset()))


def topic_breaks(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> list[Break]:
    """List every change of *new* topics that breaks those who use the *old* ones."""
    found = [Break(name, "topic removed", "removed or renamed") for name in old if name not in new]
    for name in sorted(set(old) & set(new)):
        before, after = old[name], new[name]
        found += [
            Break(name, f"{key} changed", f"{before[key]} became {after[key]}")
            for key in ("key", "event", "partitions", "cleanup")
            if before[key] != after[key]
        ]
        if after["max_message_bytes"] < before["max_message_bytes"]:
            found.append(Break(name, "max_message_bytes narrowed", "records that fitted no longer do"))
        if after["retention_ms"] >= 0 and (
            before["retention_ms"] < 0 or after["retention_ms"] < before["retention_ms"]
        ):
            found.append(Break(name, "retention_ms narrowed", "records are kept for a shorter time"))
    return found


def compare_folders(released: Path, current: Path, sent: Mapping[str, bool]) -> dict[str, list[Break]]:
    """Compare every released schema with the current one of the same name; a missing file is a removed document."""
    found: dict[str, list[Break]] = {}
    for path in sorted(released.glob("*.json")):
        twin = current / path.name
        if not twin.exists():
            found[path.name] = [Break("", "document removed", "a released version stays beside its successor")]
            continue
        old, new = json.loads(path.read_text()), json.loads(twin.read_text())
        found[path.name] = (
            topic_breaks(old, new) if path.name == "topics.json" else breaks(old, new, sent=sent[path.name])
        )
    return {name: broken for name, broken in found.items() if broken}


def main() -> int:
    """Compare the working schemas with the released ones; exit 1 and name each break."""
    from contracts.documents import DOCUMENTS  # noqa: PLC0415 - the gate itself needs no model
    from contracts.generate import RELEASED, SCHEMAS  # noqa: PLC0415

    found = compare_folders(RELEASED, SCHEMAS, {d.schema_file: d.sent for d in DOCUMENTS})
    for name, broken in found.items():
        for one in broken:
            sys.stderr.write(f"{name}{one.path}: {one.kind}: {one.text}\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
