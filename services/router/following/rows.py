"""
What the router remembers in a task's store: a row per tip, a row per group, one small row per fact seen.

Bodies are kept only so that a tip can be decided again (an answer, a timer, a
person) and are deleted with their group, 90 days after it was last seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

import orjson

from contracts.events import TipLocated
from contracts.vocabulary import AssessmentStatus, Priority
from services.chassis.hop import View
from services.router.facts import NEW, History

State = Literal["open", "acknowledged", "closed", "refused", "expired", "withdrawn"]
_FIELDS = tuple(one.name for one in fields(History))
LIVE: tuple[State, ...] = ("open", "acknowledged", "expired")
"""States in which an agency still works on what we sent, or may."""

TIP, GROUP, BODY, SEEN, MEMBER, SHARES = "tip/", "group/", "body/", "seen/", "member/", "shares/"


@dataclass(slots=True)
class Sent:
    """The newest referral of a tip to one agency."""

    referral: str
    version: int
    priority: str
    state: State = "open"

    @property
    def live(self) -> bool:
        """Tell whether it still stands."""
        return self.state in LIVE


@dataclass(slots=True)
class TipRow:
    """One tip: its version, what was sent, and what happened."""

    tip: str
    group: str
    revision: int = 0
    version: int = 0
    sent: dict[str, Sent] = field(default_factory=dict)
    sighted: dict[str, str] = field(default_factory=dict)
    """Agency -> the group's lead referral that this tip is a sighting of."""
    history: dict[str, Any] = field(default_factory=dict)
    review: str | None = None
    """Id of the open question to a person."""
    proposed: dict[str, Any] = field(default_factory=dict)
    """What one person wants of a P0 and another has not confirmed: ``by`` and ``wish``."""
    region: str | None = None
    turned_away: int = 0
    """How often an agency said that it is not theirs: decided again once, then a person looks."""
    edge: bool = False
    """The last decision met a proxy whose origin was not known (R17)."""
    told: dict[str, Any] = field(default_factory=dict)
    """The tally of the last version, for a repeat of the same event."""
    level: str = "PX"
    """Level of the last decision."""


@dataclass(slots=True)
class Lead:
    """The referral that stands for a group at one agency."""

    referral: str
    tip: str
    priority: str
    count: int = 1
    acknowledged: bool = False
    partners: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    """Senders who have a referral of their own there about the same thing."""


@dataclass(slots=True)
class Pending:
    """A takedown that waits for the police or its time."""

    tip: str
    police_only: bool


@dataclass(slots=True)
class GroupRow:
    """Everything reported about one thing: leads per agency and counters, no bodies."""

    group: str
    leads: dict[str, Lead] = field(default_factory=dict)
    senders: dict[str, str] = field(default_factory=dict)
    """Partner -> when it last told of this thing (RFC 3339)."""
    excluded: list[str] = field(default_factory=list)
    """Agencies that said of this thing that it is not theirs, or were removed."""
    later: dict[str, Pending] = field(default_factory=dict)


class Shelf:
    """Rows as this decision sees and changes them."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.puts: dict[str, bytes | None] = {}

    def tip(self, tip: str) -> TipRow | None:
        """The row of *tip*."""
        found = self._get(TIP + tip)
        if found is None:
            return None
        data = orjson.loads(found)
        return TipRow(**{**data, "sent": {agency: Sent(**one) for agency, one in data["sent"].items()}})

    def keep_tip(self, row: TipRow) -> None:
        """Write the row of a tip."""
        self.puts[TIP + row.tip] = orjson.dumps(row)

    def group(self, group: str) -> GroupRow:
        """The row of *group*; an empty one for a new group."""
        found = self._get(GROUP + group)
        if found is None:
            return GroupRow(group)
        data = orjson.loads(found)
        data["leads"] = {agency: Lead(**one) for agency, one in data["leads"].items()}
        data["later"] = {agency: Pending(**one) for agency, one in data["later"].items()}
        return GroupRow(**data)

    def keep_group(self, row: GroupRow) -> None:
        """Write the row of a group."""
        self.puts[GROUP + row.group] = orjson.dumps(row)

    def body(self, tip: str) -> TipLocated | None:
        """The located tip that was decided last."""
        found = self._get(BODY + tip)
        return None if found is None else TipLocated.model_validate_json(found)

    def keep_body(self, tip: str, located: bytes) -> None:
        """Write the bytes of a located tip."""
        self.puts[BODY + tip] = located

    def seen(self, group: str, lane: str, fact: str) -> bool:
        """Tell whether destinations of *lane* know *fact* of *group*."""
        return self._get(f"{SEEN}{group}/{lane}/{fact}") is not None

    def see(self, group: str, lane: str, fact: str) -> None:
        """Remember that they do."""
        self.puts[f"{SEEN}{group}/{lane}/{fact}"] = b"1"

    def shares(self, agency: str) -> dict[str, int]:
        """How many routine tips each region of *agency* got."""
        found = self._get(SHARES + agency)
        return {} if found is None else orjson.loads(found)

    def keep_shares(self, agency: str, shares: dict[str, int]) -> None:
        """Write the counts of an agency's regions."""
        self.puts[SHARES + agency] = orjson.dumps(shares)

    def forget_group(self, row: GroupRow) -> None:
        """Delete everything that belongs to a group."""
        self.puts[GROUP + row.group] = None
        for key in self._keys(f"{SEEN}{row.group}/"):
            self.puts[key] = None
        for key in self._keys(f"{MEMBER}{row.group}/"):
            tip = key.rpartition("/")[2]
            self.puts[key] = self.puts[TIP + tip] = self.puts[BODY + tip] = None

    def join(self, group: str, tip: str) -> None:
        """Remember that *tip* belongs to *group*: its rows are deleted with it."""
        self.puts[f"{MEMBER}{group}/{tip}"] = b"1"

    def drop_body(self, tip: str) -> None:
        """Delete the bytes of a located tip that nobody will decide again."""
        if self._get(BODY + tip) is not None:
            self.puts[BODY + tip] = None

    def _keys(self, prefix: str) -> Iterator[str]:
        for key, _ in self._view.scan(prefix, limit=100_000):
            yield key

    def _get(self, key: str) -> bytes | None:
        return self.puts[key] if key in self.puts else self._view.get(key)


def history_of(row: TipRow) -> History:
    """What happened to the tip of *row*, as decisions read it."""
    if not row.history:
        return NEW
    data = dict(row.history)
    for name in ("excluded", "codes", "refer"):
        data[name] = frozenset(data.get(name, ())) if name == "excluded" else tuple(data.get(name, ()))
    for name in ("at_least", "level"):
        data[name] = Priority(data[name]) if data.get(name) else None
    data["status"] = AssessmentStatus(data["status"]) if data.get("status") else None
    return History(**data)


def remember(row: TipRow, history: History) -> None:
    """Write *history* into the row of its tip: what is not as for a new tip."""
    if history is NEW:
        row.history = {}
        return
    told = {name: getattr(history, name) for name in _FIELDS}
    row.history = {name: _kept(value) for name, value in told.items() if value != getattr(NEW, name)}


def _kept(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def stamp(at: datetime) -> str:
    """A time as rows keep it."""
    return at.isoformat()
