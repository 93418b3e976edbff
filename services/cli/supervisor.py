"""
Keeps the processes of a mesh alive: starts them, restarts what dies, stops all of them within a bound.

A process that ends with 78 is misconfigured: nothing would come right by
starting it again, so everything stops with its message.
"""

import contextlib
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from services.chassis.errors import EX_CONFIG, Misconfigured
from services.chassis.settings import ROOT, Settings
from services.cli.child import Child, Place
from services.cli.places import mesh_places, moved_receiver, own_addresses
from services.cli.ports import Ports
from services.cli.secrets import environment_of

TICK_S = 0.1
POLITE_S = 12.0
"""A hop ends its transaction, a door its requests; then it is killed."""
KILLED_S = 3.0
SWEEP_S = 0.25
STEADY_SWEEPS = 2
"""All must be ready at once, twice: a hop without tasks yet is idle, and becomes busy when it is given some."""
READY = "ready"

Say = Callable[[str], None]


def _quiet(_line: str) -> None:
    """Say nothing."""


class Supervisor:
    """Any set of processes, kept alive from one thread; use as a context manager, or start and stop it."""

    def __init__(self, places: Sequence[Place], *, env: Mapping[str, str], logs: Path, say: Say = _quiet) -> None:
        """Name the processes; nothing runs yet. Their output goes to files in *logs*."""
        self.failed: str | None = None
        """Why everything was stopped, where a process was misconfigured."""
        self.children = [Child(place, env=env, cwd=ROOT, log=logs / f"{place.name}.log") for place in places]
        self._say = say
        self._said: set[str] = set()
        self._halt = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        logs.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start every process and watch over it from a thread of its own."""
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._thread.start()

    def wait_ready(self, within_s: float = 120.0) -> None:
        """
        Return when every process says that it can work.

        Raises:
            Misconfigured: One is misconfigured, or still not ready after *within_s*; says which and why.
        """
        end, sweeps, answers = time.monotonic() + within_s, 0, dict[str, str]()
        while sweeps < STEADY_SWEEPS and time.monotonic() < end and not self._halt.wait(SWEEP_S):
            answers = {child.place.name: ready_answer(child.place) for child in self.children}
            sweeps = sweeps + 1 if set(answers.values()) <= {READY} else 0
        if self.failed:
            raise Misconfigured(self.failed)
        if sweeps < STEADY_SWEEPS:
            said = "; ".join(f"{name}: {answer}" for name, answer in answers.items() if answer != READY)
            msg = f"not ready after {within_s:.0f} s: {said}; see the logs in {self.children[0].log.parent}"
            raise Misconfigured(msg)

    def wait(self, seconds: float | None = None) -> bool:
        """Return True once everything has stopped, False after *seconds*."""
        return self._ended.wait(seconds)

    def stop(self) -> None:
        """End every process: politely, then for good. Nothing that was started is left."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join()

    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that run now."""
        return {child.place.name: pid for child in self.children if (pid := child.pid) is not None}

    def port_of(self, name: str) -> int:
        """Port of the process *name* (``intake-door``)."""
        return next(child.place.port for child in self.children if child.place.name == name)

    def __enter__(self) -> Self:
        """Start, and wait until ready."""
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def _supervise(self) -> None:
        try:
            for child in self.children:
                child.launch()
            while not self._halt.wait(TICK_S):
                for child in self.children:
                    self._look_after(child)
        except Exception as error:  # noqa: BLE001 - whatever it was, the processes must end
            self.failed = f"the supervisor itself failed: {type(error).__name__}: {error}"
            self._halt.set()
        finally:
            self._end_all()
            self._ended.set()

    def _look_after(self, child: Child) -> None:
        code = child.ended()
        for line in child.warnings():
            if line not in self._said:  # doors and hops of one service warn of the same things
                self._said.add(line)
                self._say(f"{child.place.name}: {line}")
        if code == EX_CONFIG:
            self.failed = f"{child.place.name} is misconfigured: {child.last_words()}"
            self._halt.set()
        elif code is not None:
            wait = max(0.0, child.due - time.monotonic())
            self._say(f"{child.place.name} ended ({_spoken(code)}), starts again in {wait:.1f} s; {child.log}")
        if child.down and time.monotonic() >= child.due and not self._halt.is_set():
            child.launch()

    def _end_all(self) -> None:
        for child in self.children:
            child.signal(signal.SIGTERM)
        end = time.monotonic() + POLITE_S
        late = [child for child in self.children if not child.wait(end - time.monotonic())]
        for child in late:
            self._say(f"{child.place.name} did not end within {POLITE_S:.0f} s and was killed")
            child.signal(signal.SIGKILL)
        for child in late:
            child.wait(KILLED_S)


class Mesh(Supervisor):
    """
    Every process of a mesh against the broker of *settings*.

    Topics must exist before `start` (``vidare topics apply``).
    """

    def __init__(
        self, settings: Settings, workers: int = 1, *, say: Say = _quiet, extra: Mapping[str, str] | None = None
    ) -> None:
        """Choose ports and environment; nothing runs yet."""
        self.settings = settings
        places = mesh_places(workers, Ports(), receiver=settings.demo_agencies)
        led = moved_receiver(settings, places) | own_addresses(settings, places)
        env = os.environ | environment_of(settings) | led | dict(extra or {})
        super().__init__(places, env=env, logs=settings.home.resolve() / "logs", say=say)

    def addresses(self) -> list[tuple[str, str, str]]:
        """Name, base URL and purpose of every process."""
        return [(c.place.name, f"http://{self.settings.host}:{c.place.port}", c.place.what) for c in self.children]


def ready_answer(place: Place) -> str:
    """Ask a process whether it can work: ``ready``, or what it says is wrong."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{place.port}{place.ready}", timeout=2) as answer:
            return READY if answer.status == 200 else f"status {answer.status}"
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return f"{error.code} {error.read(300).decode(errors='replace')}"
    except (OSError, ValueError):
        return "does not answer yet"


def _spoken(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"
