"""
A notifier of several processes which kill themselves (SIGKILL) at one named step after the other.

Runs in the place of ``services.notifier``: ``python -m tests.chaos.killed_notifier notifier hop --id 0``.
`LINES` processes share the work and the steps. What they import is imported once, before
they are forked: a process that is started again costs no seconds of the processor, and
is a new process none the less, with a home, a store and a place in the group of its own.
Every end of one is noted in ``ends``.
"""

import ctypes
import os
import shutil
import signal
from pathlib import Path
from types import FrameType

from services.notifier.__main__ import main as notifier
from tests.chaos.kill_steps import STEPS, Life, arm

LINES = 4
ROUNDS = LINES if os.environ.get("VIDARE_LONG") else 1
"""How many of the lines are killed at each step; `LINES`: all of them."""
PARENT_DIES = 1
"""``PR_SET_PDEATHSIG`` of prctl: whoever kills this program kills all of it."""
DELTA = frozenset({"committed", "told committed", "timer committed", "gathering committed", "digest departed"})
"""After these the store lags behind its changelog; the next life must fetch the rest, so it keeps the store."""


def steps_of(line: int) -> list[str]:
    """The steps at which the lives of *line* end, in order."""
    return [step for number in range(ROUNDS) for step in STEPS[(line + number) % LINES :: LINES]]


def home_of(home: Path, line: int) -> Path:
    """The home folder of *line*."""
    return home / f"line-{line}"


class Lines:
    """The processes of this program."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running: dict[int, int] = {}
        """Process id to line."""
        self._stopping = False

    def run(self) -> None:
        """Start a new life of a line wherever one ends, until told to stop."""
        signal.signal(signal.SIGTERM, self._stop)
        for line in range(LINES):
            self._begin(line)
        while self._running:
            pid, status = os.wait()
            line = self._running.pop(pid)
            if not self._stopping:
                with (self._home / "ends").open("a") as log:
                    log.write(f"{line} {os.waitstatus_to_exitcode(status)}\n")
                self._begin(line)

    def _begin(self, line: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if self._stopping:
            return
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            ctypes.CDLL(None).prctl(PARENT_DIES, signal.SIGKILL)
            os._exit(live(home_of(self._home, line), line))
        self._running[pid] = line
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        for pid in self._running:
            os.kill(pid, number)


def live(home: Path, line: int) -> int:
    """One life: on the same machine every other time, else on a new one that has the topics only."""
    home.mkdir(parents=True, exist_ok=True)
    life = Life(home, steps_of(line))
    moved = home / "moved"
    if life.last is not None and life.last not in DELTA:
        if moved.exists():
            moved.unlink()
        else:
            shutil.rmtree(home / "state", ignore_errors=True)
            moved.touch()
    os.environ["VIDARE_HOME"] = str(home)
    arm(life)
    return notifier(["hop", "--id", str(line)])


if __name__ == "__main__":
    Lines(Path(os.environ["VIDARE_HOME"])).run()
