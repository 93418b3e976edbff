"""Geolocate's door: evidence and verdict for one address, for operators on this machine; nothing is stored."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from services.chassis.doors.callers import OwnHost, from_this_machine
from services.chassis.doors.doormetrics import DoorMetrics
from services.chassis.doors.problems import add_problems, problem_answer
from services.chassis.errors import Unavailable
from services.chassis.telemetry.metrics import CONTENT_TYPE
from services.chassis.telemetry.tracing import DoorTracing
from services.geolocate.geodata import Geodata
from services.geolocate.lookup import locate_address, locate_url
from services.geolocate.resolver import Resolver
from services.geolocate.watch import warnings

ROUTE = "GET /v1/locate"
OUR_HOSTS = ["127.0.0.1", "localhost", "[::1]", "testserver"]
"""Names this door answers to: a page from elsewhere must not reach it through a name that points here."""

CREDIT = {"Link": '<https://db-ip.com/>; rel="license"; title="IP Geolocation by DB-IP"'}
"""What the licence of one source asks of those who show its results."""

_LONGEST = 32_768


def today_utc() -> date:
    """The day, in UTC."""
    return datetime.now(UTC).date()


def door(
    geodata: Geodata, tracing: DoorTracing, *, resolver: Resolver | None = None, today: Callable[[], date] = today_utc
) -> FastAPI:
    """Make the door over *geodata*."""
    app = FastAPI(title="Vidare geolocate", docs_url=None, redoc_url=None)
    add_problems(app)
    app.add_middleware(OwnHost, allowed_hosts=OUR_HOSTS)
    app.add_middleware(DoorMetrics, of=tracing)
    _health(app, geodata, tracing, today)

    @app.get("/v1/locate")
    def locate(request: Request, ip: str | None = None, url: str | None = None) -> Response:
        """Give evidence and verdict for one address or URL."""
        with tracing.door_span(ROUTE, traceparent=request.headers.get("traceparent")) as span:
            answer = _refused(request, ip, url) or _located(geodata, ip, url, today(), resolver)
            span.status(answer.status_code)
            return answer

    return app


def _refused(request: Request, ip: str | None, url: str | None) -> Response | None:
    if not from_this_machine(request):
        return problem_answer(403, "not_permitted", "operators on this machine only")
    if (ip is None) == (url is None):
        return problem_answer(422, "invalid_field", "ask with exactly one of ip= and url=")
    if len(ip or url or "") > _LONGEST:
        return problem_answer(422, "invalid_field", f"longer than {_LONGEST} characters")
    return None


def _located(geodata: Geodata, ip: str | None, url: str | None, today: date, resolver: Resolver | None) -> Response:
    if not geodata.ready:
        return problem_answer(503, "unavailable", "no database is open", {"Retry-After": "5"})
    try:
        found: dict[str, Any] = (
            locate_address(geodata, ip, today=today)
            if ip is not None
            else locate_url(geodata, url or "", today=today, resolver=resolver)
        )
    except Unavailable:
        return problem_answer(503, "unavailable", "the name is being resolved", {"Retry-After": "1"})
    return JSONResponse(found, headers=CREDIT)


def _health(app: FastAPI, geodata: Geodata, tracing: DoorTracing, today: Callable[[], date]) -> None:
    @app.get("/live")
    def live() -> dict[str, bool]:
        """Say that the process works."""
        return {"live": True}

    @app.get("/ready")
    def ready() -> Response:
        """Say whether a database is open, which ones, and what an operator should know of them."""
        answer = {"ready": geodata.ready, "warnings": warnings(geodata, today()), "builds": geodata.current.builds}
        return JSONResponse(answer, status_code=200 if geodata.ready else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        """Give the metrics in Prometheus text."""
        return Response(tracing.metrics.render(), headers={"Content-Type": CONTENT_TYPE})
