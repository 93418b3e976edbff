"""``python -m services.notifier door|hop|receipts [--id N]``: wiring only."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from contracts.vocabulary import ChannelName
from services.chassis.broker.kafka import KafkaBroker
from services.chassis.clock import SystemClock
from services.chassis.doors.door_producer import DoorProducer
from services.chassis.errors import EX_CONFIG, Misconfigured
from services.chassis.onboarding import load_agencies, resolve_secret
from services.chassis.running.process import run_hop
from services.chassis.settings import Settings, load_settings
from services.chassis.telemetry.logs import configure, logger
from services.chassis.telemetry.recording import hop_recorder
from services.chassis.telemetry.tracing import DoorTracing
from services.notifier.answering.intake import ReceiptsHop
from services.notifier.answering.links import links_of
from services.notifier.channels.email import EmailEffects, Post
from services.notifier.channels.email_relay import own_relay
from services.notifier.channels.guard import public_only, public_or_loopback
from services.notifier.channels.pull import PullView, follow
from services.notifier.channels.pushing import Pushing
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.delivering.delivery import feeds
from services.notifier.documents.contact import DEMO, contact_of
from services.notifier.door import DoorParts, create_door
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded, mail_warnings, webhook_warnings

PORT = 8104
CUSTODY_PORT = 8105
RETRY_S = 2.0


def main(arguments: Sequence[str]) -> int:
    """Run one process until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.notifier")
    parser.add_argument("mode", choices=("door", "hop", "receipts"))
    parser.add_argument(
        "--id", default="0", help="number of this hop process; the same number takes the same work again"
    )
    asked = parser.parse_args(arguments)
    try:
        settings = load_settings()
        agencies = Onboarded.of(load_agencies(settings))
        if asked.mode == "door":
            return door(settings, agencies)
        return (hop if asked.mode == "hop" else receipts)(settings, agencies, asked.id)
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG


def hop(settings: Settings, agencies: Onboarded, number: str) -> int:
    """Run one process of the notifier's hop."""
    configure("notifier", settings.log_level)
    recorder = hop_recorder(settings, "notifier", f"notifier-{number}")
    local = settings.demo_agencies or settings.allow_loopback == "on"
    may = public_or_loopback if local else public_only
    _warn(settings, agencies)
    relay = own_relay(settings.smtp, settings.smtp_username, settings.smtp_password) if settings.smtp else None
    post = Post(links_of(settings), relay, may)
    effects = Pushing(
        {
            ChannelName.WEBHOOK: WebhookEffects(agencies, resolve_secret, may=may, observe=recorder.attempted),
            ChannelName.EMAIL: EmailEffects(agencies, resolve_secret, post, observe=recorder.attempted),
        }
    )
    proofs = (settings.custody_url or f"http://{settings.host}:{CUSTODY_PORT}").rstrip("/")
    # Who we are is asked for only where a report says it: most meshes have nobody who wants one.
    reports = any(agency.format == "xarf" for agency in agencies.records.values())
    sender = contact_of(settings) if reports else DEMO
    made = NotifierHop(agencies, partitions=settings.partitions, proofs=proofs, effects=effects, sender=sender)
    return run_hop(
        made, settings, member=f"notifier-{number}", port=_port(), recorder=recorder, metrics=recorder.metrics.render
    )


def _warn(settings: Settings, agencies: Onboarded) -> None:
    for agency in agencies.records.values():
        for warning in mail_warnings(agency, has_relay=settings.smtp is not None):
            logger().warning("an agency's mail needs a look", agency=agency.id, reason=warning)
        for warning in webhook_warnings(agency):
            logger().warning("an agency's webhook needs a look", agency=agency.id, reason=warning)


def receipts(settings: Settings, agencies: Onboarded, number: str) -> int:
    """Run one process of the receipts hop."""
    configure("receipts", settings.log_level)
    return run_hop(ReceiptsHop(agencies.records), settings, member=f"receipts-{number}", port=_port())


def door(settings: Settings, agencies: Onboarded) -> int:
    """Run the door."""
    # A hop process needs none of this, and saves its memory.
    from services.chassis.doors.serving import serve  # noqa: PLC0415

    configure("notifier-door", settings.log_level)
    app = application(settings, agencies)
    serve(app, settings.host, _port() or PORT)
    return 0


def _port() -> int | None:
    port = os.environ.get("VIDARE_PORT")
    return int(port) if port else None


def application(settings: Settings, agencies: Onboarded) -> FastAPI:
    """
    The door with everything outside it.

    Raises:
        Misconfigured: No broker is named, or a token cannot be read.
    """
    bootstrap = settings.kafka
    if bootstrap is None:
        raise Misconfigured(
            "VIDARE_KAFKA is not set: name the broker's bootstrap servers, or start the mesh with `vidare up`"
        )
    tokens = {agency.id: resolve_secret(agency.token) for agency in agencies.records.values() if agency.token}
    tracing, inbox, ready = DoorTracing.of(settings, "notifier-door"), DoorProducer(bootstrap), asyncio.Event()
    view = PullView(settings.home / "views" / f"pull-{_port() or PORT}.db")

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(_keep_following(view, bootstrap, sorted(tokens), ready))
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await inbox.stop()
        view.close()
        tracing.close()

    links = links_of(settings)
    fed = frozenset(agency.id for agency in agencies.records.values() if feeds(agency))
    known = agencies.records
    return create_door(
        DoorParts(tokens, view, inbox, SystemClock(), ready, tracing, life, links=links, agencies=known, fed=fed)
    )


async def _keep_following(view: PullView, bootstrap: str, agencies: Sequence[str], ready: asyncio.Event) -> None:
    """Follow the feeds; after a fault say so and begin again: what is read twice changes nothing."""
    while True:
        broker = KafkaBroker(bootstrap)
        try:
            await broker.start()
            await follow(view, broker, agencies, ready)
        except Exception as error:  # noqa: BLE001 - whatever the client raises: this door only reads, it tries again
            ready.clear()
            logger().warning("the door cannot read the feeds; trying again", reason=type(error).__name__)
        finally:
            with suppress(Exception):
                await broker.stop()
        await asyncio.sleep(RETRY_S)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
