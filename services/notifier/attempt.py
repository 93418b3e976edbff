"""An attempt as it is asked for and as it ends: the values between the hop and its webhook channel."""

from uuid import UUID

from pydantic import AwareDatetime

from contracts.indicators import Frozen
from services.chassis.hop import Effect, Told
from services.notifier.delivery import Delivery


class AttemptEnd(Frozen):
    """How one attempt ended."""

    status: int | None = None
    fault: str | None = None
    retry_after_s: int | None = None
    answer: str | None = None
    """The body of a 2xx, where it is text and not longer than a receipt may be: perhaps a ``receipt/1``."""


class Asked(Frozen):
    """What the channel tells of an attempt in its span; nothing of it is sent."""

    tip: str
    queued_at: AwareDatetime
    trace: str | None = None
    """``traceparent`` that the referral came with."""


def ask(row: Delivery, document: bytes) -> Effect:
    """The effect of sending *document*: its key names agency, referral and try, and is the same after a restart."""
    asked = Asked(tip=str(row.tip_id), queued_at=row.queued_at, trace=row.trace).model_dump_json().encode()
    return Effect(
        key=f"{row.agency}/{row.referral_id}/{row.tries}",
        kind="webhook",
        body=asked + b"\n" + document,
        lane=row.agency,
    )


def read_body(body: bytes) -> tuple[Asked, bytes]:
    """What an effect's body says of the attempt, and the document to send (empty where it is gone)."""
    asked, _, document = body.partition(b"\n")
    return Asked.model_validate_json(asked), document


def read_key(key: str) -> tuple[str, UUID, int]:
    """Agency, referral id and number of the try that an effect's key names."""
    agency, referral, tries = key.split("/")
    return agency, UUID(referral), int(tries)


def tell(key: str, end: AttemptEnd) -> Told:
    """The end, on its way back to the task."""
    return Told(key=key, body=end.model_dump_json(exclude_none=True).encode())
