"""
Reads untrusted bytes as JSON, strictly, and refuses media before anything else looks at them.

Precedence of refusals: ``too_large``; ``not_json`` (encoding, syntax, nesting);
``media_refused``, wherever it stands; then the first thing that JSON allows and
a submission does not: a key twice, a number out of bounds, a lone surrogate
(``invalid_field`` at its own pointer).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from contracts.submission import MAX_DEPTH, MAX_SUBMISSION_BYTES
from contracts.vocabulary import RefusalReason
from services.intake.media import holds_media
from services.intake.refusal import Refusal, pointer

BOM = b"\xef\xbb\xbf"
MAX_DIGITS = 15
"""Digits of an integer: below 2^53, so that every reader of JSON reads the same number."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class _BadNumber(NamedTuple):
    """Stands where a number was that not every reader can hold."""


class _Twice(NamedTuple):
    """Stands where an object had a key twice; keeps every pair, because media may hide in either."""

    key: str
    pairs: tuple[tuple[str, Any], ...]


class _Node(NamedTuple):
    value: Any
    path: tuple[str | int, ...]


def screen(data: bytes) -> dict[str, Any]:
    """
    Read *data* as one JSON object, every ``null`` field left out.

    Raises:
        Refusal: The bytes are no submission, or hold media.
    """
    if len(data) > MAX_SUBMISSION_BYTES:
        raise Refusal(RefusalReason.TOO_LARGE)
    value = _parse(data)
    fault = _walk(value, surrogates=b"\\u" in data)
    if fault:
        raise fault
    if not isinstance(value, dict):
        raise Refusal(RefusalReason.INVALID_FIELD, "")
    stripped: dict[str, Any] = without_nulls(value)
    return stripped


def without_nulls(value: Any) -> Any:
    """*value* without the fields that are null: null means absent. An item of a list stays."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _parse(data: bytes) -> Any:
    try:
        text = data.removeprefix(BOM).decode("utf-8")
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(RefusalReason.NOT_JSON) from error


def _walk(value: Any, *, surrogates: bool) -> Refusal | None:
    """Look at every key and value; media outranks the first other fault in document order."""
    first: Refusal | None = None
    todo = [_Node(value, ())]
    while todo:
        node = todo.pop()
        if len(node.path) > MAX_DEPTH:
            return Refusal(RefusalReason.NOT_JSON)
        fault = _fault(node, surrogates=surrogates)
        if fault and fault.reason is RefusalReason.MEDIA_REFUSED:
            return fault
        first = first or fault
        todo.extend(reversed(list(_children(node))))
    return first


def _fault(node: _Node, *, surrogates: bool) -> Refusal | None:
    value = node.value
    if isinstance(value, str):
        return _text_fault(value, node.path, surrogates=surrogates)
    if isinstance(value, _BadNumber):
        return Refusal(RefusalReason.INVALID_FIELD, pointer(node.path))
    if isinstance(value, _Twice):
        return _keys_fault(node, [key for key, _ in value.pairs], surrogates) or Refusal(
            RefusalReason.INVALID_FIELD, pointer((*node.path, value.key))
        )
    return _keys_fault(node, value, surrogates) if isinstance(value, dict) else None


def _keys_fault(node: _Node, keys: Any, surrogates: bool) -> Refusal | None:
    faults = [fault for key in keys if (fault := _text_fault(key, node.path, surrogates=surrogates))]
    return min(faults, key=lambda fault: fault.reason is not RefusalReason.MEDIA_REFUSED, default=None)


def _text_fault(text: str, path: tuple[str | int, ...], *, surrogates: bool) -> Refusal | None:
    if holds_media(text):
        return Refusal(RefusalReason.MEDIA_REFUSED, pointer(path))
    if surrogates and _SURROGATE.search(text):
        return Refusal(RefusalReason.INVALID_FIELD, pointer(path))
    return None


def _children(node: _Node) -> Iterator[_Node]:
    value = node.value
    if isinstance(value, _Twice):
        yield from (_Node(item, (*node.path, key)) for key, item in value.pairs)
    elif isinstance(value, dict):
        yield from (_Node(item, (*node.path, key)) for key, item in value.items())
    elif isinstance(value, list):
        yield from (_Node(item, (*node.path, index)) for index, item in enumerate(value))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Twice:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return _Twice(twice, tuple(pairs))


def _integer(text: str) -> int | _BadNumber:
    return _BadNumber() if len(text.lstrip("-")) > MAX_DIGITS or text == "-0" else int(text)


def _real(text: str) -> float | _BadNumber:
    return _BadNumber() if len(text) > 2 * MAX_DIGITS or abs(float(text)) > 10.0**MAX_DIGITS else float(text)


def _constant(_: str) -> _BadNumber:
    return _BadNumber()


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
