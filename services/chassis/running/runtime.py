"""What all tasks of one hop process share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.chassis.broker.broker_port import Broker
from services.chassis.hop import Hop
from services.chassis.running.gate import Gate
from services.chassis.running.lanes import Lanes
from services.chassis.running.sweeping import Sweeper
from services.chassis.running.tuning import Tuning
from services.chassis.telemetry.telemetry_port import Recorder

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Runtime:
    """The hop, its broker, its clock, its files; made once per process."""

    hop: Hop
    broker: Broker
    tuning: Tuning
    recorder: Recorder
    gate: Gate
    lanes: Lanes
    sweeper: Sweeper
    now: Now
    failed: Callable[[BaseException], None]
    """Ends the process: called by whatever runs beside the tasks."""
    home: Path | None = None
    """Where stores and crash files lie; None: everything in memory."""

    @property
    def version(self) -> str:
        """The hop's version, as custody entries name it."""
        return str(getattr(self.hop, "version", "0"))

    def file(self, kind: str, name: str) -> Path | None:
        """Where the *kind* of file of one task lies."""
        return None if self.home is None else self.home / kind / self.hop.name / name
