"""
Intake's door (port 8101): partners send tips and ask what became of them.

Holds no state and no transaction: it checks with the hop's own decision,
appends to inboxes, reads a view. Nothing is known here of the reporter's
address or program, and nothing of a caller is logged.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from time import perf_counter
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from contracts import telemetry
from services.chassis.errors import Unavailable
from services.chassis.telemetry.metrics import CONTENT_TYPE
from services.chassis.telemetry.tracing import DoorSpan, DoorTracing
from services.intake.batch import BatchResponse
from services.intake.bearer import Bearer
from services.intake.bodies import check_form, read_body
from services.intake.idempotency import Idempotency
from services.intake.posting import Caller, Desk
from services.intake.problems import Problem, not_found, on_http, on_problem, unavailable

POST_TIP = "POST /v1/tips"
POST_BATCH = "POST /v1/tips/batch"
GET_TIP = "GET /v1/tips/{tip_id}"

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class DoorParts:
    """Everything the door is made of."""

    bearer: Bearer
    desk: Desk
    tracing: DoorTracing
    wrong: Callable[[], str | None] = lambda: None
    """Why nothing can be taken; None while it can."""
    warnings: Callable[[], list[str]] = list
    lifespan: Lifespan | None = None
    idempotency: Idempotency = field(default_factory=Idempotency)


def create_door(parts: DoorParts) -> FastAPI:
    """The door as an ASGI application."""
    app = FastAPI(title="Vidare intake", version="1", docs_url=None, redoc_url=None, lifespan=parts.lifespan)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    _add_tips(app, parts)
    _add_health(app, parts)
    return app


def _add_tips(app: FastAPI, parts: DoorParts) -> None:
    @app.post("/v1/tips", status_code=HTTPStatus.ACCEPTED)
    async def post_tip(request: Request) -> Response:
        """Take one ``tip-submission/1``; answered when it is durable."""
        with _asked(parts, request, POST_TIP) as (span, caller):
            check_form(request)
            taken = await _take_once(parts, request, caller, await read_body(request))
            span.set(telemetry.TIP, str(taken["tip_id"]))
            return _answered(parts, span, POST_TIP, JSONResponse(taken, HTTPStatus.ACCEPTED))

    @app.post("/v1/tips/batch")
    async def post_batch(request: Request) -> Response:
        """Take JSON lines, one submission each; answers JSON lines in the same order."""
        with _asked(parts, request, POST_BATCH) as (span, caller):
            check_form(request, lines=True)

            async def take(line: bytes) -> dict[str, object]:
                return await parts.desk.take(line, Caller(caller.partner))  # one trace per tip, not per request

            return _answered(parts, span, POST_BATCH, BatchResponse(take))

    @app.get("/v1/tips/{tip_id}")
    async def get_tip(tip_id: str, request: Request) -> Response:
        """Tell a sender what became of its own tip; of any other there is nothing to tell."""
        with _asked(parts, request, GET_TIP) as (span, caller):
            tip = _uuid(tip_id)
            state = parts.desk.state(caller.partner.id, tip) if tip else None
            if state is None:
                raise not_found()
            return _answered(parts, span, GET_TIP, JSONResponse(state, headers={"Cache-Control": "no-store"}))


def _add_health(app: FastAPI, parts: DoorParts) -> None:
    @app.get("/live")
    async def live() -> dict[str, bool]:
        """Say that the process answers."""
        return {"live": True}

    @app.get("/ready")
    async def ready() -> Response:
        """503 only while nothing can be taken."""
        wrong = parts.wrong()
        body = {"ready": wrong is None, "wrong": wrong, "warnings": parts.warnings()}
        return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(parts.tracing.metrics.render(), headers={"Content-Type": CONTENT_TYPE})


async def _take_once(parts: DoorParts, request: Request, caller: Caller, data: bytes) -> dict[str, object]:
    """Take *data*, or give the answer that its Idempotency-Key was given before."""
    key, partner = request.headers.get("idempotency-key"), caller.partner.id
    if key is None:
        return await parts.desk.take(data, caller)
    before = parts.idempotency.begin(partner, key, sha256(data).hexdigest())
    if before is not None:
        return before
    try:
        taken = await parts.desk.take(data, caller)
    except BaseException:
        parts.idempotency.give_up(partner, key)
        raise
    parts.idempotency.end(partner, key, taken)
    return taken


@contextmanager
def _asked(parts: DoorParts, request: Request, route: str) -> Iterator[tuple[DoorSpan, Caller]]:
    """Tell who asks, and open the span of the request; what goes wrong is counted and told as a problem."""
    started = perf_counter()
    status = HTTPStatus.OK.value
    try:
        partner = parts.bearer.partner(request.headers.get("authorization"))
        traceparent = request.headers.get("traceparent")
        with parts.tracing.door_span(route, traceparent=traceparent, trusted=True) as span:
            span.set(telemetry.PARTNER, partner.id)
            try:
                yield span, Caller(partner, span.traceparent, span.trace_id)
            except (Problem, Unavailable) as error:
                problem = error if isinstance(error, Problem) else unavailable(error)
                span.status(problem.status)
                raise problem from None
    except Problem as problem:
        status = problem.status
        parts.tracing.metrics.count(telemetry.HTTP_REQUESTS, route=route, status=str(status))
        raise
    finally:
        parts.tracing.metrics.observe(telemetry.HTTP_SECONDS, perf_counter() - started, route=route)


def _answered(parts: DoorParts, span: DoorSpan, route: str, response: Response) -> Response:
    span.status(response.status_code)
    parts.tracing.metrics.count(telemetry.HTTP_REQUESTS, route=route, status=str(response.status_code))
    return response


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
