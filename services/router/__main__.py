"""``python -m services.router door|hop [--id N]``: wiring only."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from contracts import telemetry
from services.chassis.broker.kafka import KafkaBroker
from services.chassis.errors import EX_CONFIG, Misconfigured, Unavailable
from services.chassis.running.process import EX_CRASH, run_hop
from services.chassis.running.tuning import Tuning
from services.chassis.settings import Settings, load_settings
from services.chassis.telemetry.logs import configure, logger
from services.chassis.telemetry.recording import hop_recorder, installed_version
from services.router.decision import World
from services.router.geography.world import load_world
from services.router.hop import RouterHop
from services.router.rules.books import Books
from services.router.rules.follow import BookFollower, FollowerThread

NAME = "router"
PORT = 8103
BATCH = 200
"""Records in one transaction: each becomes ten times its bytes here, and all of them are held until the commit."""


def main(arguments: Sequence[str]) -> int:
    """Run the door or a hop until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.router")
    parser.add_argument("mode", choices=("door", "hop"))
    parser.add_argument("--id", default=os.environ.get("VIDARE_MEMBER", "0"), help="which of several hop processes")
    given = parser.parse_args(arguments)
    try:
        settings = load_settings()
        configure(f"{NAME}-{given.mode}", settings.log_level)
        return run_door(settings) if given.mode == "door" else run(settings, f"{NAME}-{given.id}")
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG


def run_door(settings: Settings) -> int:
    """Serve the door; a submission is explained by the composition that the command line uses."""
    # A hop process needs none of this, and saves its memory.
    from services.chassis.doors.serving import serve  # noqa: PLC0415
    from services.chassis.telemetry.tracing import DoorTracing  # noqa: PLC0415

    # The one place where the router meets intake and geolocate: at its edge, through the command line's own code.
    from services.cli.explaining import Explainer  # noqa: PLC0415
    from services.router.door import door  # noqa: PLC0415

    explainer, tracing = Explainer.of(settings), DoorTracing.of(settings, f"{NAME}-door")
    books, bootstrap = Books(explainer.world), settings.kafka

    def submitted(data: bytes, partner: str, world: World) -> dict[str, Any]:
        return replace(explainer, world=world).explain(data, partner, rules=True)

    app = door(books, tracing, submitted=submitted, now=lambda: datetime.now(UTC))
    follower = FollowerThread(BookFollower(lambda: KafkaBroker(bootstrap), books)) if bootstrap else nullcontext()
    with follower:
        serve(app, settings.host, int(os.environ.get("VIDARE_PORT", PORT)))
    tracing.close()
    return 0


def run(settings: Settings, member: str) -> int:
    """Run one hop process; the active rulebook of the topic goes before the file's."""
    bootstrap = settings.kafka
    if bootstrap is None:
        raise Misconfigured("no broker is named: set VIDARE_KAFKA, or start the mesh with `vidare up`")
    books = Books(load_world(settings))
    follower = BookFollower(lambda: KafkaBroker(bootstrap), books)
    try:
        asyncio.run(follower.first())
    except Unavailable as error:
        logger().error("the hop cannot start", reason=str(error), exit=EX_CRASH)
        return EX_CRASH
    recorder = hop_recorder(settings, NAME, member)
    hop = RouterHop(books, settings.partitions, version=installed_version())
    port = os.environ.get("VIDARE_PORT")

    def metrics() -> bytes:
        recorder.metrics.level(telemetry.RULEBOOK_REFUSED, books.wrong is not None)
        return recorder.metrics.render()

    with FollowerThread(follower):
        code = run_hop(
            hop,
            settings,
            member=member,
            port=int(port) if port else None,
            recorder=recorder,
            metrics=metrics,
            tuning=Tuning(batch_records=BATCH),
        )
    recorder.close()
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
