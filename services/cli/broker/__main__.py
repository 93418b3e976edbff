"""``python -m services.cli.broker start|stop|status``: the broker of one home, for development by hand."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from services.chassis.errors import EX_CONFIG, Misconfigured
from services.chassis.settings import Settings
from services.cli.broker.ensure import ensure_broker, status, stop_broker


def main(arguments: list[str] | None = None) -> int:
    """Start, stop or describe the broker; the answer is one JSON line, exit 1 if nothing runs."""
    parser = argparse.ArgumentParser(prog="python -m services.cli.broker", description=__doc__)
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument("--home", type=Path, help="where its data lies (default: VIDARE_HOME)")
    given = parser.parse_args(arguments)
    settings = Settings(home=given.home) if given.home else Settings()
    try:
        return _act(given.action, settings)
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG


def _act(action: str, settings: Settings) -> int:
    if action == "start":
        ensure_broker(settings)
    elif action == "stop":
        return 0 if stop_broker(settings) else 1
    told = status(settings)
    sys.stdout.write(json.dumps(dataclasses.asdict(told)) + "\n")
    return 0 if told.running else 1


if __name__ == "__main__":
    sys.exit(main())
