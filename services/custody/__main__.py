"""``python -m services.custody door``: the custody service's one process."""

import os
import sys
from collections.abc import Sequence

from services.chassis.broker.kafka import KafkaBroker
from services.chassis.doors.serving import serve
from services.chassis.errors import EX_CONFIG, Misconfigured
from services.chassis.settings import Settings, load_settings
from services.chassis.telemetry.logs import configure
from services.custody.door import door

PORT = 8105
WRONG_USE = 2


def main(arguments: Sequence[str]) -> int:
    """Run the door until SIGTERM; return the exit code."""
    if list(arguments) != ["door"]:
        sys.stderr.write("use: python -m services.custody door\n")
        return WRONG_USE
    try:
        return _serve(load_settings())
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG


def _serve(settings: Settings) -> int:
    bootstrap = settings.kafka
    if bootstrap is None:
        raise Misconfigured(
            "VIDARE_KAFKA is not set: name the broker's bootstrap servers, or start the mesh with `vidare up`"
        )
    configure("custody-door", settings.log_level)
    port = int(os.environ.get("VIDARE_PORT", PORT))
    serve(door(lambda: KafkaBroker(bootstrap)), settings.host, port)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
