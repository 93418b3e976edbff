"""Writes plain values as YAML that people can read and diff; contracts may not use a YAML library."""

import json
import re

_PLAIN = re.compile(r"[A-Za-z/$][A-Za-z0-9 _./$(){}-]*\Z")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def _scalar(value: object) -> str:
    if isinstance(value, str):
        plain = _PLAIN.match(value) and value.lower() not in _WORDS and not value.endswith(" ")
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _lines(value: object, indent: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key, inner in value.items() for line in _pair(f"{indent}{_scalar(str(key))}:", inner, indent)]
    if isinstance(value, list | tuple) and value:
        return [line for inner in value for line in _item(inner, indent)]
    return [indent + _leaf(value)]


def _leaf(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else _scalar(value)


def _pair(head: str, value: object, indent: str) -> list[str]:
    if isinstance(value, dict | list | tuple) and value:
        return [head, *_lines(value, indent + "  ")]
    return [f"{head} {_leaf(value)}"]


def _item(value: object, indent: str) -> list[str]:
    first, *rest = _lines(value, indent + "  ")
    return [f"{indent}- {first.lstrip()}", *rest]


def to_yaml(value: object) -> str:
    """Return *value* (dicts, lists, strings, numbers, booleans, None) as block-style YAML, keys in their order."""
    return "\n".join(_lines(value, "")) + "\n"
