"""The router's door: the full decision for one tip, for operators on this machine; nothing is stored."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from contracts import telemetry
from contracts.events import TipLocated
from services.chassis.doors.callers import OwnHost, from_this_machine
from services.chassis.doors.doormetrics import DoorMetrics
from services.chassis.doors.problems import add_problems, problem_answer
from services.chassis.errors import Unavailable
from services.chassis.telemetry.metrics import CONTENT_TYPE
from services.chassis.telemetry.tracing import DoorTracing
from services.router.decision import World, route
from services.router.rules.books import Books
from services.router.telling.explain import explained, named

ROUTE = "POST /v1/explain"
OUR_HOSTS = ["127.0.0.1", "localhost", "[::1]", "testserver"]
"""Names this door answers to: a page from elsewhere must not reach it through a name that points here."""

MOST_BYTES = 2 * 1024 * 1024
"""Largest record of a located tip."""

Submitted = Callable[[bytes, str, World], dict[str, Any]]
"""A submission's bytes, its partner and the world in use to the explained decision; the wiring gives it."""


def door(books: Books, tracing: DoorTracing, *, submitted: Submitted, now: Callable[[], datetime]) -> FastAPI:
    """Make the door over the rulebook in use, which *books* holds."""
    app = FastAPI(title="Vidare router", docs_url=None, redoc_url=None)
    add_problems(app)
    app.add_middleware(OwnHost, allowed_hosts=OUR_HOSTS)
    app.add_middleware(DoorMetrics, of=tracing)
    _health(app, books, tracing)

    @app.post("/v1/explain")
    async def explain(request: Request, partner: str = "public") -> Response:
        """Decide on a ``tip-located/1``, or on a ``tip-submission/1`` of *partner*."""
        with tracing.door_span(ROUTE, traceparent=request.headers.get("traceparent")) as span:
            answer = await _answer(request, partner)
            span.status(answer.status_code)
            return answer

    async def _answer(request: Request, partner: str) -> Response:
        if not from_this_machine(request):
            return problem_answer(403, "not_permitted", "operators on this machine only")
        body = await _body(request)
        if body is None:
            return problem_answer(413, "too_large", f"more than {MOST_BYTES} bytes")
        world = books.current.world
        if partner not in world.partners:
            return problem_answer(422, "invalid_field", "partner= names nobody of partners.toml")
        return await run_in_threadpool(_explained, world, body, partner, submitted, now())

    return app


async def _body(request: Request) -> bytes | None:
    """The body, unless it is larger than any tip."""
    chunks: list[bytes] = []
    async for chunk in request.stream():
        chunks.append(chunk)
        if sum(map(len, chunks)) > MOST_BYTES:
            return None
    return b"".join(chunks)


def _explained(world: World, body: bytes, partner: str, submitted: Submitted, now: datetime) -> Response:
    try:
        if not _is_located(body):
            return _told(submitted(body, partner, world), world)
        located = TipLocated.model_validate_json(body)
    except orjson.JSONDecodeError:
        return problem_answer(400, "not_json", "the body is not a JSON object")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return problem_answer(422, "invalid_field", "/" + "/".join(map(str, first["loc"])))
    except Unavailable:
        return problem_answer(503, "unavailable", "no database is open", {"Retry-After": "5"})
    return _told(explained(located, route(located, world, now=now), rules=True), world)


def _told(explanation: dict[str, Any], world: World) -> Response:
    """The decision, and which rulebook took it: the hop's own, which may have been switched a moment ago."""
    return JSONResponse({**explanation, "rulebook": named(world.book)})


def _is_located(body: bytes) -> bool:
    data = orjson.loads(body)
    return isinstance(data, dict) and data.get("schema") == "tip-located/1"


def _health(app: FastAPI, books: Books, tracing: DoorTracing) -> None:
    @app.get("/live")
    def live() -> dict[str, bool]:
        """Say that the process works."""
        return {"live": True}

    @app.get("/ready")
    def ready() -> dict[str, Any]:
        """Say which rulebook decides and whether the home police are onboarded."""
        world = books.current.world
        missing = not world.atlas.usable(world.atlas.police_home)
        warnings = [f"{world.atlas.police_home} is not onboarded"] if missing else []
        return {"ready": True, "warnings": [*warnings, *books.warnings()], "rulebook": named(world.book)}

    @app.get("/metrics")
    def metrics() -> Response:
        """Give the metrics in Prometheus text."""
        tracing.metrics.level(telemetry.RULEBOOK_REFUSED, books.wrong is not None)
        return Response(tracing.metrics.render(), headers={"Content-Type": CONTENT_TYPE})
