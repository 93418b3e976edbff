"""``vidare config``: every setting, where its value comes from, secrets masked."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.chassis.settings import PREFIX, Settings, named_as_settings
from services.cli import output
from services.cli.context import load_settings

MASK = "********"
_SECRET_PARTS = ("TOKEN", "SECRET", "KEY", "PASSWORD")
OUTSIDE = frozenset({"VIDARE_CACHE", "VIDARE_PORT", "VIDARE_DEMO_RECEIVER", "VIDARE_TEST_KAFKA_IMAGE"})
"""Variables that are read, but are no setting of the processes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as it is in force."""

    name: str
    value: str | None
    source: str
    """``argument``, ``environment``, ``vidare.toml`` or ``default``."""


def is_secret(name: str) -> bool:
    """Return True if the value of *name* may not be printed."""
    return any(part in _SECRET_PARTS for part in name.upper().split("_"))


def rows(
    settings: Settings, arguments: Mapping[str, Any], environment: Mapping[str, str], file: Mapping[str, Any]
) -> list[Row]:
    """List every setting with its source, then the other ``VIDARE_*`` variables that are set."""
    upper = {name.upper() for name in environment}
    made = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        shown = None if value is None else MASK if is_secret(name) else str(value)
        made.append(Row(PREFIX + name.upper(), shown, _source(name, arguments, upper, file)))
    known = {row.name for row in made}
    others = sorted(name for name in upper if name.startswith(PREFIX) and name not in known)
    return made + [Row(name, MASK if is_secret(name) else environment.get(name), _other(name)) for name in others]


def _source(name: str, arguments: Mapping[str, Any], environment: set[str], file: Mapping[str, Any]) -> str:
    if arguments.get(name) is not None:
        return "argument"
    if PREFIX + name.upper() in environment:
        return "environment"
    return "vidare.toml" if name in file else "default"


def _other(name: str) -> str:
    return "environment" if is_secret(name) or name in OUTSIDE else "environment; no process reads this name"


def _given(path: Path) -> dict[str, Any]:
    return named_as_settings(tomllib.loads(path.read_text()), Settings.model_fields)


def config(*, json: bool = False, **arguments: object) -> int:
    """Print the settings in force."""
    settings = load_settings(**arguments)
    path = Path("vidare.toml")
    found = rows(settings, arguments, os.environ, _given(path) if path.exists() else {})
    if json:
        output.as_json({row.name: {"value": row.value, "source": row.source} for row in found})
    else:
        output.table(("setting", "value", "source"), [(row.name, row.value or "-", row.source) for row in found])
    return 0
