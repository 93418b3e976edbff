"""
``/live``, ``/ready`` and ``/metrics`` of a process: three fixed answers to GET, nothing else.

A hop has 120 MiB of memory to live in; a web framework would take a sixth of it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import orjson

from services.chassis.telemetry.metrics import CONTENT_TYPE
from services.chassis.telemetry.telemetry_port import MetricsText

REQUEST_S = 5.0
LONGEST_LINE = 8192
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Health(NamedTuple):
    """What a process says of itself."""

    live: bool
    ready: bool
    body: dict[str, object]


class HealthServer:
    """Answers on one port of the loopback."""

    def __init__(self, health: Callable[[], Health], metrics: MetricsText) -> None:
        self._health = health
        self._metrics = metrics
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int | None) -> int:
        """Listen; None or 0 takes a free port. Returns the port."""
        self._server = await asyncio.start_server(self._serve, host, port or 0, limit=LONGEST_LINE)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(REQUEST_S):
                line = (await reader.readline()).decode("latin-1").split()
                while (await reader.readline()).strip():
                    pass
                writer.write(self.answer(*line[:2]) if len(line) >= 2 else self.answer("", ""))
                await writer.drain()
        writer.close()

    def answer(self, method: str, target: str) -> bytes:
        """The whole response to one request."""
        path = target.partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response(405, "text/plain", b"only GET\n")
        if path == "/metrics":
            return _response(200, CONTENT_TYPE, self._metrics())
        if path not in ("/live", "/ready"):
            return _response(404, "text/plain", b"/live, /ready or /metrics\n")
        health = self._health()
        if path == "/live":
            return _answer(health.live, {"live": health.live})
        return _answer(health.live and health.ready, {"live": health.live, "ready": health.ready, **health.body})


def _answer(good: bool, body: dict[str, object]) -> bytes:  # noqa: FBT001 - what the probe asks
    return _response(200 if good else 503, "application/json", orjson.dumps(body))


def _response(status: int, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
