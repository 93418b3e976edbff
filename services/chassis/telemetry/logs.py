"""
Logs: one JSON object a line on standard error, closed keys, nothing of a tip.

What could carry text from outside is cut, its control characters escaped; a
traceback names files, lines and the class of the exception, never its message
or local variables.
"""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import orjson
import structlog

from contracts.telemetry import MAX_VALUE_CHARS, forbidden_shape

KEYS = frozenset(
    {
        "event", "level", "at", "service", "member", "hop", "task", "topic", "partition", "offset", "group", "agency",
        "partner", "channel", "attempt", "reason", "code", "status", "count", "seconds", "port", "address", "version",
        "digest", "file", "line", "exit", "pid", "tip", "referral", "trace", "where", "error", "state", "what", "name",
        "source", "built", "route", "records", "restarts", "broker",
    }
)  # fmt: skip
"""Every key a line may have; others are left out and named in ``dropped``."""

OWN = frozenset({"address", "broker", "file", "where"})
"""Keys that hold our own addresses and paths and are not held against the shapes of tip content."""

MAX_FRAMES = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

EventDict = MutableMapping[str, Any]


def configure(service: str, level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send this process's logs, and those of its libraries from warnings on, to *stream* (standard error)."""
    out = stream or sys.stderr
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, _Line(service)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_LibraryFormatter(service))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def logger() -> structlog.typing.FilteringBoundLogger:
    """Give a logger: ``logger().info("task ready", task="3")``."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


def safe_text(value: str) -> str:
    """Escape what could break a line or colour a terminal, and cut to length."""
    escaped = _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", value)
    return escaped if len(escaped) <= MAX_VALUE_CHARS else escaped[: MAX_VALUE_CHARS - 3] + "..."


def where_of(error: BaseException) -> list[str]:
    """List files, lines and functions of *error*'s traceback, newest last; no values, no message."""
    return _frames(error.__traceback__)


def _frames(trace: TracebackType | None) -> list[str]:
    # limit < 0 keeps the newest; lookup_lines off: source lines would be read for nothing.
    found = traceback.StackSummary.extract(traceback.walk_tb(trace), limit=-MAX_FRAMES, lookup_lines=False)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in found]


class _Line:
    """Renders one event dictionary as one line."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: object, _method: str, event_dict: EventDict) -> str:
        line: dict[str, object] = {"at": _now(), "service": self._service}
        line |= _error(event_dict.pop("exc_info", None))
        dropped = sorted(key for key in event_dict if key not in KEYS)
        line |= {key: _kept(key, value) for key, value in event_dict.items() if key in KEYS}
        if dropped:
            line["dropped"] = [safe_text(key) for key in dropped]
        return orjson.dumps(line).decode()


class _LibraryFormatter(logging.Formatter):
    """Lines of libraries: where it came from and how grave, not what it says (it may quote a record)."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Render *record* without its arguments."""
        error = record.exc_info[1] if record.exc_info else None
        line: dict[str, object] = {
            "at": _now(),
            "service": self._service,
            "level": record.levelname.lower(),
            "event": "library",
            "name": safe_text(record.name),
            "what": _kept("what", str(record.msg)),
            "line": record.lineno,
        }
        return orjson.dumps(line | _error(error)).decode()


def _error(given: object) -> dict[str, object]:
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if not isinstance(error, BaseException):
        return {}
    return {"error": type(error).__name__, "where": where_of(error)}


def _kept(key: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_kept(key, item) for item in value[:MAX_FRAMES]]
    text = safe_text(str(value))
    shape = None if key in OWN else forbidden_shape(text)
    return f"[{shape} left out]" if shape else text


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
