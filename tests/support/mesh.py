"""
A whole mesh for tests: every hop as processes of its own, started and restarted from outside.

Uses the outside surface only (``python -m services.<name> hop``, ``vidare topics apply``), so that a test can
kill, stop and add workers as a data centre would.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

HOPS: tuple[tuple[str, str], ...] = (
    ("intake", "hop"),
    ("geolocate", "hop"),
    ("router", "hop"),
    ("notifier", "hop"),
)


@dataclass
class Worker:
    """One place for a process: what runs there is started again when it dies."""

    service: str
    mode: str
    number: int
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    wanted: bool = True
    stopped_until: float = 0.0

    @property
    def name(self) -> str:
        """How logs call it."""
        return f"{self.service}-{self.mode}-{self.number}"


@dataclass
class ProcessMesh:
    """The processes of a mesh against one broker; a thread restarts what dies."""

    kafka: str
    home: Path
    workers: int = 1
    partitions: int = 4
    extra: dict[str, str] = field(default_factory=dict)
    hops: tuple[tuple[str, str], ...] = HOPS
    slow: bool = False
    stand_ins: dict[str, str] = field(default_factory=dict)
    """Service to the module that runs in its place (a known-bad loop)."""
    places: list[Worker] = field(default_factory=list)
    _halt: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def env(self) -> dict[str, str]:
        """Environment of every process of this mesh."""
        return os.environ | {
            "VIDARE_KAFKA": self.kafka,
            "VIDARE_HOME": str(self.home),
            "VIDARE_PARTITIONS": str(self.partitions),
            "VIDARE_DEMO_WEBHOOK_SECRET": "test-secret-of-the-demo-set",
            "PYTHONPATH": str(ROOT),
            **self.extra,
        }

    def vidare(self, *arguments: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run one ``vidare`` command against this mesh."""
        command = [sys.executable, "-m", "services.cli", *arguments]
        return subprocess.run(
            command, env=self.env, cwd=ROOT, check=check, capture_output=True, text=True, timeout=seconds
        )

    def json(self, *arguments: str, seconds: float = 120) -> Any:
        """What one ``vidare ... --json`` command answers, whatever its exit code."""
        done = self.vidare(*arguments, "--json", check=False, seconds=seconds)
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError as error:
            raise AssertionError(
                f"vidare {' '.join(arguments)} exited {done.returncode}: {done.stderr[-2000:]}"
            ) from error

    def start(self) -> None:
        """Create the topics and start *workers* processes of each hop."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "logs").mkdir(exist_ok=True)
        self.vidare("topics", "apply")
        for service, mode in self.hops:
            for number in range(self.workers):
                self.add(service, mode, number)
        self._thread = threading.Thread(target=self._keep, name="mesh", daemon=True)
        self._thread.start()

    def add(self, service: str, mode: str, number: int) -> Worker:
        """Start one more worker."""
        worker = Worker(service, mode, number)
        with self._lock:
            self.places.append(worker)
            self._launch(worker)
        return worker

    def leave(self, worker: Worker) -> None:
        """Ask *worker* to end gracefully (SIGTERM) and don't start it again."""
        with self._lock:
            worker.wanted = False
            self.places.remove(worker)
        if worker.process is not None:
            worker.process.send_signal(signal.SIGTERM)
            worker.process.wait(30)

    def command(self, worker: Worker) -> list[str]:
        """Module and arguments of *worker*; with ``slow``, through the wrapper that slows some decisions down."""
        arguments = [worker.mode, "--id", str(worker.number)]
        if worker.service in self.stand_ins:
            return [self.stand_ins[worker.service], worker.service, *arguments]
        if self.slow:
            return ["tests.chaos.slow", worker.service, *arguments]
        return [f"services.{worker.service}", *arguments]

    def _launch(self, worker: Worker) -> None:
        log = (self.home / "logs" / f"{worker.name}.log").open("ab")
        worker.process = subprocess.Popen(
            [sys.executable, "-m", *self.command(worker)],
            env=self.env,
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        worker.starts += 1
        log.close()

    def _keep(self) -> None:
        while not self._halt.wait(0.2):
            with self._lock:
                for worker in self.places:
                    if worker.process is not None and worker.process.poll() is not None and worker.wanted:
                        self._launch(worker)

    def kill(self, worker: Worker) -> None:
        """``kill -9``; the mesh starts it again."""
        with self._lock:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.kill()

    @contextmanager
    def frozen(self, worker: Worker) -> Iterator[None]:
        """SIGSTOP for the length of the block."""
        process = worker.process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End every process this mesh started: first politely, then for good."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join(10)
        running = [worker.process for worker in self.places if worker.process is not None]
        for process in running:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)
                process.terminate()
        end = time.monotonic() + 20
        for process in running:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
