"""Requests of a door are counted by route template; whatever nobody offers makes no label."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import httpx
from fastapi import FastAPI

from contracts import telemetry
from services.chassis.clock import SystemClock
from services.chassis.doors.doormetrics import DoorMetrics
from services.chassis.settings import Settings
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.tracing import DoorTracing
from services.notifier.channels.pull import PullView
from services.notifier.door import DoorParts, create_door

RECEIPTS_ROUTE = "POST /v1/referrals/{id}/receipts"


async def test_a_request_is_told_by_its_template_and_status() -> None:
    """The path's own words, a strange path, a probe and an error inside the door leave nothing but listed words."""
    metrics, app = Metrics(), FastAPI()
    app.add_middleware(DoorMetrics, of=SimpleNamespace(metrics=metrics))

    @app.get("/live")
    async def live() -> None:
        """Probe."""

    @app.get("/v1/tips/{tip}")
    async def tip(tip: str) -> str:
        """Fails for one tip."""
        if tip == "bad":
            raise RuntimeError("a fault of the door's own")
        return tip

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        for path in ("/live", "/v1/tips/one", "/v1/tips/two", "/v1/tips/bad", "/wp-login.php", "/v1/tips/one?q=x"):
            await client.get(path)

    route = "GET /v1/tips/{tip_id}"
    assert metrics.value(telemetry.HTTP_REQUESTS, route=route, status="200") == 3
    assert metrics.value(telemetry.HTTP_REQUESTS, route=route, status="500") == 1
    assert metrics.value(telemetry.HTTP_REQUESTS, route="other", status="404") == 1
    assert metrics.registry.get_sample_value("vidare_http_request_duration_seconds_count", {"route": route}) == 4
    assert b"wp-login" not in metrics.render()


async def test_a_receipt_refused_at_the_door_is_counted_with_its_agency(tmp_path: Path) -> None:
    """The agency is the token's, never a word of the body."""

    class Nothing:
        async def append(self, *_given: object, **_more: object) -> tuple[int, int]:
            """Nothing is appended here."""
            raise AssertionError("a refused receipt was appended")

    tracing, view = DoorTracing.of(Settings(home=tmp_path), "notifier-door"), PullView(tmp_path / "pull.db")
    parts = DoorParts({"hotline-nl": "a token"}, view, Nothing(), SystemClock(), asyncio.Event(), tracing)
    transport = httpx.ASGITransport(app=create_door(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        headers = {"authorization": "Bearer a token"}
        answer = await client.post("/v1/referrals/x/receipts", content=b"no receipt", headers=headers)
    tracing.close()
    view.close()

    assert answer.status_code == 400
    assert tracing.metrics.value(telemetry.RECEIPTS, agency="hotline-nl", status="refused") == 1
    assert tracing.metrics.value(telemetry.HTTP_REQUESTS, route=RECEIPTS_ROUTE, status="400") == 1
