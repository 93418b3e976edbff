"""
Counts and times the requests of a door, by route template.

Health, metrics and whatever nobody offers are not among the listed routes: the
first are not counted, the last are ``other``, so that a scan makes no labels.
"""

import re
import time
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import labels, telemetry
from services.chassis.telemetry.metrics import Metrics

PROBES = frozenset({"/live", "/ready", "/metrics"})
_PARAMETER = re.compile(r"\{[^}]*\}")
_ROUTES = {_PARAMETER.sub("{}", route): route for route in telemetry.DOOR_ROUTES}


class Measured(Protocol):
    """Whatever holds the metrics of a door: its tracing."""

    metrics: Metrics


class DoorMetrics:
    """ASGI middleware: ``app.add_middleware(DoorMetrics, of=tracing)``; looks for the metrics when a request comes."""

    def __init__(self, app: ASGIApp, of: Measured) -> None:
        self._app = app
        self._of = of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and count it whatever comes of it."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), "500"

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = route_of(scope)
            self._of.metrics.count(telemetry.HTTP_REQUESTS, route=route, status=status)
            self._of.metrics.observe(telemetry.HTTP_SECONDS, time.perf_counter() - started, route=route)


def route_of(scope: Scope) -> str:
    """The listed name of the route that answered, or ``other``."""
    route: Any = scope.get("route")
    path = _PARAMETER.sub("{}", str(getattr(route, "path", "")))
    return _ROUTES.get(f"{scope['method']} {path}", labels.OTHER)
