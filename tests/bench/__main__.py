"""
All measurements of ``docs/measurements.md``: ``make bench``, about 15 minutes.

    python -m tests.bench [--quick] [--json]

Installs the peers, starts a broker of its own, runs one hop beside them, then the whole chain, and prints the
tables with the machine named; ``--json`` prints the same as one object.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from services.cli.broker import LocalBroker
from tests.bench.install import available
from tests.bench.surroundings import ROOT, machine, receiver

_COST = re.compile(r"^(\S.*?) +([0-9.]+) us$", re.MULTILINE)


def measure(module: str, *arguments: str, as_json: bool = False) -> dict[str, Any]:
    """Run one benchmark; its table goes to standard output (unless *as_json*), its progress to standard error."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
    if not as_json:
        print(f"\n## {module} {' '.join(arguments)}\n", flush=True)
        return {"benchmark": module, "exit": subprocess.run(command, cwd=ROOT, check=False).returncode}
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    return {"benchmark": module, "exit": done.returncode, "figures": figures_of(done.stdout)}


def figures_of(printed: str) -> Any:
    """What a benchmark printed as values: its JSON, or its lines of a name and a cost."""
    try:
        return json.loads(printed)
    except ValueError:
        return {name: float(cost) for name, cost in _COST.findall(printed)}


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load: to see that it works")
    parser.add_argument("--json", action="store_true", help="one object instead of tables")
    given = parser.parse_args()
    quick, as_json, found = given.quick, given.json, list[dict[str, Any]]()
    peers = available()
    if not as_json:
        print(f"Measured on {machine()}.", flush=True)
    with tempfile.TemporaryDirectory(prefix="vidare-bench-") as home, receiver() as collector:
        broker = LocalBroker(Path(home))
        broker.start()
        try:
            kafka = ("--kafka", broker.bootstrap)
            records = ("--records", "10000" if quick else "60000", "--rounds", "1" if quick else "3")
            systems = (*(("--json",) if as_json else ()), "ours", "ours-spans-off", "bare", *peers)
            hop = ("hop_bench", "--delete-topics", *records, *kafka, "--sink", collector, *systems)
            rate = ("latency_bench", *kafka, "--rate", "50", "--seconds", "5" if quick else "30")
            backlog = ("--backlog", "5000" if quick else "100000", "--rate", "1", "--seconds", "5" if quick else "30")
            for each in (hop, ("geolocate_bench",), rate, ("latency_bench", *kafka, *backlog)):
                found.append(measure(*each, as_json=as_json))
        finally:
            broker.stop()
    if as_json:
        print(json.dumps({"machine": machine(), "benchmarks": found}, indent=1))


if __name__ == "__main__":
    main()
