"""``python -m services.intake door|hop [--id N]``: wiring only."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from services.chassis.broker.kafka import KafkaBroker
from services.chassis.clock import SystemClock
from services.chassis.doors.door_producer import DoorProducer
from services.chassis.doors.serving import serve
from services.chassis.errors import EX_CONFIG, Misconfigured
from services.chassis.onboarding import load_partners
from services.chassis.running.process import run_hop
from services.chassis.settings import Settings, load_settings
from services.chassis.telemetry.logs import configure, logger
from services.chassis.telemetry.tracing import DoorTracing
from services.intake.bearer import Bearer
from services.intake.door import DoorParts, create_door
from services.intake.follow import Follower
from services.intake.groupkey import group_key
from services.intake.hop import IntakeHop
from services.intake.posting import Desk
from services.intake.view import StatusView

PORT = 8101
RETRY_S = 1.0
WATCH_S = 3.0
"""How long the door may say that it can work after the broker went away."""


def main(arguments: Sequence[str]) -> int:
    """Run one process until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.intake")
    parser.add_argument("mode", choices=("door", "hop"))
    parser.add_argument("--id", default="0", help="number of this hop process; after a restart it keeps its work")
    asked = parser.parse_args(arguments)
    try:
        settings = load_settings()
        return door(settings) if asked.mode == "door" else hop(settings, asked.id)
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG


def hop(settings: Settings, number: str) -> int:
    """Run one hop process."""
    configure("intake", settings.log_level)
    port = os.environ.get("VIDARE_PORT")
    made = IntakeHop(load_partners(settings), group_key(settings))
    return run_hop(made, settings, member=f"intake-{number}", port=int(port) if port else None)


def door(settings: Settings) -> int:
    """Run the door."""
    configure("intake-door", settings.log_level)
    port = int(os.environ.get("VIDARE_PORT", PORT))
    serve(application(settings), settings.host, port)
    return 0


def application(settings: Settings) -> FastAPI:
    """
    The door with everything outside it.

    Raises:
        Misconfigured: No broker is named, or partners or key cannot be read.
    """
    bootstrap = settings.kafka
    if bootstrap is None:
        raise Misconfigured("no broker is named: set VIDARE_KAFKA, or start the mesh with `vidare up`")
    partners, view = load_partners(settings), StatusView()
    tracing = DoorTracing.of(settings, "intake-door")
    inbox, bearer = DoorProducer(bootstrap), Bearer(partners)
    follower = Follower(lambda: KafkaBroker(bootstrap), partners, view)
    connected = asyncio.Event()

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_watch(inbox, connected)), asyncio.create_task(follower.run())]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await inbox.stop()
        view.close()
        tracing.close()

    def warnings() -> list[str]:
        without = [f"no token for {partner}: it cannot send by HTTP" for partner in bearer.without_token()]
        return [*without, *([f"statuses: {follower.wrong}"] if follower.wrong else [])]

    def wrong() -> str | None:
        return None if connected.is_set() else "the broker does not answer"

    desk = Desk(inbox, view, SystemClock(), tracing.metrics, group_key(settings))
    return create_door(DoorParts(bearer, desk, tracing, wrong, warnings, life))


async def _watch(inbox: DoorProducer, connected: asyncio.Event) -> None:
    """Keep *connected* true to what is: set while the broker answers."""
    said = False
    while True:
        if await inbox.answers():
            connected.set()
            said = False
        else:
            connected.clear()
            if not said:
                logger().warning("the door cannot reach the broker; trying again", reason="the broker")
            said = True
        await asyncio.sleep(WATCH_S if connected.is_set() else RETRY_S)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
