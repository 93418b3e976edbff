"""Where the broker's start tells the person at the terminal what it waits for."""

import sys
from collections.abc import Callable

Say = Callable[[str], None]
"""Takes one line for a person; standard output stays free for answers."""


def to_stderr(line: str) -> None:
    """Write *line* to standard error at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def quiet(_line: str) -> None:
    """Say nothing."""
