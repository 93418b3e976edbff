"""What one transaction will hold, gathered while nothing is open yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from services.chassis.broker.broker_port import Out, Place, Spot
from services.chassis.hop import Effect
from services.chassis.store.state import Overlay
from services.chassis.telemetry.telemetry_port import Processed, Sent


class Written(msgspec.Struct, frozen=True, gc=False):
    """What one input led to: all of it, or nothing."""

    outs: list[Out]
    """Its events, then its entries and a dead letter."""
    sent: list[Sent]
    """What the first of *outs* are."""
    processed: Processed
    changes: Mapping[str, bytes | None]
    """Of the state; the next input that is decided must see them."""
    effects: list[Effect]


@dataclass(slots=True)
class Draft:
    """Everything decided so far that is not committed."""

    overlay: Overlay
    outs: list[Out] = field(default_factory=list)
    """Not packed yet."""
    packed: int = 0
    """How many records are packed already."""
    sent: list[tuple[int, Sent]] = field(default_factory=list)
    """Which of all records, packed or not, and what it is."""
    processed: list[Processed] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    offsets: dict[Spot, int] = field(default_factory=dict)
    bytes: int = 0

    @property
    def inputs(self) -> int:
        """How many inputs are in here."""
        return len(self.processed)

    def add(self, written: Written, spot: Spot | None = None, *, inbox: bool = False) -> None:
        """Add what one input led to, its changes of state excepted; *spot*: where it lies, if it is a record."""
        processed = written.processed
        self.sent += enumerate(written.sent, self.packed + len(self.outs))
        self.outs += written.outs
        self.effects += written.effects
        self.processed.append(processed)
        record = processed.given.record
        if spot is not None and record is not None:
            self.offsets[spot] = record.offset + 1
            self.bytes += len(record.value or b"")
            processed.lighten(inbox=inbox)

    def unpacked(self) -> list[Out]:
        """Take the records that are not packed yet."""
        outs, self.outs = self.outs, []
        self.packed += len(outs)
        return outs

    def placed(self, places: Sequence[Place]) -> None:
        """Note where the broker put what was sent."""
        for index, sent in self.sent:
            sent.partition, sent.offset = places[index]
