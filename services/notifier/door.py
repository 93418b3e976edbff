"""
The notifier's door (port 8104): agencies pull their own referrals and post receipts.

Holds no state and no transaction: it shows a read model and appends to inboxes.
A receipt is answered 202 when it is durable, else 503 with ``Retry-After``.
"""

import asyncio
import hmac
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from contracts import telemetry
from contracts.headers import TRACEPARENT, VIDARE_VIA
from contracts.labels import REFUSED
from contracts.topics import RECEIPTS_INBOX
from services.chassis.clock import Clock
from services.chassis.doors.doormetrics import DoorMetrics
from services.chassis.doors.problems import add_problems
from services.chassis.errors import Unavailable
from services.chassis.telemetry.logs import logger
from services.chassis.telemetry.metrics import CONTENT_TYPE
from services.chassis.telemetry.tracing import DoorTracing
from services.notifier.answering.door_links import LinkParts, add_links
from services.notifier.answering.links import Answerable, Links
from services.notifier.answering.receipts import LARGEST_BYTES, RefusedReceipt, check
from services.notifier.channels.pull import PullView
from services.notifier.documents.sealing import listed

LONGEST_WAIT_S = 55
"""Below the minute at which proxies commonly cut off."""

PROBLEM = "application/problem+json"

STATUSES = {"not_json": 400, "not_permitted": 403, "too_large": 413}
"""HTTP statuses of refusal reasons; all others are 422."""

CODES = {"empty": "not_json", "not_json": "not_json", "too_large": "too_large", "unknown_schema": "unknown_schema"}
"""Reasons of receipts in the words of refusals; all others are ``invalid_field``."""


class Appender(Protocol):
    """What appends to an inbox and returns when the record is durable."""

    async def append(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]], partition: int = 0
    ) -> tuple[int, int]:
        """
        Append; return partition and offset.

        Raises:
            Unavailable: It is not durable.
        """


@dataclass(frozen=True, slots=True)
class DoorParts:
    """Everything the door needs from outside."""

    tokens: Mapping[str, str]
    """Bearer token of each agency that has one."""
    view: PullView
    inbox: Appender
    clock: Clock
    ready: asyncio.Event
    tracing: DoorTracing | None = None
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
    links: Links | None = None
    """Reads the links in mails; None: the door has no page for them."""
    agencies: Container[str] = ()
    """Everyone who is onboarded, with a token or without."""
    fed: Container[str] = ()
    """Agencies with a feed: what does not stand in it is not theirs to answer."""
    patience_s: float = 3
    """How long a receipt waits for its referral to be seen in the feed: the view is a moment behind its readers."""


class Problem(Exception):
    """An answer that is not the one that was asked for (RFC 9457)."""

    def __init__(self, status: int, code: str, detail: str, *, pointer: str | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.body = {
            "type": "about:blank",
            "title": code.replace("_", " "),
            "status": status,
            "code": code,
            "detail": detail,
        }
        if pointer is not None:
            self.body["pointer"] = pointer


def create_door(parts: DoorParts) -> FastAPI:
    """The door as an ASGI application."""
    app = FastAPI(title="Vidare notifier", version="1", docs_url=None, redoc_url=None, lifespan=parts.lifespan)
    add_problems(app)
    if parts.tracing is not None:
        app.add_middleware(DoorMetrics, of=parts.tracing)
    app.add_exception_handler(Problem, _problem_answer)
    app.add_exception_handler(RequestValidationError, _invalid_answer)
    app.add_exception_handler(Unavailable, _unavailable_answer)
    _add_health(app, parts)
    _add_referrals(app, parts)
    _add_receipts(app, parts)
    if parts.links is not None:
        add_links(app, _link_parts(parts, parts.links))
    return app


def _link_parts(parts: DoorParts, links: Links) -> LinkParts:
    async def record(of: Answerable, receipt: bytes) -> None:
        key = str(of.referral).encode()
        with _span(parts, "POST /receipts/{token}", of.agency, None):
            await parts.inbox.append(RECEIPTS_INBOX + of.agency, key, receipt, [(VIDARE_VIA, b"link")], partition=0)

    return LinkParts(links, parts.agencies, parts.clock, record, lambda agency: _count_refused(parts, agency))


def _count_refused(parts: DoorParts, agency: str) -> None:
    if parts.tracing is not None:
        parts.tracing.metrics.count(telemetry.RECEIPTS, agency=agency, status=REFUSED)


def _caller(parts: DoorParts) -> Callable[..., str]:
    def caller(authorization: Annotated[str | None, Header()] = None) -> str:
        """The agency whose bearer token was shown; every token is compared, so the time tells nothing."""
        scheme, _, shown = (authorization or "").partition(" ")
        found = [
            agency
            for agency, token in parts.tokens.items()
            if hmac.compare_digest(token.encode(), shown.strip().encode()) and scheme.lower() == "bearer"
        ]
        if not found:
            raise Problem(401, "not_permitted", "show the bearer token of an onboarded agency")
        return found[0]

    return caller


def _add_referrals(app: FastAPI, parts: DoorParts) -> None:
    @app.get("/v1/referrals")
    async def referrals(
        request: Request,
        agency: Annotated[str, Depends(_caller(parts))],
        state: Annotated[str, Query(pattern="^(open|all)$")] = "open",
        after: Annotated[int, Query(ge=-1, le=2**62)] = -1,
        wait: Annotated[float, Query(ge=0, le=3600)] = 0,
    ) -> Response:
        """
        The caller's own referrals, oldest first, up to 100; ``after`` of the answer goes into the next call.

        A sealed one is a string: its JWE in compact form.
        """
        if not parts.ready.is_set():
            raise Unavailable("the view of the feeds")
        with _span(parts, "GET /v1/referrals", agency, request.headers.get(TRACEPARENT)):
            page = await parts.view.wait_page(
                agency, after=after, open_only=state == "open", wait_s=min(wait, LONGEST_WAIT_S)
            )
        shown = b",".join(map(listed, page.documents))
        raw = b'{"referrals":[' + shown + b'],"after":' + str(page.after).encode() + b"}"
        return Response(raw, media_type="application/json", headers={"cache-control": "no-store"})


def _add_receipts(app: FastAPI, parts: DoorParts) -> None:
    @app.post("/v1/referrals/{referral}/receipts", status_code=202)
    async def receipts(
        referral: str, request: Request, agency: Annotated[str, Depends(_caller(parts))]
    ) -> JSONResponse:
        """One ``receipt/1`` for one referral of the caller."""
        raw = await _bounded_body(request)
        checked = check(raw, agency=agency, received_at=parts.clock.now())
        if isinstance(checked, RefusedReceipt):
            _count_refused(parts, agency)
            raise _refusal(checked)
        receipt, named = checked.receipt, _uuid(referral)
        if named is None or not await _is_theirs(parts, agency, named):
            _count_refused(parts, agency)
            logger().warning("a receipt for what stands in no feed of the one who sent it", agency=agency)
            raise Problem(404, "unknown_reference", "no such referral is yours to answer")
        if receipt.referral_id != named:
            raise Problem(422, "invalid_field", "referral_id is not the one in the path", pointer="/referral_id")
        key = str(receipt.referral_id).encode()
        with _span(parts, "POST /v1/referrals/{id}/receipts", agency, request.headers.get(TRACEPARENT)):
            await parts.inbox.append(RECEIPTS_INBOX + agency, key, raw, [(VIDARE_VIA, b"http")], partition=0)
        return JSONResponse({"referral_id": str(receipt.referral_id), "status": receipt.status.value}, status_code=202)


async def _is_theirs(parts: DoorParts, agency: str, referral: UUID) -> bool:
    """True also while nobody can know: the hop looks again, and changes nothing for what it does not have."""
    if agency not in parts.fed or not parts.ready.is_set():
        return True
    return await parts.view.knows(agency, referral, wait_s=parts.patience_s)


def _add_health(app: FastAPI, parts: DoorParts) -> None:
    @app.get("/live")
    async def live() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    @app.get("/ready")
    async def ready() -> JSONResponse:
        """503 only while the feeds are still being read."""
        is_ready = parts.ready.is_set()
        return JSONResponse({"ready": is_ready, "warnings": []}, status_code=200 if is_ready else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text."""
        raw = parts.tracing.metrics.render() if parts.tracing else b""
        return Response(raw, headers={"content-type": CONTENT_TYPE})


@contextmanager
def _span(parts: DoorParts, route: str, agency: str, traceparent: str | None) -> Iterator[None]:
    """The span of one request: of an agency, so what it sent is linked and never a parent."""
    if parts.tracing is None:
        yield
        return
    with parts.tracing.door_span(route, traceparent=traceparent) as span:
        span.set(telemetry.AGENCY, agency)
        yield


async def _bounded_body(request: Request) -> bytes:
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > LARGEST_BYTES:
            raise _refusal(RefusedReceipt("too_large"))
    return bytes(read)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _refusal(refused: RefusedReceipt) -> Problem:
    code = CODES.get(refused.reason, "invalid_field")
    detail = f"the receipt was refused: {refused.reason}; see receipt/1"
    return Problem(STATUSES.get(code, 422), code, detail, pointer=f"/{refused.field}" if refused.field else None)


async def _problem_answer(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the handler's form
    if not isinstance(error, Problem):
        raise error
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse(error.body, status_code=error.status, media_type=PROBLEM, headers=headers)


async def _invalid_answer(request: Request, error: Exception) -> Response:
    """A parameter is wrong; its value is not repeated."""
    fields = [str(each["loc"][-1]) for each in error.errors()] if isinstance(error, RequestValidationError) else []
    return await _problem_answer(request, Problem(422, "invalid_field", f"wrong: {', '.join(fields)}"))


async def _unavailable_answer(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the handler's form
    seconds = max(1, int(error.retry_after.total_seconds())) if isinstance(error, Unavailable) else 1
    problem = Problem(503, "unavailable", "come again; what was sent may have arrived, and counts once")
    return JSONResponse(problem.body, status_code=503, media_type=PROBLEM, headers={"retry-after": str(seconds)})
