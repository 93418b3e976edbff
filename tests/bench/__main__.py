"""
All measurements of ``docs/measurements.md``: ``make bench``, about 15 minutes.

    python -m tests.bench [--quick]

Installs the peers, starts a broker of its own, runs one hop beside them, then the whole chain, and prints the
tables with the machine named.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from services.cli.broker import LocalBroker
from tests.bench.install import available
from tests.bench.surroundings import ROOT, machine, receiver


def measure(module: str, *arguments: str) -> None:
    """Run one benchmark; its table goes to standard output, its progress to standard error."""
    print(f"\n## {module} {' '.join(arguments)}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"tests.bench.{module}", *arguments], cwd=ROOT, check=False)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load: to see that it works")
    quick = parser.parse_args().quick
    peers = available()
    print(f"Measured on {machine()}.", flush=True)
    with tempfile.TemporaryDirectory(prefix="vidare-bench-") as home, receiver() as collector:
        broker = LocalBroker(Path(home))
        broker.start()
        try:
            kafka = ("--kafka", broker.bootstrap)
            records = ("--records", "10000" if quick else "60000", "--rounds", "1" if quick else "3")
            measure(
                "hop_bench",
                "--delete-topics",
                *records,
                *kafka,
                "--sink",
                collector,
                "ours",
                "ours-spans-off",
                "bare",
                *peers,
            )
            measure("geolocate_bench")
            measure("latency_bench", *kafka, "--rate", "50", "--seconds", "5" if quick else "30")
            backlog = ("--backlog", "5000" if quick else "100000", "--rate", "1", "--seconds", "5" if quick else "30")
            measure("latency_bench", *kafka, *backlog)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
