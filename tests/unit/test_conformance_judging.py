"""What the kit says of the answers to a case, and what it sends: values only."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from contracts.referral import Referral
from services.chassis.errors import Misconfigured
from services.notifier.conformance.case import Call, Case, Doc, Sign, Want
from services.notifier.conformance.cases import CASES, LARGE_BYTES
from services.notifier.conformance.documents import Documents, Run
from services.notifier.conformance.forging import Keys, Sent, check_keys, headers_of
from services.notifier.conformance.judging import Answer, Verdict, judge
from services.notifier.delivering.verdicts import Fault

AT = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
REFERRAL = UUID("5b0f3a52-9a44-5d0e-b6a1-3d4c5e1f2a70")
RUN = Run(UUID("11111111-2222-4333-8444-555555555555"), AT, "conformance-1")
KEYS = Keys("whsec_" + base64.b64encode(b"s" * 32).decode(), "whsk_" + base64.b64encode(b"k" * 32).decode())
TAKEN = Case("taken", "It is taken.", "Take it.", (Call(Doc("one")),))
REFUSED = Case("refused", "It is refused.", "Refuse it.", (Call(Doc("one"), Want.REFUSED, Sign.RANDOM),))


def answered(status: int | None = 200, body: object = None, **changes: Any) -> Answer:
    """An answer; *body* is a receipt's changes, bytes, or None for nothing."""
    receipt = {"schema": "receipt/1", "referral_id": str(REFERRAL), "status": "acknowledged", "reference": "A-1"}
    raw = json.dumps(receipt | body).encode() if isinstance(body, dict) else body if isinstance(body, bytes) else b""
    return replace(Answer(REFERRAL, status, body=raw), **changes)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (answered(), None),
        (answered(204), None),
        (answered(299, b"<html>fine</html>"), None),
        (answered(200, b'{"ok": true}'), None),
        (answered(200, {}), None),
        (answered(200, {"of_tomorrow": 1}), None),
        (answered(200, {"status": "question", "text": "which?", "reference": None}), None),
        (answered(200, {"reference": None}), "missing_reference at reference"),
        (answered(200, {"status": "fine"}), "invalid_field at status"),
        (answered(200, b'{"schema": "receipt/1"}'), "missing_field at referral_id"),
        (answered(200, {"referral_id": str(RUN.id)}), "for another referral"),
        (answered(200, body=b"", headers={"content-encoding": "gzip"}), "compressed"),
        (Answer(REFERRAL, 200, body=None), "more than 64 kB"),
        (answered(302), "redirect (302)"),
        (answered(401), "answered 401 where 2xx is due"),
        (answered(503), "answered 503 where 2xx is due"),
        (Answer(REFERRAL, fault=Fault.TIMEOUT), "without an answer (timeout)"),
    ],
)
def test_what_must_be_taken(answer: Answer, wrong: str | None) -> None:
    """2xx, and where a receipt is claimed, one that the mesh can read."""
    found = judge(TAKEN, [answer])

    assert (wrong is None) == (found.verdict is Verdict.PASS)
    assert (wrong or TAKEN.shows) in found.says
    assert found.says.endswith(TAKEN.shows if wrong is None else TAKEN.advice)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (answered(400), None),
        (answered(401), None),
        (answered(431), None),
        (Answer(REFERRAL, fault=Fault.PROTOCOL), None),
        (answered(200), "was accepted (200), signed: random"),
        (answered(202), "was accepted (202)"),
        (answered(500), "was answered 500"),
        (answered(302), "was answered 302"),
        (Answer(REFERRAL, fault=Fault.TIMEOUT), "no answer (timeout)"),
    ],
)
def test_what_must_be_refused(answer: Answer, wrong: str | None) -> None:
    """A status of the 400s, or a closed connection; a 500 is an accident and a redirect is no answer."""
    found = judge(REFUSED, [answer])

    assert (wrong is None) == (found.verdict is Verdict.PASS)
    assert (wrong or REFUSED.shows) in found.says


@pytest.mark.parametrize(
    ("numbers", "passes"),
    [(("A-1", "A-1"), True), (("A-1", "A-2"), False), ((None, None), True), (("A-1", None), False)],
)
def test_one_effect_is_one_case_number(numbers: tuple[str | None, str | None], passes: object) -> None:
    """Two numbers for one referral are two effects; an agency that answers no number is believed."""
    case = replace(TAKEN, calls=TAKEN.calls * 2, same=True)
    found = judge(case, [answered(200, {"reference": n} if n else None) for n in numbers])

    assert passes == (found.verdict is Verdict.PASS)


def test_at_once_a_later_is_no_failure() -> None:
    """A receiver that takes one and asks the others to come later has one effect; all of them later has none."""
    case = replace(TAKEN, calls=TAKEN.calls * 2, same=True, beside=True)

    assert Verdict.PASS is judge(case, [answered(), answered(409)]).verdict
    assert "no call was accepted. Take it." == judge(case, [answered(425), answered(409)]).says
    assert Verdict.FAIL is judge(replace(case, beside=False), [answered(), answered(409)]).verdict


def test_what_is_recommended_fails_only_where_a_referral_is_lost() -> None:
    """Without the header it is advice; without the referral it is a failure."""
    case = replace(TAKEN, calls=(Call(Doc("one", feed=4), expected=3),), required=False)
    silent, wrong, right, lost = (
        judge(case, [each])
        for each in (
            answered(),
            answered(headers={"vidare-feed-expected": "5"}),
            answered(headers={"vidare-feed-expected": "3"}),
            answered(422),
        )
    )

    assert [Verdict.ADVICE, Verdict.ADVICE, Verdict.PASS, Verdict.FAIL] == [
        each.verdict for each in (silent, wrong, right, lost)
    ]
    assert "(feed number 4) was answered with vidare-feed-expected: nothing, not 3" in silent.says


def test_every_document_is_a_referral_and_a_test() -> None:
    """Each reads as ``referral/1``, says ``is_test``, and is the same bytes every time."""
    documents = Documents(RUN, CASES)
    for call in (call for case in CASES for call in case.calls):
        raw = documents.body(call.doc)
        read = Referral.model_validate_json(raw)

        assert (True, RUN.agency, call.doc.action) == (read.is_test, read.destination, read.action)
        assert raw == documents.body(call.doc)
        assert call.doc.size <= len(raw) <= LARGE_BYTES


def test_the_feed_of_a_run_is_chained_over_its_cases() -> None:
    """Each number names the bytes of the one before; the last one does not, on purpose."""
    documents = Documents(RUN, CASES)
    docs = {call.doc.feed: call.doc for case in CASES for call in case.calls if call.doc.feed}
    for number, doc in docs.items():
        before = docs.get(number - 1)
        link = documents.link(doc)
        assert link is not None
        holds = before is not None and link[1] == "sha-256:" + hashlib.sha256(documents.body(before)).hexdigest()
        assert holds == (number not in {1, 10, max(docs)}), number

    assert set(range(1, max(docs) + 1)) - set(docs) == {9}


def test_names_of_cases_and_documents_are_their_own() -> None:
    """Two cases never share a document by accident, or one would be the other's repeat."""
    names = [case.name for case in CASES]
    owners = {(call.doc.name, case.name) for case in CASES for call in case.calls}

    assert len(names) == len(set(names))
    assert len(owners) == len({name for name, _ in owners})


@pytest.mark.parametrize("keys", [KEYS, Keys(KEYS.secret), Keys(None, KEYS.signing_key)])
def test_no_wrong_signature_is_right_by_accident(keys: Keys) -> None:
    """Only the ways that say good hold a signature that is the right one."""
    sent = Sent(REFERRAL, AT, b"{}")
    right = set(headers_of(Call(Doc("one")), keys, sent)["webhook-signature"].split())
    good = (Sign.GOOD, Sign.GOOD_AMONG_OTHERS, Sign.GOOD_LAST_OF_SIXTEEN, Sign.GOOD_LAST_OF_THOUSAND)
    for sign in Sign:
        given = headers_of(Call(Doc("one"), sign=sign), keys, sent)["webhook-signature"].split()

        assert (sign in good) == bool(right & set(given)), sign
        assert {Sign.GOOD_LAST_OF_SIXTEEN: 16, Sign.GOOD_LAST_OF_THOUSAND: 1000}.get(sign, len(given)) == len(given)


def test_ages_and_missing_headers_are_what_they_say() -> None:
    """The time is moved, one header is left out, names are written otherwise."""
    sent = Sent(REFERRAL, AT, b"{}")
    stale = headers_of(Call(Doc("one"), age_s=360), KEYS, sent)
    without = headers_of(Call(Doc("one"), without="webhook-id"), KEYS, sent)

    assert int(AT.timestamp()) - 360 == int(stale["webhook-timestamp"])
    assert {"webhook-timestamp", "webhook-signature"} == set(without)
    assert "Webhook-Id" in headers_of(Call(Doc("one"), title_case=True), KEYS, sent)


@pytest.mark.parametrize("keys", [Keys(), Keys("whsec_é"), Keys(None, "no key")])
def test_keys_that_sign_nothing_are_refused(keys: Keys) -> None:
    """Before anything is sent, and with what to do."""
    with pytest.raises(Misconfigured, match=r"key|base64"):
        check_keys(keys)
