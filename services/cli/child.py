"""One supervised process: started with its log, killed by the kernel when its supervisor dies, ended within a bound."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.cli.backoff import deaths_in_a_row, restart_delay
from services.cli.loglines import worth_showing

LOG_KEPT_BYTES = 16 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


def _prctl() -> Callable[[int, int], int] | None:
    """Linux's ``prctl``, looked up before any fork: the child may not load libraries."""
    if not sys.platform.startswith("linux"):
        return None
    found = ctypes.CDLL(None, use_errno=True).prctl
    return lambda option, value: int(found(option, value, 0, 0, 0))


_PRCTL = _prctl()


@dataclass(frozen=True, slots=True)
class Place:
    """What runs: a name for people, a command, and the port it serves."""

    name: str
    argv: tuple[str, ...]
    port: int
    what: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/ready"
    """Path that answers 200 when it can work."""


class Child:
    """
    The process at one `Place`; launch it again after it ended.

    The kernel ties it to the *thread* that launched it, so one thread must launch all and outlive them.
    """

    def __init__(self, place: Place, *, env: Mapping[str, str], cwd: Path, log: Path) -> None:
        """Name it; nothing runs yet."""
        self.place = place
        self.log = log
        self.starts = 0
        self.due = 0.0
        """Monotonic time from which it may be launched again."""
        self._env = {**env, **place.env}
        self._cwd = cwd
        self._deaths = 0
        self._started = 0.0
        self._shown = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, or None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def launch(self) -> None:
        """Start the process; its output goes to the end of its log."""
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._shown = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.place.argv,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which ends the others in order
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - calls nothing but prctl
            )
        self.starts += 1
        self._started = time.monotonic()

    def ended(self) -> int | None:
        """Return its exit code if it has ended since it was launched, once; negative for a signal."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None:
            self._process = None
            self._deaths = deaths_in_a_row(self._deaths, time.monotonic() - self._started)
            self.due = time.monotonic() + restart_delay(self._deaths)
        return code

    @property
    def down(self) -> bool:
        """True while it has no process."""
        return self._process is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Return True once it has ended, False after *seconds*."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def warnings(self) -> Iterator[str]:
        """Lines of its log since the last call that a person at the terminal should see."""
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as lines:
            lines.seek(self._shown)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._shown += len(line)
                shown = worth_showing(line)
                if shown:
                    yield shown

    def last_words(self) -> str:
        """Return the last line of its log, in words where it is a structured one."""
        with contextlib.suppress(FileNotFoundError):
            tail = self.log.read_bytes()[-8192:].strip().splitlines()
            if tail:
                return worth_showing(tail[-1]) or tail[-1].decode(errors="replace")
        return f"it said nothing; see {self.log}"


def _die_with(parent: int) -> Callable[[], None] | None:
    if _PRCTL is None:
        return None
    prctl = _PRCTL

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return tie
