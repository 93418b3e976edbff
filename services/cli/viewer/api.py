"""What is said to a running Zipkin over HTTP on loopback: are you there, take these spans."""

from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any

import orjson

ANSWER_WITHIN_S = 10.0
ACCEPTED = 202


def healthy(port: int) -> bool:
    """Return True if a viewer answers on *port* and is ready."""
    try:
        return _ask(port, "GET", "/health", None, timeout_s=2.0) == 200
    except (OSError, HTTPException):
        return False


def post_spans(port: int, spans: Sequence[dict[str, Any]]) -> None:
    """
    Hand *spans* over; the same ones again change nothing.

    Raises:
        OSError: The viewer did not take them.
    """
    try:
        status = _ask(port, "POST", "/api/v2/spans", orjson.dumps(spans), timeout_s=ANSWER_WITHIN_S)
    except HTTPException as error:
        raise ConnectionError(f"it broke off ({type(error).__name__})") from None
    if status != ACCEPTED:
        raise ConnectionError(f"it answered {status}")


def _ask(port: int, method: str, path: str, body: bytes | None, *, timeout_s: float) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
