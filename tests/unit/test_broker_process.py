"""State files and process ids outlive the process: neither may be believed alone."""

import os
import sys
from pathlib import Path

import pytest

from services.cli.broker import LocalBroker, process
from services.cli.broker.state import State, read_state, state_file, write_state


def test_only_a_process_with_our_mark_is_ours() -> None:
    """A living process id that belongs to something else is not taken for the broker."""
    assert process.is_ours(os.getpid(), Path(sys.executable).name)
    assert not process.is_ours(os.getpid(), "/no/such/home/broker/server.properties")


def test_a_stale_state_file_is_seen_through(tmp_path: Path) -> None:
    """A crash leaves a state file whose process id now belongs to another: nothing runs, and nothing is killed."""
    write_state(tmp_path, State(how="java", bootstrap="127.0.0.1:21001", data="d", pid=os.getpid()))
    broker = LocalBroker(tmp_path)

    assert not broker.running
    broker.kill()
    broker.stop()
    assert read_state(tmp_path) is None


@pytest.mark.parametrize("torn", ["", "{", '{"how": "abacus"}'])
def test_a_torn_state_file_says_nothing(tmp_path: Path, torn: str) -> None:
    """A half-written file is read as no file."""
    state_file(tmp_path).parent.mkdir()
    state_file(tmp_path).write_text(torn)

    assert read_state(tmp_path) is None


def test_a_state_file_is_read_as_written(tmp_path: Path) -> None:
    """Another process finds what the first one noted."""
    state = State(how="docker", bootstrap="127.0.0.1:21001", data="volume x", container="abc")
    write_state(tmp_path, state)

    assert read_state(tmp_path) == state
