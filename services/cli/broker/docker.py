"""One Kafka broker as a container, published on loopback, its records in a volume named after the home."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from services.chassis.errors import Misconfigured, Unavailable
from services.cli.broker.jars import kafka_version
from services.cli.broker.ports import free_ports
from services.cli.broker.properties import CONTAINER_DATA, TEMPLATE, Ports, container_environment
from services.cli.broker.say import Say, quiet
from services.cli.broker.state import State, forget_state, locked, read_state, write_state
from services.cli.broker.wire import answers, wait_until

DAEMON_WITHIN_S = 2.0
PULL_WITHIN_S = 60.0
START_WITHIN_S = 60.0
STOP_WITHIN_S = 20


def image() -> str:
    """Return the image's name: the public one, or the one that ``VIDARE_TEST_KAFKA_IMAGE`` names."""
    return os.environ.get("VIDARE_TEST_KAFKA_IMAGE") or f"apache/kafka:{kafka_version()}"


def why_not(say: Say = quiet, *, pull: bool = True) -> str | None:
    """Return why Docker can't run the broker; None if a daemon answers and has, or could pull, the image."""
    if shutil.which("docker") is None:
        return "Docker is not installed"
    if _docker("version", "--format", "{{.Server.Version}}", timeout_s=DAEMON_WITHIN_S) is None:
        return "no Docker daemon answers"
    name = image()
    if _docker("image", "inspect", "--format", "{{.Id}}", name, timeout_s=DAEMON_WITHIN_S) is not None:
        return None
    if pull:
        say(f"broker: Docker answers; pulling {name} ...")
        if _docker("pull", "--quiet", name, timeout_s=PULL_WITHIN_S) is not None:
            return None
    return f"Docker has no image {name}" + (f" and could not pull it within {PULL_WITHIN_S:.0f} s" if pull else "")


class DockerBroker:
    """The containerised broker of one home; same promises as the Java process."""

    def __init__(self, home: Path, *, say: Say = quiet) -> None:
        """Name the broker of *home*; nothing is started yet."""
        self.home = home.resolve()
        self.name = "vidare-" + hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        self._say = say
        self.launched = False
        """True when this very object started the container, so that nobody else answers for it."""

    @property
    def running(self) -> bool:
        """True while the container runs."""
        state = read_state(self.home)
        if state is None or state.container is None:
            return False
        return _docker("inspect", "--format", "{{.State.Running}}", state.container, timeout_s=5) == "true"

    def start(self) -> str:
        """
        Start the container unless it runs, wait until it answers, return its bootstrap server.

        Raises:
            Unavailable: Docker would not run it, or it stayed silent; nothing of it is left running.
        """
        with locked(self.home):
            state = read_state(self.home)
            if state is not None and self.running:
                self._wait(state.bootstrap)
                return state.bootstrap
            ports = free_ports(before=_ports_of(state))
            try:
                self._run(ports)
                self._wait(ports.bootstrap)
            except BaseException:
                self._remove()
                raise
            self.launched = True
            return ports.bootstrap

    def stop(self) -> None:
        """Stop and remove the container; the volume with the records stays."""
        with locked(self.home):
            _docker("stop", "--time", str(STOP_WITHIN_S), self.name, timeout_s=STOP_WITHIN_S + 10)
            self._remove()

    def kill(self) -> None:
        """Kill the container as ``kill -9`` does."""
        _docker("kill", self.name, timeout_s=10)

    def _run(self, ports: Ports) -> None:
        self._remove()
        self._say(f"broker: the container {self.name} of {image()} is starting at {ports.bootstrap} ...")
        container = _docker(*run_arguments(self.name, image(), ports), timeout_s=30)
        if container is None:
            raise Unavailable("Docker")
        state = State(how="docker", bootstrap=ports.bootstrap, data=f"volume {self.name}", container=container)
        write_state(self.home, state)

    def _wait(self, bootstrap: str) -> None:
        wait_until(lambda: not self.running or answers(bootstrap), timeout_s=START_WITHIN_S, every_s=0.25)
        if not answers(bootstrap):
            raise Unavailable("the Kafka container")

    def _remove(self) -> None:
        _docker("rm", "--force", self.name, timeout_s=30)
        forget_state(self.home)


def run_arguments(name: str, of: str, ports: Ports) -> list[str]:
    """Return the arguments of ``docker`` that run the broker: the client port on loopback, the records in a volume."""
    environment = container_environment(TEMPLATE.read_text(), ports)
    settings = [word for key, value in sorted(environment.items()) for word in ("--env", f"{key}={value}")]
    publish = ["--publish", f"127.0.0.1:{ports.client}:{ports.client}"]
    return ["run", "--detach", "--name", name, "--volume", f"{name}:{CONTAINER_DATA}", *publish, *settings, of]


def _ports_of(state: State | None) -> Ports | None:
    """Keep the client's port of a container that was not stopped in order."""
    if state is None or not state.bootstrap.rpartition(":")[2].isdigit():
        return None
    client = int(state.bootstrap.rpartition(":")[2])
    return Ports(client=client, controller=client + 1)


def _docker(*arguments: str, timeout_s: float) -> str | None:
    """Return what ``docker`` printed; None if it failed or took too long."""
    path = shutil.which("docker")
    if path is None:
        msg = "Docker is not installed"
        raise Misconfigured(msg)
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
