"""What every door answers where the framework itself refuses: RFC 9457 problem documents that repeat nothing."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from contracts.vocabulary import RefusalReason

PROBLEM = "application/problem+json"

CODES = {
    HTTPStatus.NOT_FOUND: RefusalReason.UNKNOWN_REFERENCE,
    HTTPStatus.METHOD_NOT_ALLOWED: RefusalReason.NOT_PERMITTED,
}
"""Refusal reasons of what the framework refuses; all else is ``invalid_field``."""


def add_problems(app: FastAPI) -> None:
    """Answer unknown paths, wrong methods and wrong parameters of *app* as problems, without what was sent."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_parameters)


def problem_answer(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Answer with a problem document."""
    return JSONResponse(problem_of(status, code, detail), status, headers, media_type=PROBLEM)


def problem_of(status: int, code: str, detail: str) -> dict[str, object]:
    """Return a problem document as RFC 9457 has it."""
    return {
        "type": "about:blank",
        "title": code.replace("_", " "),
        "status": int(status),
        "code": code,
        "detail": detail,
    }


async def _on_http(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    code = CODES.get(status, RefusalReason.INVALID_FIELD).value
    detail = "there is no such path here" if status is HTTPStatus.NOT_FOUND else status.phrase
    return problem_answer(status, code, detail, dict(error.headers) if error.headers else None)


async def _on_parameters(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    names = ", ".join(str(each["loc"][-1]) for each in error.errors())
    code = RefusalReason.INVALID_FIELD.value
    return problem_answer(HTTPStatus.UNPROCESSABLE_ENTITY, code, f"wrong: {names}")
