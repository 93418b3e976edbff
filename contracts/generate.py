"""
Regenerates what is derived from the models: JSON Schemas, the AsyncAPI document, the table of the README.

``python -m contracts.generate`` writes; ``--check`` only tells which files are
stale (exit 1); ``--release`` also copies the schemas to ``schemas/released``,
the baseline that the compatibility gate holds every later change against.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from contracts.asyncapi import asyncapi, contract_topics, topics_baseline
from contracts.documents import DOCUMENTS, Document
from contracts.yamlout import to_yaml

ROOT = Path(__file__).resolve().parent
SCHEMAS = ROOT / "schemas"
RELEASED = SCHEMAS / "released"
EXAMPLES = ROOT / "examples"
README = ROOT / "README.md"
VERSION = "0.1.0"
"""Of the contract; the same as the distribution's."""

_BEGIN, _END = "<!-- table: generated -->", "<!-- /table -->"


def _closed(schema: Any) -> Any:  # noqa: ANN401 - JSON is Any
    """Close every object that names its properties: producers write nothing else, consumers ignore the unknown."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _closed(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made["additionalProperties"] = False
    return made


def schema_of(document: Document) -> dict[str, Any]:
    """Return the published JSON Schema of *document*: what a producer may write."""
    made: dict[str, Any] = _closed(document.model.model_json_schema(by_alias=True))
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"urn:vidare:schema:{document.name}"} | made


def examples() -> dict[str, list[tuple[str, Any]]]:
    """Every committed example, by document name."""
    return {
        d.name: [
            (path.stem, json.loads(path.read_text())) for path in sorted((EXAMPLES / d.examples_folder).glob("*.json"))
        ]
        for d in DOCUMENTS
    }


def table() -> str:
    """Return the README's table: topic, key, event, who writes, who reads."""
    rows = [
        f"| `{t.name}` | {t.key} | {t.event} | {_and(t.writers)} | {_and(t.readers)} | {_kept(t.retention_ms)} |"
        for t in contract_topics()
    ]
    head = "| topic | key | value | written by | read by | kept |\n|---|---|---|---|---|---|"
    return "\n".join([_BEGIN, head, *rows, _END])


def _and(names: Sequence[str]) -> str:
    return ", ".join(names)


def _kept(retention_ms: int) -> str:
    return "for ever" if retention_ms < 0 else f"{retention_ms // 86_400_000} d"


def _readme() -> str:
    text = README.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + table() + after


def generated() -> dict[Path, str]:
    """Every derived file and what it must hold."""
    files = {SCHEMAS / d.schema_file: json.dumps(schema_of(d), indent=2, ensure_ascii=False) + "\n" for d in DOCUMENTS}
    files[SCHEMAS / "topics.json"] = topics_baseline()
    files[ROOT / "asyncapi.yaml"] = to_yaml(asyncapi(VERSION, examples()))
    files[README] = _readme()
    return files


def stale() -> list[Path]:
    """Files that differ from what the models say, and schema files that no document owns."""
    files = generated()
    wrong = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    return sorted({*wrong, *(path for path in SCHEMAS.glob("*.json") if path not in files)})


def write(*, release: bool = False) -> list[Path]:
    """Write what is stale and return it; with *release* the schemas become the baseline as well."""
    changed, files = stale(), generated()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if release and path.parent == SCHEMAS:
            RELEASED.mkdir(exist_ok=True)
            (RELEASED / path.name).write_text(text)
    return changed


def main(arguments: list[str]) -> int:
    """Run as a command; exit 1 where ``--check`` finds a stale file."""
    if "--check" in arguments:
        found = stale()
        for path in found:
            sys.stderr.write(f"{path.relative_to(ROOT.parent)} is stale: run `make schemas`\n")
        return 1 if found else 0
    for path in write(release="--release" in arguments):
        sys.stdout.write(f"wrote {path.relative_to(ROOT.parent)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
