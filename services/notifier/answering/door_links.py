"""
The page behind a mail's link: an agency answers one referral with its case number.

Scanners open links before people do, so looking changes nothing: only the
form's POST appends a ``receipt/1``, the same as by any other way. A link that is
forged, too old or somebody else's is as unknown as no link at all.
"""

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from urllib.parse import parse_qs

import orjson
from fastapi import FastAPI, Request, Response

from contracts.vocabulary import ReceiptStatus
from services.chassis.clock import Clock
from services.chassis.errors import Unavailable
from services.notifier.answering import linkpages
from services.notifier.answering.links import Answerable, Links
from services.notifier.answering.receipts import RefusedReceipt, check

PATH = "/receipts/{token:path}"

LARGEST_FORM_BYTES = 256 * 1024
"""Room for a question of 20,000 characters at the 12 bytes that a form may need for one."""

MOST_FIELDS = 16
"""The form has six."""

FIELDS = {
    ReceiptStatus.ACKNOWLEDGED: ("reference",),
    ReceiptStatus.ACTIONED: ("reference", "outcome", "moved_to"),
    ReceiptStatus.NACK: ("reference", "nack"),
    ReceiptStatus.QUESTION: ("reference", "text"),
    ReceiptStatus.ACTIVE_INVESTIGATION: ("reference",),
}
"""What of the form belongs to which answer; the rest of it was left over from another choice."""


@dataclass(frozen=True, slots=True)
class LinkParts:
    """Everything the page needs from outside."""

    links: Links
    agencies: Container[str]
    """Who is onboarded: the link of one that is not any more opens nothing."""
    clock: Clock
    record: Callable[[Answerable, bytes], Awaitable[None]]
    """Appends a receipt to the agency's inbox; raises Unavailable where it is not durable."""
    refused: Callable[[str], None] = lambda _agency: None
    """Counts an answer of an agency that was none."""


def add_links(app: FastAPI, parts: LinkParts) -> None:
    """Add the page to the door."""

    def allowed(token: str) -> Answerable | None:
        found = parts.links.read(token, parts.clock.now())
        return found if found is not None and found.agency in parts.agencies else None

    @app.get(PATH, include_in_schema=False)
    async def shown(token: str) -> Response:
        """The form; opening it changes nothing."""
        of = allowed(token)
        return _page(linkpages.unknown(), 404) if of is None else _page(linkpages.form(of.referral))

    @app.post(PATH, include_in_schema=False)
    async def sent(token: str, request: Request) -> Response:
        """The agency's answer."""
        of = allowed(token)
        if of is None:
            return _page(linkpages.unknown(), 404)
        return await _take(parts, of, await _bounded(request))


async def _take(parts: LinkParts, of: Answerable, raw: bytes | None) -> Response:
    receipt = receipt_of(raw, of) if raw is not None else None
    too_large = RefusedReceipt("too_large")
    checked = check(receipt, agency=of.agency, received_at=parts.clock.now()) if raw is not None else too_large
    if receipt is None or isinstance(checked, RefusedReceipt):
        parts.refused(of.agency)
        why = checked.reason if isinstance(checked, RefusedReceipt) else "invalid_field"
        return _page(linkpages.form(of.referral, refused=why), 422)
    try:
        await parts.record(of, receipt)
    except Unavailable:
        return _page(linkpages.later(), 503, {"retry-after": "60"})
    return _page(linkpages.answered(of.referral, checked.receipt.status))


def receipt_of(raw: bytes, of: Answerable) -> bytes | None:
    """The ``receipt/1`` that a form says, for the referral of the link; None where its choice is none of the form's."""
    fields = _fields(raw)
    status = next((each for each in FIELDS if each.value == fields.get("status")), None)
    if status is None:
        return None
    said = {name: fields[name] for name in FIELDS[status] if fields.get(name)}
    if "moved_to" in said:
        said["moved_to"] = said["moved_to"].upper()
    whole = {"schema": "receipt/1", "referral_id": str(of.referral), "status": status.value} | said
    return orjson.dumps(whole)


def _fields(raw: bytes) -> dict[str, str]:
    """The first value of each field, without the space around it; nothing where the bytes are no form."""
    try:
        found = parse_qs(raw.decode("ascii"), encoding="utf-8", errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0].strip() for name, values in found.items()}


async def _bounded(request: Request) -> bytes | None:
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > LARGEST_FORM_BYTES:
            return None
    return bytes(read)


def _page(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, linkpages.HEADERS | (headers or {}), media_type="text/html; charset=utf-8")
