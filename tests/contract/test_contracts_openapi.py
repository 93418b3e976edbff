"""The doors' descriptions are what the doors serve, and name schemas that exist."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.cli.commands.schemas import BODIES, DOORS, OPENAPI, PROBLEM, openapi, stale

OPERATIONAL = {"/live", "/ready", "/metrics"}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_no_description_of_a_door_is_stale() -> None:
    """What is committed is what the doors serve; `make schemas` repairs it."""
    assert [path.name for path in stale()] == []


@pytest.mark.parametrize("name", DOORS)
def test_every_door_answers_the_probes_and_names_schemas_that_exist(name: str) -> None:
    """Every process has /live, /ready and /metrics; a body's schema is a file of the contract."""
    described = openapi(name)

    assert set(described["paths"]) >= OPERATIONAL
    for reference in _references(described):
        if reference.startswith("../"):
            assert (OPENAPI / reference).resolve().is_file(), reference


@pytest.mark.parametrize("name", DOORS)
def test_every_operation_says_how_it_refuses(name: str) -> None:
    """Errors are RFC 9457 problem documents with a code."""
    operations: list[dict[str, Any]] = [
        operation
        for path, methods in openapi(name)["paths"].items()
        if path.startswith("/v1/")
        for operation in methods.values()
    ]

    assert operations
    assert all(PROBLEM in operation["responses"]["default"]["content"] for operation in operations)


def test_every_body_that_is_described_belongs_to_a_route_or_to_an_importer() -> None:
    """No body is described for a path that no door has; importers may come later."""
    served = {
        (path, method) for name in DOORS for path, methods in openapi(name)["paths"].items() for method in methods
    }

    assert {key for key in BODIES if not key[0].startswith("/v1/import/")} <= served
