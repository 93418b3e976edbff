"""The reference receiver sees by itself what was withheld, changed or sent twice in its feed."""

import hashlib
import random
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid5

import orjson
import pytest

from services.chassis.hop import NAMESPACE
from tests.support.conformance_receivers import fresh_module

MANY = 400
AGENCY = "hotline-nl"


def a_feed(count: int, *, skipped: int | None = None) -> list[bytes]:
    """Documents 1 to *count*, chained; the one after *skipped* says that it will never be sent."""
    made: list[bytes] = []
    previous = None
    for number in range(1, count + 1):
        gone = [{"number": skipped, "digest": previous}] if skipped == number - 1 else []
        feed = {"number": number, "previous": previous, "skipped": gone}
        made.append(orjson.dumps({"destination": AGENCY, "text": str(number), "feed": feed}))
        previous = "sha-256:" + hashlib.sha256(made[-1]).hexdigest()
    return made


def received(documents: list[bytes]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the receiver's view of its feed is after *documents*, and its last report."""
    module = fresh_module()
    inbox = module.Inbox(":memory:")
    report: dict[str, str] = {}
    for body in documents:
        inbox.take(AGENCY, uuid5(NAMESPACE, body.decode()), body)
        report = inbox.follow(AGENCY, module.link_of({}, body), body)
    feed: dict[str, Any] = inbox.shown(AGENCY)["feeds"][0]
    return feed, report


@pytest.mark.parametrize("seed", range(5))
def test_an_honest_feed_in_any_order_and_with_repeats_is_whole(seed: int) -> None:
    """Retries and overtaking are no fault."""
    documents = a_feed(MANY)
    sent = documents + random.Random(seed).sample(documents, 20)
    random.Random(seed).shuffle(sent)

    feed, report = received(sent)

    assert {"feed": AGENCY, "last": MANY, "missing": [], "broken": []} == feed
    assert {"vidare-feed-expected": str(MANY + 1)} == report


@pytest.mark.parametrize("seed", range(5))
def test_one_withheld_of_many_is_named(seed: int) -> None:
    """Its number is missing, whatever the order."""
    documents = a_feed(MANY)
    gone = random.Random(seed).randrange(1, MANY - 1)
    sent = [each for number, each in enumerate(documents, 1) if number != gone]
    random.Random(seed).shuffle(sent)

    feed, report = received(sent)

    assert ([gone], str(gone)) == (feed["missing"], report["vidare-feed-expected"])


@pytest.mark.parametrize("seed", range(5))
def test_one_changed_or_put_in_of_many_breaks_the_chain(seed: int) -> None:
    """A document that takes another's number, or that was changed, does not fit the one behind it."""
    documents = a_feed(MANY)
    place = random.Random(seed).randrange(0, MANY - 1)
    changed = orjson.loads(documents[place]) | {"text": "another"}
    documents[place] = orjson.dumps(changed)
    random.Random(seed).shuffle(documents)

    feed, _ = received(documents)

    assert [place + 2] == feed["broken"]


def test_two_documents_with_one_number_are_an_alarm() -> None:
    """A fork: the mesh tells two stories; the first is kept."""
    module = fresh_module()
    inbox = module.Inbox(":memory:")
    first, second = a_feed(1)[0], a_feed(1)[0].replace(b'"text":"1"', b'"text":"2"')
    inbox.follow(AGENCY, module.link_of({}, first), first)

    report = inbox.follow(AGENCY, module.link_of({}, second), second)

    assert "1" == report["vidare-feed-broken"]
    assert 1 == len(inbox.alarms)


def test_a_number_that_is_said_to_be_skipped_is_not_missing() -> None:
    """It was taken back before it was sent; its digest keeps the chain whole."""
    documents = a_feed(9, skipped=5)
    del documents[4]

    feed, report = received(documents)

    assert ([], [], "10") == (feed["missing"], feed["broken"], report["vidare-feed-expected"])


def test_a_sealed_document_is_followed_by_its_headers() -> None:
    """What cannot be opened still has its number and the digest of the bytes before it."""
    module = fresh_module()
    inbox = module.Inbox(":memory:")
    sealed = [b"ey.one", b"ey.two", b"ey.three"]
    headers = [{"content-type": "application/jose", "vidare-feed-number": "1"}]
    for number, (before, _) in enumerate(pairwise(sealed), 2):
        digest = "sha-256:" + hashlib.sha256(before).hexdigest()
        named = {"vidare-feed-number": str(number), "vidare-feed-previous": digest}
        headers.append({"content-type": "application/jose"} | named)
    reports = [
        inbox.follow(AGENCY, module.link_of(headers[n], sealed[n]), sealed[n]) for n in (0, 2, 1)
    ]  # the third overtakes the second

    assert ["2", "2", "4"] == [each["vidare-feed-expected"] for each in reports]
    assert [] == inbox.alarms


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b"null", b"{}", b'{"feed": null}', b'{"feed": {"number": "x"}}', b"\xff"]
)
@pytest.mark.parametrize("number", ["", "-1", "²", "9" * 400, "x"])
def test_what_says_no_number_is_taken_all_the_same(body: bytes, number: str) -> None:
    """A document without a feed is a document; a number that is none is nothing."""
    module = fresh_module()

    assert None is module.link_of({"vidare-feed-number": number}, body)


def test_a_document_sealed_to_our_key_is_opened_and_one_to_another_is_refused() -> None:
    """With ``--private-key`` the feed is read from inside, signed and sealed."""
    from joserfc import jwe  # noqa: PLC0415 - an optional library of the receiver
    from joserfc.jwk import ECKey  # noqa: PLC0415 - the same

    module = fresh_module()
    ours, other = (ECKey.generate_key("P-256", private=True) for _ in range(2))
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
    sealed = jwe.encrypt_compact(header, a_feed(1)[0], ours, algorithms=list(header.values())).encode()
    said = {"content-type": "application/jose"}

    assert module.Link(AGENCY, 1, None) == module.link_of(
        said, sealed, orjson.dumps(ours.as_dict(private=True)).decode()
    )
    with pytest.raises(module.Refused) as refused:
        module.link_of(said, sealed, orjson.dumps(other.as_dict(private=True)).decode())
    assert 422 == refused.value.args[0]


@pytest.mark.parametrize("named", [True, False], ids=["kid", "thumbprint"])
def test_during_a_change_of_keys_documents_to_the_old_and_to_the_new_one_are_opened(*, named: bool) -> None:
    """A set of private keys: each document by the key that its header names, and none by a key that is not there."""
    from joserfc.jwk import ECKey  # noqa: PLC0415 - an optional library of the receiver

    from services.notifier.documents.locks import Lock  # noqa: PLC0415 - what the mesh seals with

    module, said = fresh_module(), {"content-type": "application/jose"}
    keys = [
        ECKey.generate_key("P-256", {"kid": f"desk-{n}"} if named else None, private=True, auto_kid=False)
        for n in range(3)
    ]
    ours = orjson.dumps({"keys": [key.as_dict(private=True) for key in keys[:2]]}).decode()
    locks = [Lock(key, "ECDH-ES+A256KW", key.kid or key.thumbprint()) for key in keys]

    for lock in locks[:2]:
        assert module.Link(AGENCY, 1, None) == module.link_of(said, lock.seal(a_feed(1)[0]), ours)
    with pytest.raises(module.Refused) as refused:
        module.link_of(said, locks[2].seal(a_feed(1)[0]), ours)
    assert 422 == refused.value.args[0]


def test_the_same_id_with_another_body_is_an_alarm_and_changes_nothing() -> None:
    """Trust 81: refused, and a person is told."""
    module = fresh_module()
    inbox = module.Inbox(":memory:")
    referral = UUID("5b0f3a52-9a44-5d0e-b6a1-3d4c5e1f2a70")
    first = inbox.take(AGENCY, referral, b"one")

    with pytest.raises(module.Refused):
        inbox.take(AGENCY, referral, b"two")

    assert first == inbox.take(AGENCY, referral, b"one")
    assert [f"{AGENCY}: {referral} came again with another body"] == inbox.alarms
