"""Custody's door: what is known of one tip, for operators on this machine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from services.chassis.broker.broker_port import Broker
from services.chassis.doors.callers import OwnHost
from services.chassis.doors.doormetrics import DoorMetrics
from services.chassis.doors.problems import add_problems
from services.chassis.errors import Misconfigured
from services.chassis.telemetry.logs import logger
from services.chassis.telemetry.metrics import CONTENT_TYPE, Metrics
from services.custody.books import Balance
from services.custody.follow import Follower

RETRY_S = 2.0
OUR_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
"""Names this door answers to: a page from elsewhere must not reach it through a name that points here."""
PROBLEM = "application/problem+json"


class Custody:
    """What the door holds: the broker, the follower of the moment, what is wrong."""

    def __init__(self, connect: Callable[[], Broker], metrics: Metrics) -> None:
        self.metrics = metrics
        self.wrong: str | None = "not connected yet"
        self.follower: Follower | None = None
        self._connect = connect

    async def keep_following(self) -> None:
        """Follow the log; after a fault say so and begin again."""
        while True:
            broker = self._connect()
            try:
                await broker.start()
                self.follower = Follower(broker, self.metrics)
                self.wrong = None
                await self.follower.run()
            except Misconfigured as error:
                self._stumbled(str(error))
            except Exception as error:  # noqa: BLE001 - whatever the client raises: this door only reads, it tries again
                self._stumbled(f"the broker does not answer ({type(error).__name__})")
            finally:
                self.follower = None
                with suppress(Exception):
                    await broker.stop()
            await asyncio.sleep(RETRY_S)

    def _stumbled(self, why: str) -> None:
        if why != self.wrong:
            logger().warning("custody cannot read", reason=why)
        self.wrong = why


def door(connect: Callable[[], Broker], metrics: Metrics | None = None) -> FastAPI:
    """Make the door; *connect* makes a broker that is not started."""
    custody = Custody(connect, metrics or Metrics())

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(custody.keep_following())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = FastAPI(title="Vidare custody", lifespan=life, docs_url=None, redoc_url=None)
    add_problems(app)
    app.add_middleware(OwnHost, allowed_hosts=OUR_HOSTS)
    app.add_middleware(DoorMetrics, of=custody)
    app.state.custody = custody
    _health(app, custody)

    @app.get("/v1/tips/{tip_id}")
    async def tip(tip_id: UUID, request: Request) -> Response:
        """Give state and entries of a tip."""
        if not from_this_machine(request):
            return problem(403, "not_permitted", "operators on this machine only")
        if custody.follower is None or not custody.follower.ready:
            return problem(503, "unavailable", custody.wrong or "the log is being read", {"Retry-After": "2"})
        found = await custody.follower.view(tip_id)
        if found is None:
            return problem(404, "unknown_reference", "there is no entry of this tip")
        return JSONResponse(found.as_json())

    return app


def warnings_of(last: Balance | None) -> list[str]:
    """Say what of the books an operator must look at."""
    counts = {"unaccounted for": len(last.unaccounted), "doubled": last.duplicates} if last else {}
    return [f"{count} {what}: vidare reconcile" for what, count in counts.items() if count]


def _health(app: FastAPI, custody: Custody) -> None:
    @app.get("/live")
    async def live() -> dict[str, bool]:
        """Say that the process works."""
        return {"live": True}

    @app.get("/ready")
    async def ready() -> Response:
        """Say whether the log can be read, and how the books stood at the last balance."""
        last = custody.follower.last if custody.follower else None
        answer: dict[str, object] = {"ready": custody.wrong is None, "wrong": custody.wrong}
        answer["warnings"] = warnings_of(last)
        answer["books"] = last.as_json() if last else None
        return JSONResponse(answer, status_code=503 if custody.wrong else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Give the metrics in Prometheus text."""
        return Response(custody.metrics.render(), headers={"Content-Type": CONTENT_TYPE})


def from_this_machine(request: Request) -> bool:
    """True for a caller on loopback."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Answer with a problem document (RFC 9457)."""
    body = {"type": "about:blank", "status": status, "title": code.replace("_", " "), "code": code, "detail": detail}
    return JSONResponse(body, status_code=status, headers=headers, media_type=PROBLEM)
