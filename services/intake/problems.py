"""The door's answers that are not the one asked for: RFC 9457 problem documents with a closed ``code``."""

from http import HTTPStatus

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from contracts.vocabulary import REFUSAL_HTTP_STATUS, RefusalReason
from services.chassis.errors import Unavailable
from services.intake.refusal import Refused

PROBLEM = "application/problem+json"
UNAVAILABLE = "unavailable"

DETAILS = {
    RefusalReason.NOT_JSON: "the body is not UTF-8 JSON nested at most 16 deep",
    RefusalReason.NOT_PERMITTED: "show the bearer token of a partner",
    RefusalReason.REFERENCE_REUSED: "another submission has this reference; use a new one, and supersedes to correct",
    RefusalReason.TOO_LARGE: "a submission has at most 256 KiB; send the tip in parts",
    RefusalReason.UNKNOWN_SCHEMA: "this mesh reads tip-submission/1",
    RefusalReason.UNKNOWN_FIELD: "tip-submission/1 has no such field; nothing was taken, so that nothing is lost",
    RefusalReason.INVALID_FIELD: "the field at pointer is missing or has a value that tip-submission/1 does not allow",
    RefusalReason.EMPTY_TIP: "one of urls, addresses, hashes, accounts, people, place, narrative must say something",
    RefusalReason.TOO_MANY: "a tip has at most 1,000 indicators; send it in parts",
    RefusalReason.MEDIA_REFUSED: "media is never taken, in no encoding; send addresses, hashes and text only",
    RefusalReason.UNKNOWN_REFERENCE: "supersedes names no reference that was accepted from you",
}
"""What to do about each reason; says nothing of what was sent."""


class Problem(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.headers = headers
        self.body: dict[str, object] = {
            "type": "about:blank",
            "title": code.replace("_", " "),
            "status": status,
            "code": code,
            "detail": detail,
        }


def refusal_problem(refused: Refused) -> Problem:
    """The problem that says why a submission is refused, and where."""
    problem = Problem(REFUSAL_HTTP_STATUS[refused.reason], refused.reason.value, DETAILS[refused.reason])
    if refused.pointer is not None:
        problem.body["pointer"] = refused.pointer
    return problem


def unavailable(error: Unavailable) -> Problem:
    """The problem that asks to come again: nobody knows whether it was taken."""
    seconds = max(1, round(error.retry_after.total_seconds()))
    detail = "nobody knows whether it was taken; send it again: the same reference and content count once"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, detail, {"Retry-After": str(seconds)})


def not_permitted() -> Problem:
    """The caller showed no token that is a partner's."""
    reason = RefusalReason.NOT_PERMITTED
    headers = {"WWW-Authenticate": "Bearer"}
    return Problem(HTTPStatus.UNAUTHORIZED, reason.value, DETAILS[reason], headers)


def not_found() -> Problem:
    """There is no such thing, or it is not the caller's: one answer for both."""
    return Problem(HTTPStatus.NOT_FOUND, RefusalReason.UNKNOWN_REFERENCE.value, "there is nothing of yours here")


def answer(problem: Problem) -> Response:
    """*problem* as a response."""
    return JSONResponse(problem.body, problem.status, problem.headers, media_type=PROBLEM)


async def on_problem(_: Request, error: Exception) -> Response:
    """Answer a `Problem`."""
    if not isinstance(error, Problem):
        raise error
    return answer(error)


async def on_http(_: Request, error: Exception) -> Response:
    """Answer what the framework refuses itself: no such path, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(not_found())
    detail = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers) if error.headers else None
    return answer(Problem(error.status_code, RefusalReason.NOT_PERMITTED.value, detail, headers))
