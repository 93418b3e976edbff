"""
XARF v4 for providers: one URL, the reason, and who sends it; pure.

Made from the ``referral/1`` that the profile allows, so it cannot say more. The
report id is the referral id: receipts and ``webhook-id`` name the same. The
format's ``evidence`` would hold media and is never written. It has no form for
a withdrawal, a count or a referral without a URL: those leave as ``referral/1``.
"""

from datetime import UTC, datetime

import orjson

from contracts.referral import Referral
from contracts.vocabulary import AssessmentStatus, Kind
from services.notifier.documents.contact import Contact
from services.notifier.documents.plainurl import host_of, plain

XARF_VERSION = "4.2.0"
_BEGINNING = b'{"xarf_version":'
LONGEST_DESCRIPTION = 1000

EXPLOITATION = {
    Kind.GROOMING: "grooming",
    Kind.SEXTORTION: "sextortion",
    Kind.TRAFFICKING: "trafficking",
    Kind.SOLICITATION: "solicitation",
}
"""Kinds that the format files as ``csem``; every other is ``csam``, and the description says which."""

NOT_ASSESSED = "No analyst has assessed it; the format asks for a classification and has no word for that."


def document_type(document: bytes) -> str:
    """The name and version of a document in clear."""
    return "xarf/4" if document.startswith(_BEGINNING) else "referral/1"


def xarf(referral: Referral, sender: Contact, *, received_at: datetime) -> bytes | None:
    """
    *referral* as an XARF v4 ``content`` report in UTF-8 JSON; None where the format has no form for it.

    Args:
        referral: What the provider's profile allows.
        sender: Who the report is from.
        received_at: When the tip came, which stands in where nobody said when it was observed.
    """
    url = plain(referral.content.urls[0]) if referral.content.urls else None
    host = host_of(url) if url else None
    if url is None or host is None:
        return None
    who = {"org": sender.org, "contact": sender.email, "domain": sender.domain}
    report = {
        "xarf_version": XARF_VERSION,
        "report_id": str(referral.referral_id),
        "timestamp": _when(referral.observed_at, received_at),
        "reporter": who,
        "sender": who,
        "source_identifier": host,
        "category": "content",
        "type": "csem" if referral.kind in EXPLOITATION else "csam",
        "url": url,
        "evidence_source": "user_report",
        "description": _description(referral),
        "tags": _tags(referral),
        **_classified(referral),
    }
    if _is_name(host):
        report["domain"] = host
    return orjson.dumps(report)


def _classified(referral: Referral) -> dict[str, str]:
    """The least that can be said: which label an analyst gave is not for providers."""
    by_analyst = referral.assessment.status is not AssessmentStatus.UNASSESSED
    detected = {"detection_method": "manual_review" if by_analyst else "user_report"}
    kind = EXPLOITATION.get(referral.kind)
    return detected | ({"exploitation_type": kind} if kind else {"classification": "baseline"})


def _tags(referral: Referral) -> list[str]:
    """Words that a program can sort by; ``report:test`` is the format's only way to mark a test."""
    said = ["report:test"] if referral.is_test else []
    said += [f"kind:{referral.kind.value}", f"assessment:{referral.assessment.status.value}"]
    return [*said, f"priority:{referral.priority.value.lower()}", f"action:{referral.action.value}"]


def _description(referral: Referral) -> str:
    parts = ["TEST REPORT: nothing has happened, do nothing about the URL."] if referral.is_test else []
    parts += [f"{why.rule}: {why.text}." for why in referral.why]
    if referral.assessment.status is AssessmentStatus.UNASSESSED and referral.kind not in EXPLOITATION:
        parts.append(NOT_ASSESSED)
    parts.append("Answer with a receipt/1 whose referral_id is this report_id.")
    if referral.replaces is not None:
        parts.append(f"Replaces report {referral.replaces}.")
    if referral.withheld:
        parts.append(f"Withheld from this report: {', '.join(referral.withheld)}.")
    return " ".join(parts)[:LONGEST_DESCRIPTION]


def _when(observed_at: str | None, received_at: datetime) -> str:
    """A time with its zone; one without is nobody's clock and is not passed on as if it were ours."""
    try:
        seen = datetime.fromisoformat(observed_at) if observed_at else received_at
    except ValueError:
        seen = received_at
    known = seen if seen.tzinfo is not None else received_at
    return known.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _is_name(host: str) -> bool:
    """True where *host* is a domain as the format writes one: lower-case labels and a top level of letters."""
    labels = host.split(".")
    return len(labels) > 1 and labels[-1].isalpha() and all(_is_label(label) for label in labels)


def _is_label(label: str) -> bool:
    parts = label.split("-")
    return label.isascii() and label == label.lower() and all(part.isalnum() for part in parts)
