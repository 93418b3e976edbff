"""Look for newer databases now and then, beside the work, and say what was found."""

import threading
from datetime import UTC, date, datetime, timedelta

from contracts import telemetry
from services.chassis.telemetry.logs import logger
from services.chassis.telemetry.metrics import Metrics
from services.geolocate.decision import ALARM_AFTER, STALE_AFTER
from services.geolocate.geodata import Geodata

EVERY = timedelta(seconds=5)
_GRAVE = "alarm"
"""What a line begins with that somebody must act on."""


class Watch:
    """A thread that refreshes *geodata*; the set in use changes between two decisions."""

    def __init__(self, geodata: Geodata, metrics: Metrics, *, every: timedelta = EVERY) -> None:
        """Begin with `start`; `stop` ends the thread."""
        self._geodata = geodata
        self._metrics = metrics
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="geodata", daemon=True)
        self._said: set[str] = set()

    def start(self) -> None:
        """Say what is open, then look again and again."""
        self.tell(datetime.now(UTC).date())
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join(timeout=self._every.total_seconds() + 1)

    def _run(self) -> None:
        while not self._ended.wait(self._every.total_seconds()):
            changed = False
            try:
                changed = self._geodata.refresh()
            except Exception as error:  # noqa: BLE001  (a file half written, a folder moved: the set in use stays)
                self._say(f"geodata could not be read again ({type(error).__name__}); the set in use stays")
            if changed:
                logger().info("geodata reloaded", digest=self._geodata.current.digest)
            self.tell(datetime.now(UTC).date())

    def tell(self, today: date) -> None:
        """Set the ages, and warn once of each thing that is wrong."""
        for source in self._geodata.current.sources:
            if source.built is not None:
                age = today - source.built
                self._metrics.level(telemetry.GEODATA_AGE, age.total_seconds(), source=source.name)
        self._metrics.level(telemetry.GEODATA_BROKEN, len(self._geodata.problems))
        for warning in warnings(self._geodata, today):
            self._say(warning)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            say = logger().error if text.startswith(_GRAVE) else logger().warning
            say("geodata", reason=text)


def warnings(geodata: Geodata, today: date) -> list[str]:
    """What an operator should know: no source, broken files, old builds. Verdicts are the same all the while."""
    said = [] if geodata.ready else ["no database says countries; run 'vidare geodata update' or set VIDARE_GEODATA"]
    said += geodata.problems.values()
    for source in geodata.current.sources:
        age = today - source.built if source.built else timedelta()
        if age > STALE_AFTER:
            grave = _GRAVE if age > ALARM_AFTER else "warning"
            said.append(f"{grave}: {source.name} was built on {source.built_text}; run 'vidare geodata update'")
    return said
