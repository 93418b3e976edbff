"""One Kafka broker as a Java process of its own, on loopback, with its data under ``VIDARE_HOME/broker``."""

import base64
import subprocess
import time
import uuid
from pathlib import Path

from services.chassis.errors import Misconfigured
from services.cli.broker import process
from services.cli.broker.jars import ensure_jars, kafka_version
from services.cli.broker.java import OLDEST, Java, find_java
from services.cli.broker.ports import free_ports, is_free
from services.cli.broker.properties import TEMPLATE, Ports, read_ports, render
from services.cli.broker.say import Say, quiet
from services.cli.broker.state import State, forget_state, locked, read_state, write_state
from services.cli.broker.wire import answers, wait_until

START_WITHIN_S = 90.0
"""3-4 s on two idle cores, 8 s after a kill; a minute only when everything else on the machine starts as well."""
STOP_WITHIN_S = 20.0
"""A clean stop takes half a second; after this the process is killed, which costs the next start a recovery."""
PORT_FREE_WITHIN_S = 5.0
EXEC_WITHIN_S = 5.0
LOG_KEPT_BYTES = 16 * 1024 * 1024
JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # two cores, 512 MB: no threads beside the broker's own, and the quickest start
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
)


class LocalBroker:
    """
    The broker of one home; start, stop and kill it as often as wanted, its records stay.

    Two homes have two brokers side by side. Another process finds the same broker through ``broker.json``.
    """

    def __init__(self, home: Path, *, say: Say = quiet) -> None:
        """Name the broker of *home*; nothing is started yet."""
        self.home = home.resolve()
        self.folder = self.home / "broker"
        self.data = self.folder / "data"
        self.log = self.folder / "broker.log"
        self._properties = self.folder / "server.properties"
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """What clients are given; known from the first start on."""
        ports = read_ports(self._properties)
        if ports is None:
            msg = f"the broker of {self.home} was never started: vidare broker start"
            raise Misconfigured(msg)
        return ports.bootstrap

    @property
    def pid(self) -> int | None:
        """Process id of the running broker; None if it is down, whatever a stale state file says."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        state = read_state(self.home)
        if state is None or state.pid is None or not process.is_ours(state.pid, str(self._properties)):
            return None
        return state.pid

    @property
    def launched(self) -> bool:
        """True when this very object started the process, so that nobody else answers for it."""
        return self._child is not None

    @property
    def running(self) -> bool:
        """True while its process lives."""
        return self.pid is not None

    def start(self) -> str:
        """
        Start the broker unless it runs, wait until it answers, return its bootstrap server.

        Raises:
            Misconfigured: No Java, no jars, or the broker ended or stayed silent; says where its log is.
        """
        with locked(self.home):
            if self.running:
                self._wait()
                return self.bootstrap
            try:
                self._launch()
                self._say(f"broker: Kafka {kafka_version()} is starting at {self.bootstrap} ...")
                self._wait()
            except BaseException:
                self.kill()
                raise
            return self.bootstrap

    def stop(self) -> None:
        """Stop it cleanly; kill it if it takes longer than it should. Its data stays."""
        with locked(self.home):
            pid = self.pid
            if pid is not None:
                process.end(pid, str(self._properties), grace_s=STOP_WITHIN_S)
            self._reap()
            forget_state(self.home)

    def kill(self) -> None:
        """Kill it as ``kill -9`` does; the state file stays behind as after a crash."""
        if self._child is not None:
            self._child.kill()
        elif (pid := self.pid) is not None:
            process.kill(pid, str(self._properties))
        self._reap()

    def _launch(self) -> None:
        java, jars = _java(), ensure_jars(self._say)
        self._configure()
        self._format(java, jars)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                _command(java, jars, "kafka.Kafka", str(self._properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C at the terminal must not reach it before its supervisor has stopped
            )
        pid = self._child.pid
        # Between fork and exec a process has no command line yet; nobody may read the state file before it has.
        wait_until(lambda: process.is_ours(pid, str(self._properties)), timeout_s=EXEC_WITHIN_S, every_s=0.005)
        write_state(self.home, State(how="java", bootstrap=self.bootstrap, data=str(self.data), pid=pid))

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.log.is_file() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        ports = _ports(read_ports(self._properties))
        self._properties.write_text(render(TEMPLATE.read_text(), ports, str(self.data)))

    def _format(self, java: Java, jars: Path) -> None:
        if (self.data / "meta.properties").is_file():
            return
        arguments = ("format", "--ignore-formatted", "-t", _cluster_id(), "-c", str(self._properties))
        command = _command(java, jars, "kafka.tools.StorageTool", *arguments)
        with self.log.open("ab") as log:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, timeout=START_WITHIN_S
            )
        if done.returncode != 0:
            raise Misconfigured(self._see_log("could not format its data folder"))

    def _wait(self) -> None:
        started, bootstrap = time.monotonic(), self.bootstrap
        wait_until(lambda: not self.running or answers(bootstrap), timeout_s=START_WITHIN_S)
        if not answers(bootstrap):
            raise Misconfigured(self._see_log("does not answer" if self.running else "ended while starting"))
        self._say(f"broker: answers at {bootstrap} after {time.monotonic() - started:.1f} s")

    def _see_log(self, what: str) -> str:
        return f"the broker of {self.home} {what}; its last words are in {self.log}"

    def _reap(self) -> None:
        """Take a child that has been ended off the process table."""
        if self._child is not None:
            self._child.wait(process.KILLED_WITHIN_S)
            self._child = None


def _ports(before: Ports | None) -> Ports:
    """Keep the ports of the last start: the kernel may need a moment to take them back from a killed process."""
    if before is not None:
        wait_until(lambda: is_free(before.client) and is_free(before.controller), timeout_s=PORT_FREE_WITHIN_S)
    return free_ports(before=before)


def _java() -> Java:
    java = find_java()
    if java is None or java.major < OLDEST:
        msg = f"the local broker needs Java {OLDEST} or newer: install openjdk-{OLDEST}-jre-headless"
        raise Misconfigured(msg)
    return java


def _command(java: Java, jars: Path, main: str, *arguments: str) -> list[str]:
    return [java.path, *JVM, "-cp", f"{jars}/*", main, *arguments]


def _cluster_id() -> str:
    """Return a random id in Kafka's form; it may not begin with a dash, which the tool takes for an option."""
    return "v" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
