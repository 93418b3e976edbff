"""
One Zipkin as a Java process of its own, on loopback, for one home; what it is shown is gone when it stops.

It gets an environment of its own: a stray KAFKA_BOOTSTRAP_SERVERS or STORAGE_TYPE of somebody's shell would make it
read or write elsewhere. Pages of other origins may not ask it.
"""

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from services.chassis.errors import Misconfigured
from services.cli.broker import process
from services.cli.broker.java import OLDEST, find_java
from services.cli.broker.say import Say, quiet
from services.cli.broker.wire import wait_until
from services.cli.ports import Ports
from services.cli.viewer.api import healthy
from services.cli.viewer.jar import VERSION, ensure_jar

PORT = 9411
"""Zipkin's usual port; another one where it is taken."""
START_WITHIN_S = 120.0
"""7 s on two idle cores; a minute only when everything else on the machine starts as well."""
STOP_WITHIN_S = 10.0
JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true")
MOST_SPANS = "100000"
"""Kept in memory, oldest out first: thousands of tips within the heap above."""


class Running(BaseModel):
    """A viewer that runs, as ``viewer.json`` says."""

    model_config = ConfigDict(frozen=True)

    pid: int
    port: int

    @property
    def address(self) -> str:
        """Its page."""
        return f"http://127.0.0.1:{self.port}/zipkin/"

    def page(self, trace_id: str) -> str:
        """The page of one trace."""
        return f"{self.address}traces/{trace_id}"


class Viewer:
    """The viewer of one home."""

    def __init__(self, home: Path, *, say: Say = quiet) -> None:
        """Name it; nothing is started yet."""
        self.folder = home.resolve() / "viewer"
        self.log = self.folder / "viewer.log"
        self._state = self.folder / "viewer.json"
        self._mark = f"-Dvidare.viewer={self.folder}"
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None

    def running(self) -> Running | None:
        """Return the viewer that runs; None if there is none, whatever a stale file says."""
        try:
            told = Running.model_validate_json(self._state.read_bytes())
        except (OSError, ValidationError):
            return None
        return told if process.is_ours(told.pid, self._mark) else None

    def start(self) -> Running:
        """
        Start it unless it runs, wait until it answers.

        Raises:
            Misconfigured: No Java, no jar, or it ended or stayed silent; says where its log is.
        """
        with self._alone():
            found = self.running()
            if found is not None:
                self._wait(found)
                return found
            try:
                made = self._launch()
                self._wait(made)
            except BaseException:
                self._end()
                raise
            return made

    def stop(self) -> bool:
        """Stop it; False if none ran."""
        with self._alone():
            return self._end()

    def _launch(self) -> Running:
        java = find_java()
        if java is None or java.major < OLDEST:
            raise Misconfigured(f"the trace viewer needs Java {OLDEST} or newer: install openjdk-{OLDEST}-jre-headless")
        jar, port = ensure_jar(self._say), Ports()(PORT)
        self._say(f"viewer: Zipkin {VERSION} is starting on port {port} ...")
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [java.path, *JVM, self._mark, "-jar", str(jar), *_options(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=_environment(),
                start_new_session=True,  # it outlives the command that started it, and its Ctrl-C
            )
        made = Running(pid=self._child.pid, port=port)
        fresh = self._state.with_suffix(".json.new")
        fresh.write_text(made.model_dump_json() + "\n")
        fresh.replace(self._state)
        # Between fork and exec a process has no command line yet; until then it would count as nobody's.
        wait_until(lambda: process.is_ours(made.pid, self._mark), timeout_s=5.0, every_s=0.005)
        return made

    def _wait(self, made: Running) -> None:
        started = time.monotonic()

        def lives() -> bool:
            return process.is_ours(made.pid, self._mark)

        wait_until(lambda: not lives() or healthy(made.port), timeout_s=START_WITHIN_S, every_s=0.2)
        if not healthy(made.port):
            what = "does not answer" if lives() else "ended while starting"
            raise Misconfigured(f"the trace viewer {what}; its last words are in {self.log}")
        self._say(f"viewer: answers at {made.address} after {time.monotonic() - started:.1f} s")

    def _end(self) -> bool:
        found = self.running()
        if found is not None:
            process.end(found.pid, self._mark, grace_s=STOP_WITHIN_S)
        if self._child is not None:
            self._child.wait(process.KILLED_WITHIN_S)
            self._child = None
        self._state.unlink(missing_ok=True)
        return found is not None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time start or stop the viewer of this home; the next one waits."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _options(port: int) -> list[str]:
    return [
        "--armeria.ports[0].address=127.0.0.1",
        f"--armeria.ports[0].port={port}",
        "--armeria.ports[0].protocols=http",
        f"--zipkin.query.allowed-origins=http://127.0.0.1:{port}",
        "--zipkin.self-tracing.enabled=false",
    ]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "STORAGE_TYPE": "mem", "MEM_MAX_SPANS": MOST_SPANS}
