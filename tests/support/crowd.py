"""A crowd of worker processes: started again when they die, killed, stopped, joined and left on purpose."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


class Crowd:
    """Workers of one hop; a thread plays the supervisor."""

    def __init__(  # noqa: PLR0913 - what a worker is told
        self, kind: str, prefix: str, partitions: int, kafka: str, home: Path, env: Mapping[str, str]
    ) -> None:
        self._command = [sys.executable, "-m", "tests.chaos.workers", kind, prefix, str(partitions)]
        self._env = {**os.environ, **env, "VIDARE_KAFKA": kafka, "VIDARE_HOME": str(home)}
        self._home = home
        self._wanted: set[str] = set()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped: dict[str, float] = {}
        self._lock = threading.Lock()
        self._halt = threading.Event()
        self.ends: list[int] = []
        """Exit codes of workers that ended by themselves."""
        home.mkdir(parents=True, exist_ok=True)
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()

    def join(self, member: str) -> None:
        """Add a worker."""
        with self._lock:
            self._wanted.add(member)
            self._start(member)

    def leave(self, member: str, *, seconds: float = 30.0) -> int:
        """Tell a worker to stop and return its exit code."""
        with self._lock:
            self._wanted.discard(member)
            process = self._processes.pop(member)
        process.send_signal(signal.SIGTERM)
        return process.wait(seconds)

    def kill(self, member: str) -> None:
        """Kill -9."""
        with self._lock:
            self._processes[member].kill()

    def freeze(self, member: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        with self._lock:
            self._processes[member].send_signal(signal.SIGSTOP)
            self._stopped[member] = time.monotonic() + seconds

    def thaw(self, member: str) -> None:
        """SIGCONT before its time."""
        with self._lock:
            self._stopped[member] = 0.0

    @property
    def awake(self) -> list[str]:
        """Workers that are not frozen."""
        with self._lock:
            return sorted(m for m, p in self._processes.items() if m not in self._stopped and p.poll() is None)

    def _start(self, member: str) -> None:
        log = (self._home / f"{member}.log").open("ab")
        self._processes[member] = subprocess.Popen([*self._command, member], env=self._env, stdout=log, stderr=log)
        log.close()

    def _supervise(self) -> None:
        while not self._halt.wait(0.1):
            with self._lock:
                for member, until in list(self._stopped.items()):
                    if time.monotonic() > until:
                        del self._stopped[member]
                        with suppress(ProcessLookupError):
                            self._processes[member].send_signal(signal.SIGCONT)
                for member in self._wanted:
                    code = self._processes[member].poll()
                    if code is not None:
                        self.ends.append(code)
                        self._stopped.pop(member, None)
                        self._start(member)

    def disperse(self) -> None:
        """End everybody."""
        self._halt.set()
        self._supervisor.join()
        for process in self._processes.values():
            process.kill()
            process.wait()
