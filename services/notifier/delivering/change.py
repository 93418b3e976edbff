"""What a step of a delivery leads to: the row as it is afterwards, and what follows; pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.events import DeliveryWord, OutcomeWord
from contracts.vocabulary import ChannelName, Nack, ReceiptOutcome, StatusWord
from services.notifier.delivering.delivery import Delivery, Life, Push, Way

KEPT = timedelta(days=90)
"""How long an ended row is remembered, so that a late or double receipt meets what it answers."""

KEPT_ACKNOWLEDGED = timedelta(days=400)
"""How long a row is remembered whose agency acknowledged and never closed."""

RETRY, LADDER, FOLLOW, FORGET = "retry", "ladder", "follow", "forget"
"""Names of a row's timers; each way has a ``retry`` of its own."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line for ``deliveries`` and the custody log."""

    what: DeliveryWord
    reason: str | None = None
    channel: ChannelName | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the router is told."""

    what: OutcomeWord
    nack: Nack | None = None
    outcome: ReceiptOutcome | None = None
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """What the sender of the tip is told."""

    status: StatusWord
    outcome: str | None = None
    text: str | None = None


@dataclass(slots=True)
class Change:
    """The row as it is afterwards and everything that follows from the step."""

    row: Delivery
    notes: list[Note] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)
    timers: dict[str, datetime | None] = field(default_factory=dict)
    """Timer name to its time; None: cancelled."""
    retries: dict[ChannelName, datetime | None] = field(default_factory=dict)
    """When the next attempt by a channel is due; None: cancelled."""

    def set(self, **values: object) -> None:
        """Change fields of the row."""
        self.row = self.row.model_copy(update=values)

    def way(self, channel: ChannelName, **values: object) -> None:
        """Change fields of how far the copy for *channel* is."""
        was = self.row.way(channel) or Way(channel=channel)
        self.row = self.row.with_way(was.model_copy(update=values))

    def end(self, life: Life, now: datetime) -> None:
        """The row's last state: no clock runs on, and in 90 days it is forgotten."""
        self.set(life=life)
        self.timers |= {LADDER: None, FOLLOW: None, FORGET: now + KEPT}
        self.stop_push()

    def stop_push(self) -> None:
        """Send no further copy by any channel; one that is under way ends as it ends."""
        for way in self.row.ways:
            self.way(way.channel, push=way.push if way.push is Push.SENDING else Push.DONE, reason=None)
            self.retries[way.channel] = None
