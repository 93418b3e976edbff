"""A fresh machine has what the code imports: every import is declared, and every declaration is locked."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = frozenset({"contracts", "services", "tests", "deploy"})
PEERS = ROOT / "tests/bench/peers"
"""Programs we are measured beside; the bench installs each in a place of its own."""

WITH_TESTS = ("contracts", "services", "tests")
SHIPPED = ("contracts", "services")


def _name(text: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", text)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


@cache
def _project() -> tuple[frozenset[str], frozenset[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"].values()
    return (
        frozenset(map(_name, project["dependencies"])),
        frozenset(_name(line) for lines in extra for line in lines),
    )


@cache
def _locked() -> frozenset[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return frozenset(_name(line) for line in lines if line and line[0].isalnum())


def _imported(folder: str) -> dict[str, str]:
    """First part of every absolute import under *folder*, with one place that has it."""
    found: dict[str, str] = {}
    for path in (path for path in sorted((ROOT / folder).rglob("*.py")) if PEERS not in path.parents):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            found.update({name.partition(".")[0]: str(path.relative_to(ROOT)) for name in names})
    beside = {path.stem for path in (ROOT / folder).rglob("*.py")}
    return {name: at for name, at in found.items() if name not in OURS | beside | sys.stdlib_module_names}


@pytest.mark.parametrize("folder", WITH_TESTS)
def test_every_import_is_of_something_that_setup_installs(folder: str) -> None:
    """`make setup` installs requirements.lock and nothing else: an import of anything else ends a fresh clone."""
    sold_by = packages_distributions()
    missing = {
        name: at
        for name, at in _imported(folder).items()
        if not {_name(one) for one in sold_by.get(name, [name])} & _locked()
    }
    assert not missing


@pytest.mark.parametrize("folder", SHIPPED)
def test_what_the_services_import_is_a_dependency_by_name(folder: str) -> None:
    """What the shipped code imports is named in pyproject.toml, or is part of something named there."""
    declared, _ = _project()
    part_of = {"opentelemetry-api": "opentelemetry-sdk", "google": "opentelemetry-proto"}
    part_of |= {"protobuf": "opentelemetry-proto", "starlette": "fastapi", "click": "typer"}
    part_of |= {"pydantic-core": "pydantic", "typing-extensions": "pydantic"}
    sold_by = packages_distributions()
    missing = {}
    for name, at in _imported(folder).items():
        sellers = {_name(one) for one in sold_by.get(name, [name])}
        if not (sellers | {part_of.get(one, one) for one in sellers}) & declared:
            missing[name] = at
    assert not missing


def test_every_declared_dependency_is_locked() -> None:
    """The lock is made from pyproject.toml: nothing that it names is absent."""
    declared, extra = _project()
    assert not (declared | extra) - _locked()
