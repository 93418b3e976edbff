"""A disk without room, as a process meets it: no file of it grows beyond a limit, whoever runs the tests."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_room(most: int) -> Iterator[None]:
    """No file that this process writes may become larger than *most* bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(pid: int) -> None:
    """From now on process *pid* can write nothing to any file; that is so until it ends."""
    subprocess.run(["prlimit", "--pid", str(pid), "--fsize=0:0"], check=True, capture_output=True)  # noqa: S607
