"""What the answers to a case's calls mean; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from contracts.headers import VIDARE_FEED_BROKEN, VIDARE_FEED_EXPECTED
from services.notifier.answering.receipts import RefusedReceipt, check
from services.notifier.conformance.case import Call, Case, Want
from services.notifier.delivering.verdicts import RETRIED_4XX, Fault

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
UNCLAIMED = ("empty", "not_json", "unknown_schema", "missing_field")
"""An answer of which the notifier says this claims to be no receipt: nothing, a page, JSON of another kind."""


class Verdict(StrEnum):
    """How a case ended."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    ADVICE = "advice"
    """What is recommended is not there; nothing breaks."""
    NOT_PLAYED = "not_played"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call ended: a status, or a fault of the way."""

    referral: UUID
    status: int | None = None
    fault: Fault | None = None
    body: bytes | None = None
    """None where it was longer than a receipt may be."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    @property
    def taken(self) -> bool:
        """Whether the receiver said that it has the referral."""
        return self.status is not None and 200 <= self.status <= 299


@dataclass(frozen=True, slots=True)
class Finding:
    """What a case showed, in a sentence."""

    case: str
    verdict: Verdict
    says: str
    required: bool = True


def judge(case: Case, answers: Sequence[Answer]) -> Finding:
    """Hold *answers* against what *case* wants; the first thing that is wrong is said."""
    wrong = _first_wrong(case, answers)
    if wrong is None:
        note = "" if case.required else " (recommended)"
        return Finding(case.name, Verdict.PASS, case.shows + note, case.required)
    verdict = Verdict.FAIL if case.required or _lost(case, answers) else Verdict.ADVICE
    return Finding(case.name, verdict, f"{wrong}. {case.advice}", case.required)


def _lost(case: Case, answers: Sequence[Answer]) -> bool:
    """Whether a referral was not taken: that is never a matter of taste."""
    return any(call.want is Want.TAKEN and not answer.taken for call, answer in zip(case.calls, answers, strict=True))


def _first_wrong(case: Case, answers: Sequence[Answer]) -> str | None:
    for number, (call, answer) in enumerate(zip(case.calls, answers, strict=True), 1):
        wrong = _wrong(call, answer, beside=case.beside)
        if wrong is not None:
            return f"call {number} of {len(case.calls)} {wrong}" if len(case.calls) > 1 else f"the call {wrong}"
    return _different(answers) if case.same else None


def _wrong(call: Call, answer: Answer, *, beside: bool) -> str | None:
    if call.want is Want.REFUSED:
        return _not_refused(call, answer)
    if beside and answer.status in RETRIED_4XX:
        return None  # "later": the mesh comes again, with the same id
    return _not_taken(answer) or _bad_receipt(answer) or _unreported(call, answer)


def _not_refused(call: Call, answer: Answer) -> str | None:
    if answer.status is None:
        closed = answer.fault is Fault.PROTOCOL
        return None if closed else f"got no answer ({answer.fault}) where it must be refused with a status of the 400s"
    if 400 <= answer.status <= 499:
        return None
    how = (call.without and f"without {call.without}") or _how(call)
    if answer.taken:
        return f"was accepted ({answer.status}), {how}"
    return f"was answered {answer.status}, {how}: a refusal is a status of the 400s, all else makes the mesh try again"


def _how(call: Call) -> str:
    if call.age_s:
        return f"signed {abs(call.age_s) // 60} minutes {'ago' if call.age_s > 0 else 'ahead'}"
    return f"signed: {call.sign.value.replace('_', ' ')}" if call.sign.value != "good" else "with another body"


def _not_taken(answer: Answer) -> str | None:
    if answer.fault is not None:
        return f"ended without an answer ({answer.fault.value})"
    if answer.status is not None and 300 <= answer.status <= 399:
        return f"was answered with a redirect ({answer.status}), and redirects are never followed"
    return None if answer.taken else f"was answered {answer.status} where 2xx is due"


def _bad_receipt(answer: Answer) -> str | None:
    """A receipt in the answer counts, so it must be whole; any other answer says nothing."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        return "was answered with a compressed body, which was not asked for"
    if answer.body is None:
        return "was answered with more than 64 kB"
    found = check(answer.body, agency="conformance", received_at=_NO_TIME)
    if isinstance(found, RefusedReceipt):
        if found.reason in UNCLAIMED and b"receipt/1" not in answer.body:
            return None
        where = f" at {found.field}" if found.field else ""
        return f"was answered with a receipt that cannot be read: {found.reason}{where}"
    if found.receipt.referral_id != answer.referral:
        return "was answered with a receipt for another referral"
    return None


def _unreported(call: Call, answer: Answer) -> str | None:
    for name, wanted in ((VIDARE_FEED_EXPECTED, call.expected), (VIDARE_FEED_BROKEN, call.broken)):
        said = answer.headers.get(name)
        if wanted is not None and said != str(wanted):
            return f"(feed number {call.doc.feed}) was answered with {name}: {said or 'nothing'}, not {wanted}"
    return None


def _different(answers: Sequence[Answer]) -> str | None:
    numbers = {case_number(answer) for answer in answers if answer.taken}
    if not numbers:
        return "no call was accepted"
    return None if len(numbers) == 1 else "the case number differs between the calls, so there was a second effect"


def case_number(answer: Answer) -> str | None:
    """The agency's own number in *answer*, or None where it says none."""
    found = check(answer.body, agency="conformance", received_at=_NO_TIME)
    return None if isinstance(found, RefusedReceipt) else found.receipt.reference
