"""The compatibility gate catches every kind of break, wherever it is, and lets additions pass."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.compat import breaks, compare_folders, topic_breaks
from contracts.documents import DOCUMENTS
from contracts.generate import RELEASED, SCHEMAS, schema_of

Schema = dict[str, Any]
Mutation = Callable[[Schema], bool]
"""Changes one place; False where the place has nothing to change."""

SENT = {d.schema_file: d.sent for d in DOCUMENTS}


def _places(schema: object) -> Iterator[Schema]:
    if isinstance(schema, dict):
        yield schema
        for key, inner in schema.items():
            if key not in ("default", "examples"):
                yield from _places(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _places(inner)


def _remove_field(place: Schema) -> bool:
    return isinstance(place.get("properties"), dict) and place["properties"].popitem() is not None


def _rename_field(place: Schema) -> bool:
    fields = place.get("properties")
    if not isinstance(fields, dict):
        return False
    name = next(iter(fields))
    fields[name + "_renamed"] = fields.pop(name)
    return True


def _require_new_field(place: Schema) -> bool:
    if not isinstance(place.get("properties"), dict):
        return False
    place["properties"]["new_field"] = {"type": "string"}
    place["required"] = [*place.get("required", []), "new_field"]
    return True


def _require_old_field(place: Schema) -> bool:
    optional = (
        [name for name in place.get("properties", {}) if name not in place.get("required", [])]
        if "properties" in place
        else []
    )
    if optional:
        place["required"] = [*place.get("required", []), optional[0]]
    return bool(optional)


def _drop_word(place: Schema) -> bool:
    return isinstance(place.get("enum"), list) and len(place["enum"]) > 1 and bool(place["enum"].pop())


def _other_type(place: Schema) -> bool:
    if place.get("type") not in ("string", "integer", "boolean", "array", "number"):
        return False
    for key in ("enum", "const", "format", "pattern", "items"):
        place.pop(key, None)
    place["type"] = "object" if place["type"] != "object" else "string"
    return True


def _not_null(place: Schema) -> bool:
    branches = place.get("anyOf")
    if not isinstance(branches, list) or {"type": "null"} not in branches:
        return False
    branches.remove({"type": "null"})
    return True


def _shorter(place: Schema) -> bool:
    if place.get("type") != "string" or place.get("maxLength") == 1 or "enum" in place or "const" in place:
        return False
    place["maxLength"] = place.get("maxLength", 2) - 1
    return True


def _longer_at_least(place: Schema) -> bool:
    if place.get("type") != "string" or "enum" in place or "const" in place:
        return False
    place["minLength"] = place.get("minLength", 0) + 1
    return True


def _stricter_pattern(place: Schema) -> bool:
    if place.get("type") != "string" or "enum" in place or "const" in place:
        return False
    place["pattern"] = "^only this$"
    return True


def _other_constant(place: Schema) -> bool:
    if not isinstance(place.get("const"), str):
        return False
    place["const"] += "-changed"
    return True


def _smaller_range(place: Schema) -> bool:
    if place.get("type") not in ("integer", "number"):
        return False
    place["maximum"] = place.get("maximum", 1000) - 1
    place["minimum"] = place.get("minimum", -1000) + 1
    return True


def _fewer_items(place: Schema) -> bool:
    if place.get("type") != "array":
        return False
    place["maxItems"] = place.get("maxItems", 10) - 1
    return True


BREAKING: list[Mutation] = [
    _remove_field, _rename_field, _require_new_field, _require_old_field, _drop_word, _other_type, _not_null, _shorter,
    _longer_at_least, _stricter_pattern, _other_constant, _smaller_range, _fewer_items,
]  # fmt: skip


def _mutants(schema: Schema, mutation: Mutation) -> Iterator[Schema]:
    for index in range(sum(1 for _ in _places(schema))):
        mutant = copy.deepcopy(schema)
        if mutation(list(_places(mutant))[index]):
            yield mutant


@pytest.mark.parametrize("mutation", BREAKING, ids=lambda m: m.__name__.strip("_"))
def test_every_kind_of_break_is_caught_everywhere(mutation: Mutation) -> None:
    """One break at any place of any document is found; each kind was tried at least once."""
    tried = 0
    for document in DOCUMENTS:
        schema = schema_of(document)
        for mutant in _mutants(schema, mutation):
            tried += 1
            assert breaks(schema, mutant, sent=document.sent), f"{document.name}: {mutation.__name__} slipped through"
    assert tried


def _add_field(place: Schema) -> bool:
    if not isinstance(place.get("properties"), dict):
        return False
    place["properties"]["addition"] = {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}], "default": None}
    return True


def _add_word(place: Schema) -> bool:
    if not isinstance(place.get("enum"), list):
        return False
    place["enum"].append("new_word")
    return True


def _wider_limits(place: Schema) -> bool:
    changed = False
    for key, step in (("maxLength", 1), ("maxItems", 1), ("maximum", 1), ("minLength", -1), ("minimum", -1)):
        if isinstance(place.get(key), int):
            place[key] += step
            changed = True
    return changed


def _describe(place: Schema) -> bool:
    if "properties" not in place:
        return False
    place["description"] = "Better words."
    return True


@pytest.mark.parametrize(
    "addition", [_add_field, _add_word, _wider_limits, _describe], ids=lambda m: m.__name__.strip("_")
)
def test_additions_pass_everywhere(addition: Mutation) -> None:
    """Optional fields, new words, wider limits and better texts break nobody."""
    tried = 0
    for document in DOCUMENTS:
        schema = schema_of(document)
        for mutant in _mutants(schema, addition):
            tried += 1
            assert breaks(schema, mutant, sent=document.sent) == []
    assert tried


def test_loosening_breaks_readers_only_where_we_write() -> None:
    """A promise taken back breaks those who read; for what others write it only makes life easier."""
    old = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    optional = {"type": "object", "properties": {"a": {"type": "string"}}}
    wider = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "required": ["a"],
    }

    assert [b.kind for b in breaks(old, optional, sent=True)] == ["field no longer promised"]
    assert [b.kind for b in breaks(old, wider, sent=True)] == ["type widened"]
    assert breaks(old, optional, sent=False) == breaks(old, wider, sent=False) == []


def test_a_free_place_that_is_closed_is_a_break() -> None:
    """An object in which anything was allowed may not begin to refuse."""
    free = {"type": "object", "additionalProperties": True}

    assert breaks(free, {"type": "object", "additionalProperties": False}, sent=False)
    assert breaks(free, {"type": "object", "additionalProperties": {"type": "string"}}, sent=False)


def test_the_working_schemas_keep_what_was_released() -> None:
    """No released document, field, word or topic is broken by the working tree."""
    assert compare_folders(RELEASED, SCHEMAS, SENT) == {}


def test_every_released_document_is_still_there(tmp_path: Path) -> None:
    """A released version stays beside its successor: a missing file is named."""
    (tmp_path / "released").mkdir()
    (tmp_path / "released" / "old-1.json").write_text("{}")

    found = compare_folders(tmp_path / "released", tmp_path, {"old-1.json": True})

    assert [b.kind for b in found["old-1.json"]] == ["document removed"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "other"),
        ("event", "other/1"),
        ("partitions", 24),
        ("cleanup", "compact"),
        ("max_message_bytes", 10),
        ("retention_ms", 60_000),
    ],
)
def test_every_change_of_a_topic_that_moves_records_is_caught(field: str, value: object) -> None:
    """Key, value, partitions, clean-up, size and retention are promises as well."""
    released = json.loads((RELEASED / "topics.json").read_text())
    changed = copy.deepcopy(released)
    changed["tips-received"][field] = value

    assert [b.path for b in topic_breaks(released, changed)] == ["tips-received"]


def test_a_topic_may_be_added_but_not_removed() -> None:
    """A new topic breaks nobody; one that is gone breaks its writers and readers."""
    released = json.loads((RELEASED / "topics.json").read_text())
    more = released | {"new-topic": released["custody"]}

    assert topic_breaks(released, more) == []
    assert [b.kind for b in topic_breaks(more, released)] == ["topic removed"]
