"""
The notifier's intake, the receipts hop: raw answers of agencies in, checked receipts out.

Its inboxes are untrusted: a bad record is refused in words in the custody log,
never dead-lettered, and who answers is told by the topic. Agencies share a few
tasks, so that sixty quiet agencies do not cost sixty producers. It keeps
nothing between records.
"""

import hashlib
from collections.abc import Iterable, Sequence
from zlib import crc32

from contracts import telemetry
from contracts.referral import ReceiptChecked
from contracts.topics import RECEIPTS_CHECKED, RECEIPTS_INBOX
from contracts.vocabulary import EntryKind
from services.chassis.hop import Emit, Entry, Input, Outcome, Record, TaskSpec, View
from services.notifier.answering.receipts import RefusedReceipt, check

BUCKETS = 4
"""Tasks of the hop; an agency's inbox never changes its bucket."""

PURPOSE = "receipt of an agency"


class ReceiptsHop:
    """The `Hop` of the receipts."""

    name = "receipts"
    untrusted = True
    version = "1"

    def __init__(self, agencies: Iterable[str]) -> None:
        """Read the inboxes of *agencies*."""
        self._agencies = tuple(agencies)

    def tasks(self) -> Sequence[TaskSpec]:
        """One task per bucket of inboxes; empty buckets have none."""
        buckets: dict[int, list[tuple[str, int, bool]]] = {}
        for agency in self._agencies:
            buckets.setdefault(bucket_of(agency), []).append((RECEIPTS_INBOX + agency, 0, False))
        return [TaskSpec(id=str(number), inputs=tuple(inputs)) for number, inputs in sorted(buckets.items())]

    def decide(self, given: Input, view: View) -> Outcome:  # noqa: ARG002 - stateless, the port has a view
        """Check one answer."""
        record = given.record
        if record is None:
            return Outcome()
        agency = record.topic.removeprefix(RECEIPTS_INBOX)
        checked = check(record.value, agency=agency, received_at=given.now)
        return _refuse(record, agency, checked) if isinstance(checked, RefusedReceipt) else _pass(agency, checked)

    def refuse_crashed(self, record: Record) -> Outcome:
        """Refuse a record that ended the process three times, or that can't be passed on."""
        return _refuse(record, record.topic.removeprefix(RECEIPTS_INBOX), RefusedReceipt("invalid_field"))


def bucket_of(agency: str) -> int:
    """The bucket of *agency*: by its id alone, so onboarding another agency moves nobody."""
    return crc32(agency.encode()) % BUCKETS


def _pass(agency: str, checked: ReceiptChecked) -> Outcome:
    receipt = checked.receipt
    body = checked.model_dump_json(by_alias=True, exclude_none=True).encode()
    tally = {"referral": str(receipt.referral_id), "agency": agency, "status": receipt.status.value}
    return Outcome(
        events=[Emit(topic=RECEIPTS_CHECKED, key=agency, type="receipt-checked/1", body=body)],
        entries=[Entry(EntryKind.RECEIPT_CHECKED.value, None, PURPOSE, tally=tally, actor=f"agency:{agency}")],
        attributes={telemetry.AGENCY: agency, telemetry.RECEIPT: receipt.status.value},
    )


def _refuse(record: Record, agency: str, refused: RefusedReceipt) -> Outcome:
    """Digest, size and reason are kept; the bytes are not."""
    raw = record.value or b""
    tally: dict[str, object] = {
        "agency": agency,
        "reason": refused.reason,
        "size": len(raw),
        "digest": f"sha-256:{hashlib.sha256(raw).hexdigest()}",
    }
    if refused.field is not None:
        tally["field"] = refused.field
    return Outcome(
        entries=[Entry(EntryKind.RECEIPT_REFUSED.value, None, PURPOSE, tally=tally, actor=f"agency:{agency}")],
        attributes={telemetry.AGENCY: agency, telemetry.RECEIPT: "refused"},
    )
