"""What comes back from an agency: a receipt, or the end of an attempt with perhaps a receipt in its answer."""

from uuid import UUID

from contracts import telemetry
from contracts.referral import ReceiptChecked
from services.chassis.hop import Told
from services.notifier.answering.answers import answered
from services.notifier.answering.receipts import check
from services.notifier.delivering import ending
from services.notifier.delivering.applying import apply, release
from services.notifier.delivering.attempt import AttemptEnd, read_key
from services.notifier.delivering.delivery import Delivery
from services.notifier.delivering.draft import Draft
from services.notifier.delivering.lane import pump_all
from services.notifier.delivering.verdicts import Verdict
from services.notifier.onboarded import Onboarded
from services.notifier.ordering import removal
from services.notifier.wording import unknown


def receipt(draft: Draft, checked: ReceiptChecked) -> None:
    """An agency answered: what that means for its referral; one that it never got is noted and changes nothing."""
    row = draft.row(checked.agency, checked.receipt.referral_id)
    if row is not None:
        _answer(draft, row, checked)
        return
    draft.outcome.attributes |= _said(checked)
    draft.enter(unknown(checked))


def _answer(draft: Draft, row: Delivery, checked: ReceiptChecked) -> None:
    draft.tell(row.tip_id, row.agency, row.referral_id, row.trace)
    draft.outcome.attributes |= _said(checked)
    change = answered(row, checked.receipt, draft.now)
    apply(draft, row, change, actor=f"agency:{row.agency}")


def told(draft: Draft, told: Told, agencies: Onboarded) -> None:
    """An attempt has ended: the row, its lane and breaker, the receipt in the answer, and what goes next."""
    named = read_key(told.key)
    if named.id == removal.NOBODY and agencies.reachable(named.agency) is None:
        removal.begin(draft, named.agency)
    if not ending.stands(draft, named):
        return
    end, agency = AttemptEnd.model_validate_json(told.body), agencies.reachable(named.agency)
    row = draft.row(named.agency, named.id)
    lane = ending.ended(draft, named, end, agency)
    if row is not None:
        draft.tell(row.tip_id, named.agency, named.id, row.trace)
    draft.outcome.attributes |= {
        telemetry.AGENCY: named.agency,
        telemetry.ATTEMPT: named.tries,
        telemetry.CHANNEL: named.channel.value,
        telemetry.BREAKER: lane.breaker.state(draft.now),
    }
    if ending.verdict_of(end) is Verdict.DELIVERED:
        _answer_of(draft, named.agency, named.id, end)
        release(draft, named.agency, named.channel)
    if agency is not None:
        pump_all(draft, agency)
    else:
        removal.pass_on(draft, named.agency, [named.id])
        removal.evict(draft, named.agency)


def _answer_of(draft: Draft, agency: str, referral: UUID, end: AttemptEnd) -> None:
    """A receipt in the answer counts, for the referral that was sent and no other; anything else says nothing."""
    checked = check(end.answer.encode() if end.answer else None, agency=agency, received_at=draft.now)
    row = draft.row(agency, referral)
    if isinstance(checked, ReceiptChecked) and checked.receipt.referral_id == referral and row is not None:
        _answer(draft, row, checked)


def _said(checked: ReceiptChecked) -> dict[str, str]:
    return {telemetry.AGENCY: checked.agency, telemetry.RECEIPT: checked.receipt.status.value}
