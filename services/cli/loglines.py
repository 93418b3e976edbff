"""Which lines of a process's log a person at the terminal should see."""

import json

LOUD = frozenset({"warning", "error", "critical", "exception", "fatal"})
LONGEST = 300
LIBRARY = "library"
"""Events of libraries stay in the log: what they mean for us, our own lines say."""


def worth_showing(line: bytes) -> str | None:
    """Return a short form of a structured *line* of level warning or above; None for all others."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict):
        return None
    level = str(row.get("level") or row.get("severity") or "").lower()
    said = str(row.get("event") or row.get("message") or row.get("msg") or "")
    if level not in LOUD or said == LIBRARY:
        return None
    rest = " ".join(
        f"{k}={v}"
        for k, v in sorted(row.items())
        if k in {"reason", "what", "task", "topic", "error", "error_type", "agency"}
    )
    return f"{level}: {said} {rest}".strip()[:LONGEST]
