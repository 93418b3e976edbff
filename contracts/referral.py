"""
``referral/1``, ``receipt/1`` and ``tip-status/1``: what agencies and senders hold in their hands.

What a destination may not have is not in the bytes; ``withheld`` names it.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.events import ReferralJurisdiction, RulebookRef, Why
from contracts.indicators import Frozen
from contracts.vocabulary import (
    Action,
    AssessmentStatus,
    Kind,
    Label,
    Nack,
    Priority,
    ReceiptOutcome,
    ReceiptStatus,
    RefusalReason,
    Signal,
    StatusWord,
)


class ReferralAssessment(Frozen):
    """The assessment, and for whom the legality was judged."""

    status: AssessmentStatus
    labels: tuple[Label, ...] = ()
    legality: str | None = None


class ReferralContent(Frozen):
    """Indicators as sent, in the form of ``tip-submission/1``."""

    urls: tuple[str, ...] = ()
    addresses: tuple[dict[str, Any], ...] = ()
    hashes: tuple[dict[str, Any], ...] = ()
    accounts: tuple[dict[str, Any], ...] = ()


class CustodyPointer(Frozen):
    """Where the custody proof is."""

    proof: str


class FeedSkipped(Frozen):
    """A number of the feed whose document was never seen to arrive and never will be sent again."""

    number: int
    digest: str
    """``sha-256:`` and hex of its bytes: the next document's ``previous`` can be held against it."""


class FeedMark(Frozen):
    """
    Where a document stands in its agency's feed: 1, 2, 3 ... without a gap, each naming the one before by its digest.

    Documents may arrive in another order (urgent first, retries). A number that
    stays away was withheld, unless a later document names it as skipped: taken
    back or closed by a person before it could be sent.
    """

    number: Annotated[int, Field(ge=1)]
    previous: str | None = None
    """``sha-256:`` and hex of the bytes of document ``number - 1`` as they were sent; None on the first."""
    skipped: tuple[FeedSkipped, ...] = ()


class Referral(Frozen):
    """``referral/1``: the document an agency receives."""

    schema_: Annotated[Literal["referral/1"], Field(alias="schema")] = "referral/1"
    referral_id: UUID
    tip_id: UUID
    version: int
    action: Action
    replaces: UUID | None = None
    destination: str
    region: str | None = None
    is_test: bool = False
    group: str
    related: tuple[UUID, ...] = ()
    sightings: int = 1
    via: tuple[str, ...] = ()
    priority: Priority
    priority_reasons: tuple[str, ...] = ()
    acknowledge_by: AwareDatetime | None = None
    duty: bool = False
    duty_count: int | None = None
    """Urgent tips of one sender that this call of the duty desk speaks for, where that sender's budget is spent."""
    deconflict: bool = False
    kind: Kind
    observed_at: str | None = None
    why: tuple[Why, ...] = ()
    rulebook: RulebookRef
    jurisdiction: ReferralJurisdiction
    assessment: ReferralAssessment
    signals: tuple[Signal, ...] = ()
    content: ReferralContent
    people: tuple[dict[str, Any], ...] = ()
    place: dict[str, Any] | None = None
    narrative: str | None = None
    urgency_reason: str | None = None
    """Why the sender sees immediate danger, in its words; police profiles only."""
    reporter: dict[str, Any] | None = None
    known_to: tuple[dict[str, Any], ...] = ()
    preserve_until: AwareDatetime | None = None
    withheld: tuple[str, ...] = ()
    untrusted_text: tuple[str, ...] = ()
    """Fields that hold words of strangers, as sent: data to be read, never instructions to a program or a model."""
    feed: FeedMark | None = None
    """None in documents of the time before feeds were numbered."""
    custody: CustodyPointer


class Receipt(BaseModel):
    """
    ``receipt/1``: an agency's answer to one referral; untrusted bytes until checked.

    ``acknowledged`` needs ``reference``, ``nack`` needs ``nack``, ``question`` needs ``text``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_: Annotated[Literal["receipt/1"], Field(alias="schema")] = "receipt/1"
    referral_id: UUID
    status: ReceiptStatus
    reference: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    outcome: ReceiptOutcome | None = None
    moved_to: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    nack: Nack | None = None
    text: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] | None = None
    at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _needs(self) -> "Receipt":
        needed = {ReceiptStatus.ACKNOWLEDGED: "reference", ReceiptStatus.NACK: "nack", ReceiptStatus.QUESTION: "text"}
        name = needed.get(self.status)
        if name and not (getattr(self, name) or "").strip():  # blanks are no case number, and no question
            raise ValueError(f"a receipt with status {self.status.value} needs {name}")
        if self.outcome is ReceiptOutcome.MOVED and self.moved_to is None:
            raise ValueError("outcome moved needs moved_to")
        return self


class ReceiptChecked(Frozen):
    """``receipt-checked/1``: a receipt whose form and sender are right; the agency is the topic it came by."""

    schema_: Annotated[Literal["receipt-checked/1"], Field(alias="schema")] = "receipt-checked/1"
    agency: str
    receipt: Receipt
    received_at: AwareDatetime


class StatusRefusal(Frozen):
    """Why a submission was refused: never the original, only its digest and size."""

    reason: RefusalReason
    pointer: str | None = None
    digest: str | None = None
    size: int | None = None


class TipStatus(Frozen):
    """``tip-status/1``: what the sender is told of its tip; destinations by kind, never by name."""

    schema_: Annotated[Literal["tip-status/1"], Field(alias="schema")] = "tip-status/1"
    status: StatusWord
    reference: str | None = None
    tip_id: UUID | None = None
    revision: int | None = None
    repeated: bool = False
    reason: RefusalReason | None = None
    pointer: str | None = None
    """Of a refusal: JSON pointer of the field at fault; None where the whole record is."""
    digest: str | None = None
    size: int | None = None
    refusal: StatusRefusal | None = None
    """The same once more, in the form that ``vidare explain`` gives a refusal."""
    priority: Priority | None = None
    destinations: tuple[str, ...] = ()
    """Kinds of destinations: police, hotline, interpol, europol, provider, takedown, crawler, review."""
    destination: str | None = None
    outcome: str | None = None
    text: str | None = None
    """An agency's question."""
    at: AwareDatetime
