"""What one transaction will hold, gathered while nothing is open yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.chassis.broker_port import Out, Place, Spot
from services.chassis.hop import Effect
from services.chassis.state import Overlay
from services.chassis.telemetry_port import Processed, Sent


@dataclass(slots=True)
class Written:
    """What one input led to; added to a draft as a whole, or not at all."""

    outs: list[Out]
    sent: list[tuple[int, Sent]]
    """Index in *outs*, and what it is."""
    processed: Processed
    changes: Mapping[str, bytes | None]
    effects: list[Effect]


@dataclass(slots=True)
class Draft:
    """Everything decided so far that is not committed."""

    overlay: Overlay
    outs: list[Out] = field(default_factory=list)
    sent: list[tuple[int, Sent]] = field(default_factory=list)
    processed: list[Processed] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    offsets: dict[Spot, int] = field(default_factory=dict)
    bytes: int = 0

    @property
    def inputs(self) -> int:
        """How many inputs are in here."""
        return len(self.processed)

    def add(self, written: Written) -> None:
        """Add what one input led to."""
        base = len(self.outs)
        self.outs += written.outs
        self.sent += [(base + index, sent) for index, sent in written.sent]
        self.effects += written.effects
        self.processed.append(written.processed)
        if written.changes:
            self.overlay.put(written.changes)
        record = written.processed.given.record
        if record is not None:
            self.offsets[Spot(record.topic, record.partition)] = record.offset + 1
            self.bytes += len(record.value or b"")

    def placed(self, places: list[Place]) -> None:
        """Note where the broker put what was sent."""
        for index, sent in self.sent:
            sent.partition, sent.offset = places[index]
