"""
Reads untrusted bytes as JSON, strictly, and refuses media before anything else looks at them.

Precedence of refusals: ``too_large``; ``not_json`` (encoding, syntax, nesting);
``media_refused``, wherever it stands; then the first thing that JSON allows and
a submission does not: a key twice, a number out of bounds, a lone surrogate
(``invalid_field`` at its own pointer).
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from contracts.submission import MAX_DEPTH, MAX_SUBMISSION_BYTES
from contracts.vocabulary import RefusalReason
from services.intake.media import holds_media
from services.intake.refusal import Refusal, pointer

BOM = b"\xef\xbb\xbf"
MAX_DIGITS = 15
"""Digits of an integer: below 2^53, so that every reader of JSON reads the same number."""

LONGEST_REFERENCE = 200
"""Characters; as in the contract."""

BETWEEN = "\x00"
"""Parts texts that are searched in one go: no encoding of media holds it."""

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
    texts: list[str] = []
    stripped: object = None
    try:
        stripped = _strip(value, texts, 1)
        suspect = holds_media(BETWEEN.join(texts)) or (b"\\u" in data and bool(_SURROGATE.search("".join(texts))))
    except _Odd:
        suspect = True
    if suspect and (fault := _walk(value)):
        fault.reference = reference_of(value)
        raise fault
    if not isinstance(stripped, dict):
        raise Refusal(RefusalReason.INVALID_FIELD, "")
    return stripped


def reference_of(value: object) -> str | None:
    """The sender's reference in what may be no submission at all, so that its refusal can be told by it."""
    pairs = value.items() if isinstance(value, dict) else value.pairs if isinstance(value, _Twice) else ()
    found = [item for key, item in pairs if key == "reference"]
    text = found[0] if len(found) == 1 else None
    usable = isinstance(text, str) and 0 < len(text) <= LONGEST_REFERENCE and not _text_fault(text, ())
    return text if usable else None


class _Odd(Exception):
    """Something that only the careful walk can name."""


def _strip(value: object, texts: list[str], depth: int) -> object:
    """*value* without its null fields (null means absent; an item of a list stays), its texts gathered on the way."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, dict):
        if depth > MAX_DEPTH:
            raise _Odd
        texts.extend(value)
        return {key: _strip(item, texts, depth + 1) for key, item in value.items() if item is not None}
    elif isinstance(value, list):
        if depth > MAX_DEPTH:
            raise _Odd
        return [_strip(item, texts, depth + 1) for item in value]
    elif isinstance(value, _BadNumber | _Twice):
        raise _Odd
    return value


def _parse(data: bytes) -> object:
    try:
        text = data.removeprefix(BOM).decode("utf-8")
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(RefusalReason.NOT_JSON) from error


def _walk(value: object) -> Refusal | None:
    """Look at every key and value one by one; media outranks the first other fault in document order."""
    first: Refusal | None = None
    todo = [_Node(value, ())]
    while todo:
        node = todo.pop()
        if len(node.path) >= MAX_DEPTH and isinstance(node.value, (dict, list, _Twice)):
            return Refusal(RefusalReason.NOT_JSON)
        fault = _fault(node)
        if fault and fault.reason is RefusalReason.MEDIA_REFUSED:
            return fault
        first = first or fault
        todo.extend(reversed(list(_children(node))))
    return first


def _fault(node: _Node) -> Refusal | None:
    value = node.value
    if isinstance(value, str):
        return _text_fault(value, node.path)
    if isinstance(value, _BadNumber):
        return Refusal(RefusalReason.INVALID_FIELD, pointer(node.path))
    if isinstance(value, _Twice):
        twice = Refusal(RefusalReason.INVALID_FIELD, pointer((*node.path, value.key)))
        return _keys_fault(node, [key for key, _ in value.pairs]) or twice
    return _keys_fault(node, value) if isinstance(value, dict) else None


def _keys_fault(node: _Node, keys: Iterable[str]) -> Refusal | None:
    """The worst fault among *keys*, told at their object: a key that is media must not be repeated."""
    faults = [fault for key in keys if (fault := _text_fault(key, node.path))]
    return min(faults, key=lambda fault: fault.reason is not RefusalReason.MEDIA_REFUSED, default=None)


def _text_fault(text: str, path: tuple[str | int, ...]) -> Refusal | None:
    if holds_media(text):
        return Refusal(RefusalReason.MEDIA_REFUSED, pointer(path))
    if _SURROGATE.search(text):
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


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant)
