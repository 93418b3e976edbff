"""
Secrets of the shipped demo set: drawn once per home, kept in ``tokens.json``, handed to the processes by environment.

Who runs with partners and agencies of their own brings their own secrets; nothing is made up for them.
"""

import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from services.chassis.settings import Settings

FILE = "tokens.json"
_REFERENCE = re.compile(r"[\"']env:([A-Za-z_][A-Za-z0-9_]*)[\"']")


def references(text: str) -> list[str]:
    """Names of the environment variables that a configuration *text* refers to."""
    return sorted(set(_REFERENCE.findall(text)))


def demo_secrets(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return every secret the shipped demo set refers to and the environment lacks; draw the missing ones once."""
    shipped = [
        path
        for path, given in ((settings.partners_file, settings.partners), (settings.agencies_file, settings.agencies))
        if given is None and path.exists()
    ]
    wanted = sorted({name for path in shipped for name in references(path.read_text())} - set(environment))
    kept = read_secrets(settings.home)
    drawn = {name: secrets.token_urlsafe(24) for name in wanted if name not in kept}
    if drawn:
        _write(settings.home, kept | drawn)
    return {name: (kept | drawn)[name] for name in wanted}


def read_secrets(home: Path) -> dict[str, str]:
    """Return what ``tokens.json`` of *home* holds; empty if there is none."""
    path = home / FILE
    if not path.exists():
        return {}
    return {str(name): str(value) for name, value in json.loads(path.read_text()).items()}


def _write(home: Path, values: Mapping[str, str]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    fresh = home / f".{FILE}.new"
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        out.write(json.dumps(dict(values), indent=2, sort_keys=True) + "\n")
    fresh.replace(home / FILE)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a process these very settings, and the demo set's secrets."""
    values = settings.model_dump(mode="json", exclude_none=True)
    made = {f"VIDARE_{name.upper()}": str(value) for name, value in values.items()}
    paths = {name: value for name, value in settings if isinstance(value, Path)}
    made |= {f"VIDARE_{name.upper()}": str(path.resolve()) for name, path in paths.items()}
    return made | demo_secrets(settings)
