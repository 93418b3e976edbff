"""
``python -m services.cli.commands.schemas`` (``make schemas``): everything that is generated from models and doors.

The doors read their bodies themselves, bounded, before anything parses them;
what they take is therefore said here, next to the schemas that it names.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from contracts import generate
from services.chassis.settings import ROOT

DOORS = ("intake", "geolocate", "router", "notifier", "custody")
OPENAPI = ROOT / "contracts" / "openapi"
PROBLEM = "application/problem+json"

JSON, LINES, XML = "application/json", "application/x-ndjson", "application/xml"
BODIES: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("/v1/tips", "post"): (JSON, {"$ref": "../schemas/tip-submission-1.json"}),
    ("/v1/tips/batch", "post"): (LINES, {"type": "string", "description": "One tip-submission/1 on each line."}),
    ("/v1/import/cybertip", "post"): (XML, {"type": "string", "description": "An NCMEC CyberTipline report."}),
    ("/v1/import/xarf", "post"): (JSON, {"type": "object", "description": "XARF v4 content/csam or content/csem."}),
    ("/v1/explain", "post"): (
        JSON,
        {"anyOf": [{"$ref": "../schemas/tip-submission-1.json"}, {"$ref": "../schemas/tip-located-1.json"}]},
    ),
    ("/v1/referrals/{referral}/receipts", "post"): (JSON, {"$ref": "../schemas/receipt-1.json"}),
}
"""What a door takes as the body of a request: media type and schema."""

TOKEN = ("/v1/tips", "/v1/import/", "/v1/referrals")
"""Paths that want the bearer token of a partner or an agency."""
OPEN_ON = ("custody",)
"""Doors whose paths take no token: they answer this machine only."""


def openapi(name: str) -> dict[str, Any]:
    """Describe the door of service *name*."""
    app = _blank_door(name)
    made: dict[str, Any] = app.openapi()
    made["info"] = {"title": f"Vidare {name}", "version": generate.VERSION}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            _complete(name, path, method, operation)
    made.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return made


def _blank_door(name: str) -> FastAPI:
    """The door with nothing behind it: its routes are all that is asked for."""
    module = importlib.import_module(f"services.{name}.door")
    make: Callable[..., FastAPI] = getattr(module, "create_door", None) or module.door
    parts = getattr(module, "DoorParts", None)
    return make(parts(**_nothing(parts))) if parts is not None else make(**_nothing(make))


def _nothing(call: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(call).parameters.values()
    return {parameter.name: None for parameter in parameters if parameter.default is parameter.empty}


def _complete(name: str, path: str, method: str, operation: dict[str, Any]) -> None:
    body = BODIES.get((path, method))
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {body[0]: {"schema": body[1]}}}
    if path.startswith(TOKEN) and name not in OPEN_ON:
        operation["security"] = [{"token": []}]
    if path.startswith("/v1/"):
        problem = {
            "type": "object",
            "required": ["code"],
            "properties": {"code": {"type": "string"}, "detail": {"type": "string"}},
        }
        operation["responses"]["default"] = {
            "description": "RFC 9457 problem; code says why.",
            "content": {PROBLEM: {"schema": problem}},
        }


def generated() -> dict[Path, str]:
    """Every description of a door and what it must hold."""
    return {OPENAPI / f"{name}.json": json.dumps(openapi(name), indent=2, ensure_ascii=False) + "\n" for name in DOORS}


def stale() -> list[Path]:
    """Descriptions that differ from what the doors say, and files that describe no door."""
    files = generated()
    wrong = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    return sorted({*wrong, *(path for path in OPENAPI.glob("*.json") if path not in files)})


def main(arguments: list[str]) -> int:
    """Write everything, or with ``--check`` only tell what is stale (exit 1)."""
    if "--check" in arguments:
        found = stale()
        for path in found:
            sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run `make schemas`\n")
        return max(generate.main(arguments), 1 if found else 0)
    OPENAPI.mkdir(exist_ok=True)
    for path in stale():
        if path in generated():
            path.write_text(generated()[path])
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
        else:
            path.unlink()
    return generate.main(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
