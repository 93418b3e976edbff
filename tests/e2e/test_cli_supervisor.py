"""The supervisor with real processes: what dies comes back, what is misconfigured stops all, nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured
from services.cli.ports import Ports
from services.cli.supervisor import Supervisor
from tests.support.supervised import ENDS, SERVE, STUBBORN, environment, lives, place, until

ROOT = Path(__file__).resolve().parents[2]


def test_a_process_that_was_killed_comes_back_at_once(tmp_path: Path) -> None:
    """A kill -9 costs one immediate restart on the same port."""
    port = Ports()(None)
    with Supervisor([place("a", SERVE, port)], env=environment(), logs=tmp_path) as supervisor:
        first = supervisor.pids()["a"]
        os.kill(first, signal.SIGKILL)

        assert until(lambda: supervisor.pids().get("a", first) != first, 3)
        supervisor.wait_ready(10)
        assert supervisor.children[0].starts == 2


def test_one_that_keeps_dying_is_started_less_and_less_often(tmp_path: Path) -> None:
    """Back-off: at once, then after 0.5 s, then 1 s; the others run on."""
    ports, said = Ports(), list[str]()
    places = [place("well", SERVE, ports(None)), place("ill", ENDS, ports(None), "3")]
    supervisor = Supervisor(places, env=environment(), logs=tmp_path, say=said.append)
    supervisor.start()
    try:
        assert until(lambda: supervisor.children[1].starts >= 4, 10)
        assert supervisor.children[0].starts == 1
        assert [line for line in said if "exit 3, starts again in 0.0 s" in line.replace("(", "").replace(")", "")]
        assert [line for line in said if "in 1.0 s" in line]
    finally:
        supervisor.stop()
    assert supervisor.pids() == {}


def test_a_misconfigured_process_stops_everything_with_its_message(tmp_path: Path) -> None:
    """Exit 78 is not restarted: nothing would come right by it."""
    ports = Ports()
    places = [place("well", SERVE, ports(None)), place("wrong", ENDS, ports(None), "78")]
    supervisor = Supervisor(places, env=environment(), logs=tmp_path)
    supervisor.start()

    with pytest.raises(Misconfigured, match="wrong is misconfigured: line one"):
        supervisor.wait_ready(20)
    assert supervisor.wait(20)
    assert supervisor.pids() == {}


def test_what_does_not_listen_to_sigterm_is_killed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that will not end does not keep the supervisor."""
    monkeypatch.setattr("services.cli.supervisor.POLITE_S", 1.0)
    with Supervisor([place("a", STUBBORN, Ports()(None))], env=environment(), logs=tmp_path) as supervisor:
        pid = supervisor.pids()["a"]
        began = time.monotonic()

    assert time.monotonic() - began < 5
    assert not lives(pid)


def test_not_ready_is_an_error_that_says_who_and_why(tmp_path: Path) -> None:
    """A process that never answers is named."""
    supervisor = Supervisor(
        [place("deaf", "import time; time.sleep(60)", Ports()(None))], env=environment(), logs=tmp_path
    )
    supervisor.start()
    try:
        with pytest.raises(Misconfigured, match="deaf: does not answer yet"):
            supervisor.wait_ready(1.0)
    finally:
        supervisor.stop()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's parent-death signal is Linux's")
def test_children_die_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """A kill -9 of the supervisor leaves nothing running, restarted children included."""
    program = f"""
import sys, time
from pathlib import Path
from services.cli.ports import Ports
from services.cli.supervisor import Supervisor
from tests.support.supervised import SERVE, environment, place, until
import os, signal
s = Supervisor([place("a", SERVE, Ports()(None))], env=environment(), logs=Path({str(tmp_path)!r}))
s.start(); s.wait_ready(20)
first = s.pids()["a"]; os.kill(first, signal.SIGKILL)
until(lambda: s.pids().get("a", first) != first)
print(s.pids()["a"], flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, env=environment() | {"PYTHONPATH": str(ROOT)}
    ) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        assert lives(child)
        supervisor.kill()

    assert until(lambda: not lives(child), 5)


def test_two_supervisors_take_ports_of_their_own(tmp_path: Path) -> None:
    """A port that is taken is not taken twice: a demo runs beside a running mesh."""
    port = Ports()(None)
    with Supervisor([place("a", SERVE, port)], env=environment(), logs=tmp_path):
        assert Ports()(port) != port
