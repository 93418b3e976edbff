"""The topic channel: the agency's own feed, written in the hop's own transaction, exactly once for its readers."""

from uuid import UUID

from contracts.topics import AGENCY
from services.chassis.hop import Emit


def feed(agency: str, referral: UUID, document: bytes, *, tip: UUID) -> Emit:
    """The event that puts *document* into the feed of *agency*: a disclosure, with a trace of its own."""
    return Emit(
        topic=AGENCY + agency,
        key=str(referral),
        type="referral/1",
        body=document,
        tip=str(tip),
        to=agency,
        partition=0,
        fresh_trace=True,
    )
