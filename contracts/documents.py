"""Every document and event of the contract by name: its model, and whether others hold what we wrote."""

from dataclasses import dataclass

from pydantic import BaseModel

from contracts import events, referral, submission


@dataclass(frozen=True, slots=True)
class Document:
    """One versioned document; a breaking change makes a new version beside the old one."""

    name: str
    """``<event>/<version>``, as in ``ce_type`` and in the body's ``schema``."""
    model: type[BaseModel]
    says: str
    sent: bool = True
    """We write it and others read it: loosening it breaks them. False: others write it, narrowing breaks them."""

    @property
    def event(self) -> str:
        """The name without its version."""
        return self.name.partition("/")[0]

    @property
    def version(self) -> str:
        """The version without the name."""
        return self.name.partition("/")[2]

    @property
    def schema_file(self) -> str:
        """File of its JSON Schema under ``contracts/schemas``."""
        return f"{self.event}-{self.version}.json"

    @property
    def examples_folder(self) -> str:
        """Folder of its examples under ``contracts/examples``."""
        return f"{self.event}/{self.version}"


DOCUMENTS = (
    Document("tip-submission/1", submission.Submission, "a tip as its sender wrote it (untrusted)", sent=False),
    Document("receipt/1", referral.Receipt, "an agency's answer to one referral (untrusted)", sent=False),
    Document("tip-status/1", referral.TipStatus, "what a sender is told of its tip"),
    Document("referral/1", referral.Referral, "the document an agency receives"),
    Document("tip-received/1", events.TipReceived, "intake accepted a tip, or the next revision of one"),
    Document("tip-located/1", events.TipLocated, "the tip, and where its indicators point"),
    Document("referral-routed/1", events.ReferralRouted, "one tip version for one destination"),
    Document("decision/1", events.DecisionRecorded, "facts, digests and the truth of every condition; no content"),
    Document("outcome/1", events.OutcomeReported, "what came of a referral, told to the router"),
    Document("receipt-checked/1", referral.ReceiptChecked, "a receipt whose form and sender are right"),
    Document("delivery/1", events.DeliveryRecorded, "every attempt, receipt and escalation of one referral"),
    Document("agency-order/1", events.AgencyOrdered, "what operators order for one agency"),
    Document("review/1", events.ReviewAsked, "what a person must decide, and what was decided"),
    Document("custody/1", events.CustodyEntry, "one entry per hop and per disclosure"),
)

RAW_VALUES = {
    "original bytes": "The record as it was, byte for byte; why and where from stands in the vidare-dlq-* headers.",
    "state": "A row of a task's store; private to the hop that writes it.",
    "rulebook": "A rulebook (TOML) by its digest, or under the key active the digest of the one in force.",
}
"""Topic values that are no documents of the contract, and what they are."""


def document(name: str) -> Document:
    """
    Find a document by its name.

    Raises:
        KeyError: The contract has no document *name*.
    """
    for candidate in DOCUMENTS:
        if candidate.name == name:
            return candidate
    raise KeyError(name)
