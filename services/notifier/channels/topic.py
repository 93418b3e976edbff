"""The topic channel: the agency's own feed, written in the hop's own transaction, exactly once for its readers."""

from contracts.headers import JSON
from contracts.topics import AGENCY
from services.chassis.hop import Emit
from services.notifier.delivering.delivery import Delivery
from services.notifier.documents.feed import headers
from services.notifier.documents.sealing import content_type


def feed(row: Delivery, document: bytes, *, kind: str = "referral/1") -> Emit:
    """
    The event that puts *document* into the feed of its agency: a disclosure, with a trace of its own.

    *kind* is the name and version of the document, also of one that is sealed.
    """
    sent_as = content_type(document)
    mark = headers(row.number, row.previous) if row.number is not None else ()
    return Emit(
        topic=AGENCY + row.agency,
        key=str(row.referral_id),
        type=kind,
        body=document,
        tip=str(row.tip_id),
        to=row.agency,
        partition=0,
        fresh_trace=True,
        content_type=sent_as if sent_as != JSON else None,
        headers=tuple((name, value.encode()) for name, value in mark),
    )
