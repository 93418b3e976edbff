"""The AsyncAPI 3 document, made from the topics and the models: who writes, who reads, keys, headers, limits."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts import headers
from contracts.documents import DOCUMENTS, RAW_VALUES, Document
from contracts.topics import DEFAULT_PARTITIONS, Topic, agency_topics, mesh_topics, partner_topics

Examples = Mapping[str, Sequence[tuple[str, Any]]]
"""Document name to its examples: (name, body)."""

_PARAMETERS = {
    "partner": "Id of an upstream sender in partners.toml; the topic is its identity.",
    "agency": "Id of a receiver in agencies.toml.",
}

_HEADERS = {
    headers.CE_ID: "Id of the event; the same step done twice gives the same id.",
    headers.CE_SOURCE: "Which hop wrote it.",
    headers.CE_TYPE: "Name and version of the document.",
    headers.CE_SPECVERSION: "1.0 (CloudEvents, Kafka binding, binary mode).",
    headers.CE_TIME: "When it was written (RFC 3339).",
    headers.CE_DATASCHEMA: "The JSON Schema of the value.",
    headers.CONTENT_TYPE: "application/json; application/jose where a document is sealed to its receiver's key (JWE).",
    headers.TRACEPARENT: "W3C trace context.",
    headers.TRACESTATE: "W3C trace context.",
    headers.VIDARE_TIP: "Tip id, so that a record can be accounted for without reading its body.",
    headers.VIDARE_CAUSE: "Id of the custody entry that caused this event.",
    headers.VIDARE_ACCEPTED_AT: "When intake accepted the tip; ages are measured from it.",
    headers.VIDARE_FEED_NUMBER: "Number of the document in its agency's feed; only in that feed.",
    headers.VIDARE_FEED_PREVIOUS: "Digest of the document before it in the feed; absent on the first.",
    headers.VIDARE_VIA: "Which door wrote an inbox record; absent for a Kafka publisher.",
}

_DLQ_HEADERS = {
    headers.DLQ_REASON: "Why the record could not be worked (a closed list).",
    headers.DLQ_TOPIC: "Topic it lay in.",
    headers.DLQ_PARTITION: "Partition it lay in.",
    headers.DLQ_OFFSET: "Offset it lay at.",
    headers.DLQ_SERVICE: "Who gave it up.",
    headers.DLQ_AT: "When (RFC 3339).",
}


def contract_topics() -> list[Topic]:
    """Every topic of the contract, partners and agencies as parameters."""
    return [*partner_topics("{partner}"), *mesh_topics(DEFAULT_PARTITIONS), *agency_topics("{agency}")]


def _named(value: str) -> str:
    return value.replace("{", "").replace("}", "").replace("/", "-").replace(" ", "-")


def _channel(topic: Topic) -> dict[str, Any]:
    made: dict[str, Any] = {
        "address": topic.name,
        "messages": {_named(topic.event): {"$ref": f"#/components/messages/{_named(topic.event)}"}},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [topic.cleanup],
                    "retention.ms": topic.retention_ms,
                    "max.message.bytes": topic.max_message_bytes,
                },
                "bindingVersion": "0.5.0",
            }
        },
        "x-key": topic.key,
        "x-written-by": list(topic.writers),
        "x-read-by": list(topic.readers),
    }
    used = {name: {"description": text} for name, text in _PARAMETERS.items() if f"{{{name}}}" in topic.name}
    return made | ({"parameters": used} if used else {})


def _operations(topics: Sequence[Topic]) -> Iterator[tuple[str, dict[str, Any]]]:
    for topic in topics:
        for action, actors in (("send", topic.writers), ("receive", topic.readers)):
            for actor in actors:
                yield f"{_named(actor)}.{action}.{_named(topic.name)}", _operation(topic, action, actor)


def _operation(topic: Topic, action: str, actor: str) -> dict[str, Any]:
    verb = "writes" if action == "send" else "reads"
    return {
        "action": action,
        "title": f"{actor} {verb} {topic.name}",
        "channel": {"$ref": f"#/channels/{_named(topic.name)}"},
        "x-actor": actor,
    }


def _header_schema(named: Mapping[str, str]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in named.items()}
    return {"type": "object", "properties": properties}


def _message(document: Document, examples: Examples) -> dict[str, Any]:
    return {
        "name": document.name,
        "title": document.says,
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./schemas/{document.schema_file}"},
        },
        "examples": [{"name": name, "payload": body} for name, body in examples.get(document.name, ())],
    }


def _raw_message(name: str, text: str) -> dict[str, Any]:
    kind = "dlqHeaders" if name == "original bytes" else "headers"
    return {
        "name": name,
        "title": text,
        "contentType": "application/octet-stream",
        "headers": {"$ref": f"#/components/schemas/{kind}"},
    }


def asyncapi(version: str, examples: Examples) -> dict[str, Any]:
    """Build the document of version *version*."""
    topics = contract_topics()
    messages = {_named(d.name): _message(d, examples) for d in DOCUMENTS}
    messages |= {_named(name): _raw_message(name, text) for name, text in RAW_VALUES.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vidare",
            "version": version,
            "description": "Topics of the referral mesh. Generated from contracts/topics.py and the models.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {"host": "127.0.0.1:9092", "protocol": "kafka", "description": "What `vidare up` starts."}
        },
        "channels": {_named(topic.name): _channel(topic) for topic in topics},
        "operations": dict(_operations(topics)),
        "components": {
            "messages": messages,
            "schemas": {"headers": _header_schema(_HEADERS), "dlqHeaders": _header_schema(_HEADERS | _DLQ_HEADERS)},
        },
    }


def topics_baseline() -> str:
    """Return what outsiders hold on to of every topic, as JSON: the compatibility gate compares it."""
    rows = {
        t.name: {
            "key": t.key, "event": t.event, "partitions": t.partitions, "cleanup": t.cleanup,
            "retention_ms": t.retention_ms, "max_message_bytes": t.max_message_bytes,
        }
        for t in contract_topics()
    }  # fmt: skip
    return json.dumps(rows, indent=2, sort_keys=True) + "\n"
