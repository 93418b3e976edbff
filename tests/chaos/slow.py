"""
Run a hop with slow handlers: ``python -m tests.chaos.slow geolocate hop --id 0``.

One decision in two hundred takes a whole second, so that workers join, die and lose their tasks in the middle of a
batch; with fast handlers only, a known-bad loop passes too.
"""

import importlib
import runpy
import sys
import time
import zlib
from typing import Any

from services.chassis.hop import Input, Outcome, View

SLOW_SECONDS = 1.0
ONE_IN = 200


def slow_down(hop: type[Any]) -> None:
    """Wrap the ``decide`` of *hop* so that some inputs, always the same ones, take long."""
    decide = hop.decide

    def slowly(self: Any, given: Input, view: View) -> Outcome:
        if zlib.crc32(given.event_id.bytes) % ONE_IN == 0:
            time.sleep(SLOW_SECONDS)
        outcome: Outcome = decide(self, given, view)
        return outcome

    hop.decide = slowly


def main() -> None:
    """Slow down every hop of the named service, then run it as `python -m services.<name>` would."""
    service = sys.argv[1]
    module = importlib.import_module(f"services.{service}.hop")
    for value in vars(module).values():
        if isinstance(value, type) and "decide" in vars(value) and value.__module__ == module.__name__:
            slow_down(value)
    sys.argv = [f"services.{service}", *sys.argv[2:]]
    runpy.run_module(f"services.{service}", run_name="__main__")


if __name__ == "__main__":
    main()
