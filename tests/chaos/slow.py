"""
Run a hop with slow handlers: ``python -m tests.chaos.slow geolocate hop --id 0``.

One decision in forty takes a whole second, so that workers join, die and lose their tasks in the middle of a
batch; with fast handlers only, a known-bad loop passes too.
"""

import importlib
import os
import runpy
import sys
import time
import zlib
from pathlib import Path
from typing import Any

from services.chassis.hop import Input, Outcome, View

SLOW_SECONDS = 1.0
ONE_IN = 40


def busy_file(home: Path, service: str, number: str) -> Path:
    """A file that is there while a slow decision is being made: the time to hurt the process."""
    return home / "busy" / f"{service}-{number}"


def slow_down(hop: type[Any], busy: Path) -> None:
    """Wrap the ``decide`` of *hop* so that some inputs, always the same ones, take long."""
    decide = hop.decide
    busy.parent.mkdir(parents=True, exist_ok=True)
    busy.unlink(missing_ok=True)

    def slowly(self: Any, given: Input, view: View) -> Outcome:
        if zlib.crc32(given.event_id.bytes) % ONE_IN == 0:
            busy.touch()
            time.sleep(SLOW_SECONDS)
            busy.unlink(missing_ok=True)
        outcome: Outcome = decide(self, given, view)
        return outcome

    hop.decide = slowly


def main() -> None:
    """Slow down every hop of the named service, then run it as `python -m services.<name>` would."""
    service = sys.argv[1]
    busy = busy_file(Path(os.environ["VIDARE_HOME"]), service, sys.argv[-1])
    module = importlib.import_module(f"services.{service}.hop")
    for value in vars(module).values():
        if isinstance(value, type) and "decide" in vars(value) and value.__module__ == module.__name__:
            slow_down(value, busy)
    sys.argv = [f"services.{service}", *sys.argv[2:]]
    runpy.run_module(f"services.{service}", run_name="__main__")


if __name__ == "__main__":
    main()
