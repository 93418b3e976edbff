"""The AsyncAPI document stands on its own: references resolve, every topic has writers and readers."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from contracts.asyncapi import contract_topics
from contracts.documents import DOCUMENTS, RAW_VALUES
from contracts.generate import ROOT, table
from contracts.topics import DLQ, Topic, all_topics
from contracts.yamlout import to_yaml

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "asyncapi.yaml").read_text())

_REFERENCE = {
    "type": "object",
    "required": ["$ref"],
    "properties": {"$ref": {"type": "string"}},
    "additionalProperties": False,
}
_STRUCTURE = {
    "type": "object",
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "defaultContentType": {"type": "string"},
        "servers": {"additionalProperties": {"type": "object", "required": ["host", "protocol"]}},
        "channels": {
            "minProperties": 1,
            "propertyNames": {"pattern": "^[A-Za-z0-9_-]+$"},
            "additionalProperties": {
                "type": "object",
                "required": ["address", "messages", "bindings"],
                "properties": {
                    "address": {"type": "string"},
                    "messages": {"minProperties": 1, "additionalProperties": _REFERENCE},
                    "parameters": {"additionalProperties": {"type": "object", "required": ["description"]}},
                    "bindings": {
                        "required": ["kafka"],
                        "properties": {"kafka": {"required": ["partitions", "bindingVersion"]}},
                    },
                },
                "patternProperties": {"^x-": {}},
                "additionalProperties": False,
            },
        },
        "operations": {
            "minProperties": 1,
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel"],
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": _REFERENCE,
                    "title": {"type": "string"},
                },
                "patternProperties": {"^x-": {}},
                "additionalProperties": False,
            },
        },
        "components": {
            "required": ["messages", "schemas"],
            "properties": {"messages": {"additionalProperties": {"required": ["name", "contentType", "headers"]}}},
        },
    },
    "additionalProperties": False,
}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for key, inner in value.items():
            if key != "examples":
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_the_document_has_the_structure_of_asyncapi_3() -> None:
    """Channels, operations, messages and bindings stand where the specification wants them."""
    Draft202012Validator(_STRUCTURE).validate(DOCUMENT)


def test_every_reference_resolves() -> None:
    """A reference points at something in this document or at a schema file beside it."""
    for reference in _references(DOCUMENT):
        if reference.startswith("./"):
            assert (ROOT / reference).is_file(), reference
            continue
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


@pytest.mark.parametrize("topic", contract_topics(), ids=lambda topic: topic.name)
def test_every_topic_has_writers_readers_and_a_known_value(topic: Topic) -> None:
    """Who may write or read a topic is part of its contract, and so is what lies in it."""
    assert topic.writers
    assert topic.readers
    assert topic.event in {d.name for d in DOCUMENTS} | set(RAW_VALUES)


@pytest.mark.parametrize("topic", contract_topics(), ids=lambda topic: topic.name)
def test_every_topic_is_described_with_its_operations(topic: Topic) -> None:
    """Each writer sends and each reader receives, by name."""
    name = topic.name.replace("{", "").replace("}", "")
    mine = [o for o in DOCUMENT["operations"].values() if o["channel"]["$ref"] == f"#/channels/{name}"]

    assert DOCUMENT["channels"][name]["address"] == topic.name
    assert sorted(o["x-actor"] for o in mine if o["action"] == "send") == sorted(topic.writers)
    assert sorted(o["x-actor"] for o in mine if o["action"] == "receive") == sorted(topic.readers)


def test_every_document_travels_on_a_topic() -> None:
    """A document that no topic carries would be a promise without a way."""
    assert {d.name for d in DOCUMENTS} <= {t.event for t in contract_topics()}


def test_the_readme_names_every_topic() -> None:
    """Newcomers find every topic in the table of contracts/README.md."""
    assert table() in (ROOT / "README.md").read_text()


def test_topic_names_of_a_mesh_never_collide() -> None:
    """No partner or agency id makes two topics of one name, and dead letters exist only behind intake."""
    names = [t.name for t in all_topics(["ecpat-se", "public"], ["police-se", "hotline-nl"], 4)]

    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith("tips-inbox-") and name.endswith(DLQ)]


@pytest.mark.parametrize(
    "value",
    [
        {"a": [], "b": {}, "c": None, "d": [1, {"x": "yes", "y": ["no", "on: off"]}], "e": "# not a comment"},
        [{"k": {"deep": [["x"], [1.5, True]]}}],
        {"1": "1", "null": "~", "x": "line\nbreak", "trail": "space ", "ref": "#/a/b", "{p}": "{p}"},
    ],
)
def test_yaml_reads_back_what_was_written(value: object) -> None:
    """Our small YAML writer agrees with a YAML library about every value."""
    assert yaml.safe_load(to_yaml(value)) == value
