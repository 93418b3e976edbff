"""``broker.json``: which broker this home started, so that another process can find and stop it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from services.chassis.errors import Misconfigured
from services.cli.broker.wire import wait_until

LOCK_WITHIN_S = 120.0
"""Longer than the slowest start of a broker; a process that dies gives its lock back at once."""


class State(BaseModel):
    """What is running; a file that a crash left behind says so too, hence every reader checks the process."""

    model_config = ConfigDict(frozen=True)

    how: Literal["java", "docker"]
    bootstrap: str
    data: str
    pid: int | None = None
    container: str | None = None


def state_file(home: Path) -> Path:
    """Where the state of *home* lies."""
    return home / "broker" / "broker.json"


def read_state(home: Path) -> State | None:
    """Return what the file says; None if there is none or it is torn."""
    try:
        return State.model_validate_json(state_file(home).read_bytes())
    except (OSError, ValidationError):
        return None


def write_state(home: Path, state: State) -> None:
    """Replace the file in one step."""
    path = state_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".json.new")
    fresh.write_text(state.model_dump_json(indent=2) + "\n")
    fresh.replace(path)


def forget_state(home: Path) -> None:
    """Remove the file; the broker's data stays."""
    state_file(home).unlink(missing_ok=True)


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """
    Let one process at a time start or stop the broker of *home*; the next one waits.

    Raises:
        Misconfigured: Another process kept the lock for longer than any start takes.
    """
    path = home / "broker" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if not wait_until(lambda: _taken(handle), timeout_s=LOCK_WITHIN_S):
            msg = f"another vidare is still starting or stopping the broker of {home}: wait for it or end it"
            raise Misconfigured(msg)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
