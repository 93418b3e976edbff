"""``vidare bench``: the measurements of docs/measurements.md, run from a checkout."""

import subprocess
import sys

from services.chassis.errors import Misconfigured
from services.chassis.settings import ROOT


def run(*, quick: bool, json: bool = False) -> int:
    """
    Run every benchmark and return its exit code.

    Raises:
        Misconfigured: This is an installed copy without the benchmarks and their peers.
    """
    if not (ROOT / "tests" / "bench" / "__main__.py").exists():
        raise Misconfigured(
            "the benchmarks and their peers are in the source tree only; run `make bench` in a checkout"
        )
    command = [sys.executable, "-m", "tests.bench", *(["--quick"] if quick else []), *(["--json"] if json else [])]
    return subprocess.run(command, cwd=ROOT, check=False).returncode
