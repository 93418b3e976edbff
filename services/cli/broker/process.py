"""Processes by id: is it still the one that was started, and how to end it within a bound."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from services.cli.broker.wire import wait_until

KILLED_WITHIN_S = 10.0
"""The kernel ends a killed process in milliseconds; seconds only if it hangs in a dying disk."""


def is_ours(pid: int, mark: str) -> bool:
    """
    Return True if *pid* lives and its command line holds *mark*.

    A process id is used again by the system sooner or later, and a child that ended but was not waited for still
    has one: neither may be taken for the broker, least of all be killed.
    """
    return mark in _command_line(pid)


def end(pid: int, mark: str, *, grace_s: float) -> None:
    """Ask *pid* to end; kill it if it has not within *grace_s*."""
    _signal(pid, mark, signal.SIGTERM)
    if not wait_until(lambda: not is_ours(pid, mark), timeout_s=grace_s):
        kill(pid, mark)


def kill(pid: int, mark: str) -> None:
    """Kill *pid* at once, as ``kill -9`` does, and wait until it is gone."""
    _signal(pid, mark, signal.SIGKILL)
    wait_until(lambda: not is_ours(pid, mark), timeout_s=KILLED_WITHIN_S)


def _signal(pid: int, mark: str, number: signal.Signals) -> None:
    if is_ours(pid, mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _command_line(pid: int) -> str:
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    ps = shutil.which("ps")
    if ps is None:
        return ""
    done = subprocess.run(
        [ps, "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=5
    )
    return done.stdout
