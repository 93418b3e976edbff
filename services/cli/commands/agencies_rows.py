"""
What `vidare agencies` keeps of one referral: some forty bytes, so that a million fit; pure.

Of the notifier's row in the changelog: how far it has come, where its copies are, and four times.
"""

import struct
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, Self

import orjson

from contracts.vocabulary import Action, Priority
from services.notifier.delivering.delivery import ENDED, Life, Push

WAITING = (Push.SENDING, Push.QUEUED, Push.WAITING, Push.GATHERED, Push.PARKED)
"""Places of a copy that is not at its agency, the liveliest first: a referral counts once, by the first that fits."""

UNDELIVERED = frozenset({Life.QUEUED, Life.DISPATCHED})
LEVELS, LIVES = tuple(Priority), tuple(Life)
NOTICES = frozenset({Action.WITHDRAWN.value, Action.SIGHTINGS.value})

_FORM = struct.Struct(">BBBBHdddd")
_MOST = 0xFFFF


class Row(NamedTuple):
    """One referral."""

    life: Life
    level: Priority
    notice: bool
    place: Push | None
    """Where its liveliest copy is; None: nowhere on the way."""
    attempts: int
    queued: float
    due: float
    delivered: float
    """Seconds since 1970; 0: never."""
    acknowledged: float

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Read what `pack` wrote."""
        life, level, notice, place, attempts, *times = _FORM.unpack(packed)
        where = WAITING[place] if place < len(WAITING) else None
        return cls(LIVES[life], LEVELS[level], bool(notice), where, attempts, *times)

    @property
    def waits(self) -> Push | None:
        """The place where it waits: never for what is over or acknowledged, nor for what is only offered again."""
        if self.life in ENDED or self.acknowledged:
            return None
        return self.place if self.life in UNDELIVERED or self.place is Push.PARKED else None

    @property
    def unanswered(self) -> bool:
        """It is at the agency, and an answer is waited for."""
        return bool(self.delivered) and not (self.notice or self.acknowledged or self.life in ENDED)

    def answer(self, now: float) -> str | None:
        """``within`` its time, ``late``, ``none`` where there had to be one; ``open``: it has time; None: not asked."""
        if self.notice:
            return None
        if self.acknowledged:
            return "within" if self.acknowledged <= self.due else "late"
        if self.life in ENDED:
            return None
        return "none" if self.due < now else "open"


def pack(raw: bytes) -> bytes:
    """The row *raw*, as the notifier stores it, in its short form."""
    row: dict[str, Any] = orjson.loads(raw)
    ways = list(_ways(row))
    places = {Push(way.get("push", Push.QUEUED)) for way in ways}
    return _FORM.pack(
        LIVES.index(Life(row.get("life", Life.QUEUED))),
        LEVELS.index(Priority(row["priority"])),
        row["action"] in NOTICES,
        next((number for number, place in enumerate(WAITING) if place in places), len(WAITING)),
        min(sum(way.get("tries", 0) for way in ways), _MOST),
        *(stamp(row.get(name)) for name in ("queued_at", "deadline", "delivered_at", "acknowledged_at")),
    )


def reason_of(raw: bytes) -> str | None:
    """Why a copy of the row *raw* is parked, or how its last attempt failed."""
    return next((way["reason"] for way in _ways(orjson.loads(raw)) if way.get("reason")), None)


def stamp(text: str | None) -> float:
    """Seconds since 1970 of an RFC 3339 time; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _ways(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pushed channels of a row, also of one that was stored when the webhook was the only one."""
    if "ways" in row:
        yield from row["ways"]
    elif row.get("push", "none") != "none":
        yield row
