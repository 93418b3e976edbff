"""``python -m services.custody door``: the custody service's one process."""

import os
import sys
from collections.abc import Sequence

import uvicorn

from services.chassis.errors import EX_CONFIG
from services.chassis.kafka import KafkaBroker
from services.chassis.logs import configure
from services.chassis.settings import Settings
from services.custody.door import door

PORT = 8105
WRONG_USE = 2


def main(arguments: Sequence[str]) -> int:
    """Run the door until SIGTERM; return the exit code."""
    if list(arguments) != ["door"]:
        sys.stderr.write("use: python -m services.custody door\n")
        return WRONG_USE
    settings = Settings()
    bootstrap = settings.kafka
    if bootstrap is None:
        sys.stderr.write(
            "VIDARE_KAFKA is not set: name the broker's bootstrap servers, or start the mesh with `vidare up`\n"
        )
        return EX_CONFIG
    configure("custody-door", settings.log_level)
    port = int(os.environ.get("VIDARE_PORT", PORT))
    app = door(lambda: KafkaBroker(bootstrap))
    # No forwarded headers: who is on this machine is decided by the connection alone.
    uvicorn.run(
        app,
        host=settings.host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
