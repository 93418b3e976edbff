"""
What senders may know of their tips: a read model over ``tips-status-<p>``, rebuilt at every start.

SQLite with a private temporary file: it grows on disk, not in memory, and is
gone with the process.
"""

import sqlite3
from collections.abc import Sequence
from uuid import UUID

import orjson

from contracts.topics import STATUS
from contracts.vocabulary import StatusWord
from services.chassis.hop import Record

_SCHEMA = """
CREATE TABLE statuses (partner TEXT, place INTEGER, tip TEXT, reference TEXT, body BLOB, PRIMARY KEY (partner, place))
WITHOUT ROWID;
CREATE INDEX by_tip ON statuses (partner, tip, place);
CREATE INDEX by_reference ON statuses (partner, reference) WHERE reference IS NOT NULL;
"""

ORDER = (StatusWord.ROUTED, StatusWord.DELIVERED, StatusWord.ACKNOWLEDGED, StatusWord.OUTCOME)
"""Words that say how far a tip came, from near to far."""

RECEIVED = "received"


class StatusView:
    """Every status of every partner, by tip and by reference."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(_SCHEMA)

    def apply(self, records: Sequence[Record]) -> None:
        """Take in records of status topics; what is no status is passed over."""
        rows = [row for record in records if (row := _row(record))]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO statuses VALUES (?, ?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def tip_of(self, partner: str, reference: str) -> UUID | None:
        """Tip id of an accepted *reference* of *partner*, as far as the view has read."""
        found = self._db.execute(
            "SELECT tip FROM statuses WHERE partner = ? AND reference = ? AND tip IS NOT NULL LIMIT 1",
            (partner, reference),
        ).fetchone()
        return UUID(found[0]) if found else None

    def state(self, partner: str, tip: UUID) -> dict[str, object] | None:
        """State of a tip of *partner*'s own; None where there is none."""
        found = self._db.execute(
            "SELECT body FROM statuses WHERE partner = ? AND tip = ? ORDER BY place", (partner, str(tip))
        ).fetchall()
        return state_of(str(tip), [orjson.loads(body) for (body,) in found]) if found else None

    def close(self) -> None:
        """Close; the file is gone."""
        self._db.close()


def state_of(tip: str, statuses: list[dict[str, object]]) -> dict[str, object]:
    """Fold the statuses of one tip, oldest first, into what its sender is shown."""
    accepted = [s for s in statuses if s["status"] == StatusWord.ACCEPTED]
    refused = [s for s in statuses if s["status"] == StatusWord.REFUSED]
    last = accepted[-1] if accepted else {}
    return {
        "tip_id": tip,
        "state": _furthest(statuses) if accepted else str(StatusWord.REFUSED.value),
        "revision": last.get("revision"),
        "priority": last.get("priority"),
        "references": list(dict.fromkeys(s["reference"] for s in accepted if "reference" in s)),
        "destinations": _destinations(statuses),
        "refusals": [{"reference": s.get("reference"), "at": s["at"], **_dict(s.get("refusal"))} for s in refused],
        "history": [{name: value for name, value in s.items() if name not in ("schema", "tip_id")} for s in statuses],
    }


def _furthest(statuses: list[dict[str, object]]) -> str:
    said = {s["status"] for s in statuses}
    return next((word.value for word in reversed(ORDER) if word in said), RECEIVED)


def _destinations(statuses: list[dict[str, object]]) -> list[dict[str, object]]:
    """One row per kind of destination: how far the tip came there, and what came of it."""
    rows: dict[str, dict[str, object]] = {}
    for status in statuses:
        if status["status"] not in ORDER:
            continue
        several, one = status.get("destinations"), status.get("destination")
        for name in (*(several if isinstance(several, list) else ()), *((one,) if one else ())):
            row = rows.setdefault(str(name), {"destination": str(name)})
            row |= {"state": status["status"], "at": status["at"]}
            row |= {"outcome": status["outcome"]} if "outcome" in status else {}
    return [rows[name] for name in sorted(rows)]


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _row(record: Record) -> tuple[str, int, str | None, str | None, bytes] | None:
    if record.value is None:
        return None
    status = orjson.loads(record.value)
    accepted = status.get("status") == StatusWord.ACCEPTED
    reference = status.get("reference") if accepted else None
    return record.topic.removeprefix(STATUS), record.offset, status.get("tip_id"), reference, record.value
