"""Reads bodies within bounds: form first, never more bytes than a submission has, never longer than patience lasts."""

import asyncio
import re
from http import HTTPStatus

from fastapi import Request

from contracts.submission import MAX_SUBMISSION_BYTES
from contracts.vocabulary import RefusalReason
from services.intake.problems import DETAILS, Problem

PATIENCE_S = 30.0
"""For a whole submission; the slowest line that can report takes a few seconds for 256 KiB."""

DRAINED_BYTES = 32 * 1024 * 1024
"""
Read and dropped of a body whose declared length is too large: who is cut off while still sending never sees why.

A body that declares no length may have no end: it is cut where it becomes too large.
"""

UNSAID = ("", "application/x-www-form-urlencoded")
"""A caller that named no type: `curl -d` fills in the second by itself. The body must be JSON all the same."""

_JSON = re.compile(r"(?:application|text)/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)
_LINES = re.compile(r"(?:application|text)/(?:x-)?(?:ndjson|jsonl|jsonlines|json-seq|json)", re.IGNORECASE)


def check_form(request: Request, *, lines: bool = False) -> None:
    """
    Refuse what is not plain JSON (or, for *lines*, JSON lines) before a byte of it is read.

    Raises:
        Problem: 415.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    allowed = _LINES if lines else _JSON
    if encoding not in ("", "identity") or not (kind in UNSAID or allowed.fullmatch(kind)):
        wanted = "application/x-ndjson" if lines else "application/json"
        detail = f"send {wanted} in UTF-8, not compressed; media is never taken"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, RefusalReason.NOT_JSON.value, detail)


async def read_body(request: Request) -> bytes:
    """
    Read the whole body.

    Raises:
        Problem: 413, or 408 for one that comes too slowly.
    """
    declared = request.headers.get("content-length", "")
    most = int(declared) if declared.isdigit() else MAX_SUBMISSION_BYTES
    if most > DRAINED_BYTES:
        raise too_large()
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _read(request, most)
    except TimeoutError:
        detail = f"the body did not arrive within {PATIENCE_S:.0f} s"
        code = RefusalReason.NOT_JSON.value
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, code, detail, {"Connection": "close"}) from None


def too_large() -> Problem:
    """The body is over the limit."""
    reason = RefusalReason.TOO_LARGE
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason.value, DETAILS[reason], {"Connection": "close"})


async def _read(request: Request, most: int) -> bytes:
    read, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_SUBMISSION_BYTES:
            read += chunk
        elif size > most:
            break
    if size > MAX_SUBMISSION_BYTES:
        raise too_large()
    return bytes(read)
