"""
A TOML file read strictly: every complaint names file, line and reason.

``tomllib`` keeps no line numbers, so a path such as ``agency[3].webhook.url``
is looked up again in the text: the table's header, then the key below it.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services.chassis.errors import Misconfigured

Part = str | int
Model = TypeVar("Model", bound=BaseModel)

_DECODE_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """The text and tables of one file."""

    path: Path
    lines: tuple[str, ...]
    data: dict[str, Any]

    def line_of(self, where: Sequence[Part]) -> int:
        """Line (from 1) of the table or key *where*; of its nearest parent where it stands nowhere."""
        start, end, rest = self._block(where)
        for part in rest:
            if isinstance(part, str):
                start = self._key(part, start, end)
        return start + 1

    def refuse(self, where: Sequence[Part], reason: str) -> Misconfigured:
        """The error for what stands at *where*."""
        return Misconfigured(f"{self.path}:{self.line_of(where)}: {reason}")

    def _block(self, where: Sequence[Part]) -> tuple[int, int, Sequence[Part]]:
        if len(where) > 1 and isinstance(where[1], int):
            heads = [n for n, line in enumerate(self.lines) if line.strip().startswith(f"[[{where[0]}]]")]
            if where[1] < len(heads):
                after = heads[where[1] + 1] if where[1] + 1 < len(heads) else len(self.lines)
                return heads[where[1]], after, where[2:]
        return 0, len(self.lines), where

    def _key(self, key: str, start: int, end: int) -> int:
        named = re.compile(rf"(?:^\s*|[{{,]\s*)[\"']?{re.escape(key)}[\"']?\s*=|^\s*\[+[\w.-]*\b{re.escape(key)}\]")
        for number in range(start, end):
            if named.search(self.lines[number]):
                return number
        return start


def read_toml(path: Path) -> TomlFile:
    """
    Read the file *path*.

    Raises:
        Misconfigured: It is missing, unreadable, not UTF-8 or not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}:1: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}:1: not UTF-8 text") from error
    return parse_toml(path, text)


def parse_toml(path: Path, text: str) -> TomlFile:
    """
    Read *text*, which complaints call *path*.

    Raises:
        Misconfigured: It is not TOML.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(_not_toml(path, text, str(error))) from error
    return TomlFile(path, tuple(text.splitlines()), data)


def validate(file: TomlFile, model: type[Model]) -> Model:
    """
    The file as *model*.

    Raises:
        Misconfigured: With the line of the first fault and its reason.
    """
    try:
        return model.model_validate(file.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = first["loc"]
        raise file.refuse(where, _reason(where, first["type"], first["msg"])) from error


def _not_toml(path: Path, text: str, message: str) -> str:
    found = _DECODE_LINE.search(message)
    line = int(found.group(1)) if found else len(text.splitlines()) or 1
    return f"{path}:{line}: not TOML: {_DECODE_LINE.sub('', message)}"


def _reason(where: Sequence[Part], kind: str, message: str) -> str:
    name = next((part for part in reversed(where) if isinstance(part, str)), "the file")
    if kind == "extra_forbidden":
        return f"unknown key {name!r}: remove it or correct its spelling"
    if kind == "missing":
        return f"{name!r} is missing"
    if name in ("token", "secret", "signing_key", "client_key") and kind == "string_pattern_mismatch":
        return f"{name!r} must be a reference, env:NAME or file:PATH: a secret never stands in a file like this"
    if name == "channels" and kind == "too_short":
        return "no channel at all: an agency without a channel would never receive anything"
    return f"{name!r}: {message.removeprefix('Value error, ')}"
