"""An attempt as it is asked for and as it ends: the values between the hop and its webhook channel."""

from uuid import UUID

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


def ask(row: Delivery, document: bytes) -> Effect:
    """The effect of sending *document*: its key names agency, referral and try, and is the same after a restart."""
    return Effect(key=f"{row.agency}/{row.referral_id}/{row.tries}", kind="webhook", body=document, lane=row.agency)


def read_key(key: str) -> tuple[str, UUID, int]:
    """Agency, referral id and number of the try that an effect's key names."""
    agency, referral, tries = key.split("/")
    return agency, UUID(referral), int(tries)


def tell(key: str, end: AttemptEnd) -> Told:
    """The end, on its way back to the task."""
    return Told(key=key, body=end.model_dump_json(exclude_none=True).encode())
