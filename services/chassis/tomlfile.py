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

MOST_BYTES = 8 * 2**20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
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

    def refuse(self, where: Sequence[Part], reason: str, *, near: Sequence[str] = ()) -> Misconfigured:
        """The error for what stands at *where*; where that is a long list, on the line with most words of *near*."""
        return Misconfigured(f"{self.path}:{self._nearest(where, near)}: {reason}")

    def _nearest(self, where: Sequence[Part], words: Sequence[str]) -> int:
        first, (_, end, _) = self.line_of(where), self._block(where)
        counts = [sum(word in line for word in words) for line in self.lines[first - 1 : end]]
        return first + (counts.index(max(counts)) if counts else 0)

    def _block(self, where: Sequence[Part]) -> tuple[int, int, Sequence[Part]]:
        if len(where) > 1 and isinstance(where[1], int):
            head = re.compile(rf"\s*\[\[\s*[\"']?{re.escape(str(where[0]))}[\"']?\s*\]\]")
            heads = [n for n, line in enumerate(self.lines) if head.match(line)]
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
    return parse_toml(path, text_of(path, bytes_of(path)))


def bytes_of(path: Path) -> bytes:
    """
    Read the file *path*, or as much as no file of ours can have.

    Raises:
        Misconfigured: It is missing or unreadable.
    """
    try:
        with path.open("rb") as handle:
            return handle.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise Misconfigured(f"{path}:1: cannot be read: {reason or error}") from error


def text_of(path: Path, data: bytes) -> str:
    """
    The text in *data*, which complaints call *path*.

    Raises:
        Misconfigured: It is too large, not UTF-8, or begins with a byte-order mark.
    """
    if len(data) > MOST_BYTES:
        raise Misconfigured(f"{path}:1: larger than {MOST_BYTES // 2**20} MiB: no file of ours is")
    if data.startswith(BYTE_ORDER_MARK):
        raise Misconfigured(f"{path}:1: begins with a byte-order mark: save it as UTF-8 without one")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Misconfigured(f"{path}:{line}: not UTF-8 text") from error


def parse_toml(path: Path, text: str) -> TomlFile:
    """
    Read *text*, which complaints call *path*.

    Raises:
        Misconfigured: It is not TOML.
    """
    text = text.replace("\r\n", "\n")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(_not_toml(path, text, str(error))) from error
    except RecursionError:
        raise Misconfigured(f"{path}:{_deepest(text)}: nested too deeply") from None
    # Not `splitlines`: to TOML, and to an editor's line numbers, only a line feed ends a line.
    return TomlFile(path, tuple(text.removesuffix("\n").split("\n")), data)


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
    line = int(found.group(1)) if found else text.removesuffix("\n").count("\n") + 1
    return f"{path}:{line}: not TOML: {_DECODE_LINE.sub('', message)}"


def _deepest(text: str) -> int:
    """The line with the most brackets."""
    brackets = [line.count("[") + line.count("{") for line in text.split("\n")]
    return brackets.index(max(brackets)) + 1


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
