"""Documents sealed to an agency's key: who can open them, what stays the same, and which keys are refused."""

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from contracts.events import Content
from contracts.headers import JOSE, JSON
from contracts.onboarding import Agency
from contracts.topics import DEFAULT_PARTITIONS, agency_topics
from services.chassis.errors import Misconfigured
from services.notifier.delivering.attempt import AttemptEnd, read_body
from services.notifier.documents.render import render
from services.notifier.documents.sealing import JweSealer, content_type, listed
from services.notifier.onboarded import Onboarded
from tests.support.notifier_keys import key_file, opened, private, public
from tests.support.notifier_world import SECRETS, World, a_referral, an_agency, full_content

KINDS = {"rsa": "RSA-OAEP-256", "P-256": "ECDH-ES+A256KW", "P-521": "ECDH-ES+A256KW", "X25519": "ECDH-ES+A256KW"}


def sealing_agency(folder: Path, kind: str = "X25519", **more: Any) -> Agency:
    """A police agency with a key of *kind*."""
    return an_agency(kind="police", profile="police", encrypt_to=key_file(folder, public(kind)), **more)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_agency_opens_what_was_sealed_to_it(tmp_path: Path, kind: str) -> None:
    """The document comes out byte for byte, and the bytes sent hold no word of it."""
    agency = sealing_agency(tmp_path, kind)
    clear = render(a_referral(), agency, proof="p")
    sealed = JweSealer.of([agency]).seal(clear, agency)

    assert clear == opened(kind, sealed)[1]
    assert not [name for name, value in SECRETS.items() if value.encode() in sealed]
    assert sealed.count(b".") == 4


@pytest.mark.parametrize("kind", KINDS)
def test_the_protected_header_tells_key_and_kind_and_nothing_else(tmp_path: Path, kind: str) -> None:
    """Nothing of a tip, a person or an agency's name lies in the part that anybody can read."""
    agency = sealing_agency(tmp_path, kind)
    sealed = JweSealer.of([agency]).seal(render(a_referral(), agency, proof="p"), agency)
    header = orjson.loads(base64.urlsafe_b64decode(sealed.partition(b".")[0] + b"=="))
    header.pop("epk", None)

    assert header == {
        "typ": "JOSE",
        "cty": "referral/1+json",
        "kid": private(kind).thumbprint(),
        "alg": KINDS[kind],
        "enc": "A256GCM",
    }


def test_a_kid_of_the_file_is_the_kid_of_the_header(tmp_path: Path) -> None:
    """An agency that names its keys finds the name again."""
    agency = an_agency(encrypt_to=key_file(tmp_path, public("X25519", kid="desk-2026", use="enc")))
    sealed = JweSealer.of([agency]).seal(b"{}", agency)

    assert opened("X25519", sealed)[0]["kid"] == "desk-2026"


def test_feed_and_every_attempt_send_the_same_bytes_and_the_digest_is_of_them(tmp_path: Path) -> None:
    """Sealed once when the referral is taken: retries, a restart and the feed repeat it, and custody names it."""
    ends = iter([AttemptEnd(status=503), AttemptEnd(status=503), AttemptEnd(status=200)])
    world = World(sealing_agency(tmp_path), plays=lambda _effect, _now: next(ends))
    world.refer(a_referral())
    world.run(timedelta(seconds=2))
    world.restart()
    world.run(timedelta(hours=2))
    fed = [event for event in world.events if event.topic.startswith("referrals-agency-")]
    sent = {read_body(effect.body)[1] for _, effect in world.sent}

    assert len(world.sent) >= 3
    assert sent == {fed[0].body}
    assert orjson.loads(opened("X25519", fed[0].body)[1])["narrative"] == SECRETS["narrative"]
    assert world.row(a_referral().referral_id)["digest"] == f"sha-256:{sha256(fed[0].body).hexdigest()}"


def test_the_feed_says_what_lies_in_it(tmp_path: Path) -> None:
    """``content-type`` is ``application/jose`` where sealed; the type of the document stays readable."""
    sealed, clear = World(sealing_agency(tmp_path)), World()
    for world in (sealed, clear):
        world.refer(a_referral())
    found = [next(event for event in each.events if event.to) for each in (sealed, clear)]

    assert [(event.type, event.content_type) for event in found] == [("referral/1", JOSE), ("referral/1", None)]


def test_a_media_type_is_told_by_the_bytes() -> None:
    """A retry of an older document says what it is, whatever the record says today."""
    assert (JSON, JOSE) == (content_type(b'{"schema":"referral/1"}'), content_type(b"eyJ0.a.b.c.d"))


def test_the_pull_channel_lists_sealed_documents_as_strings() -> None:
    """The answer stays JSON when documents are not."""
    assert orjson.loads(b"[" + listed(b'{"a":1}') + b"," + listed(b"eyJ0.a.b.c.d") + b"]") == [
        {"a": 1},
        "eyJ0.a.b.c.d",
    ]


def test_nothing_leaves_in_clear_for_want_of_a_key(tmp_path: Path) -> None:
    """A record that asks for sealing after the keys were read is refused, not served in clear."""
    with pytest.raises(Misconfigured, match="start again"):
        JweSealer.of([]).seal(b"{}", sealing_agency(tmp_path))


def test_the_largest_tip_still_fits_the_feed_when_sealed(tmp_path: Path) -> None:
    """256 KiB of text in a police referral, sealed, is below what the agency's topic takes."""
    agency = sealing_agency(tmp_path)
    text = Content(narrative="\u2028" * 85_000, indicators=full_content().indicators)
    sealed = JweSealer.of([agency]).seal(render(a_referral(content=text), agency, proof="p"), agency)
    limit = next(topic.max_message_bytes for topic in agency_topics("a") if topic.name == "referrals-agency-a")

    assert DEFAULT_PARTITIONS
    assert 256 * 1024 < len(sealed) < limit / 2


BAD: dict[str, tuple[Callable[[], dict[str, Any] | bytes], str]] = {
    "private": (lambda: dict(private("X25519").as_dict(private=True)), "private key"),
    "private-rsa": (lambda: dict(private("rsa").as_dict(private=True)), "private key"),
    "symmetric": (lambda: {"kty": "oct", "k": "AAAA"}, "symmetric"),
    "small-rsa": (lambda: public("small-rsa"), "1024 bits"),
    "signing-curve": (lambda: public("Ed25519"), "curve"),
    "other-curve": (lambda: public("secp256k1"), "curve"),
    "signing-use": (lambda: public("P-256", use="sig"), "signatures"),
    "other-alg": (lambda: public("rsa", alg="RSA-OAEP"), "another algorithm"),
    "not-on-curve": (lambda: public("P-256", y="A" * 43), "no key that can be sealed to"),
    "small-order": (lambda: public("X25519", x="A" * 43), "no key that can be sealed to"),
    "unknown-kty": (lambda: {"kty": "AKP"}, "kty that is not offered"),
    "verify-only": (lambda: public("P-256", key_ops=["verify"]), "signatures"),
    "half": (lambda: {"kty": "RSA", "e": "AQAB"}, "no key that can be sealed to"),
    "long-kid": (lambda: public("P-256", kid="k" * 201), "kid"),
    "empty-set": (lambda: {"keys": []}, "no set of 1 to 16 keys"),
    "huge-set": (lambda: {"keys": [public("P-256")] * 17}, "no set of 1 to 16 keys"),
    "no-list": (lambda: {"keys": public("P-256")}, "no set of 1 to 16 keys"),
    "set-of-text": (lambda: {"keys": ["key"]}, "no JWK"),
    "set-of-unusable": (lambda: {"keys": [public("P-256", use="sig"), {"kty": "AKP"}]}, "without a key that can"),
    "set-with-private": (
        lambda: {"keys": [dict(private("rsa").as_dict(private=True)), public("P-256")]},
        "private key",
    ),
    "set-with-symmetric": (lambda: {"keys": [{"kty": "oct", "k": "AAAA"}, public("P-256")]}, "key 1 holds a symmetric"),
    "set-with-broken": (lambda: {"keys": [public("P-256", y="A" * 43), public("X25519")]}, "key 1 is no key that can"),
    "one-kid-twice": (lambda: {"keys": [public("P-256", kid="a"), public("X25519", kid="a")]}, "two keys with one kid"),
    "half-dated": (lambda: {"keys": [public("P-256", iat=1), public("X25519")]}, "nobody knows"),
    "list": (lambda: b"[]", "one key"),
    "neither": (lambda: {"kid": "a"}, "one key"),
    "pem": (lambda: b"-----BEGIN PUBLIC KEY-----", "not JSON"),
    "empty": (lambda: b"", "not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_key_that_must_not_be_used_is_refused_at_start(tmp_path: Path, name: str) -> None:
    """Exit 78 with agency, file and what to do; no word of the key itself."""
    make, says = BAD[name]
    shown = make()
    path = key_file(tmp_path, shown)
    agency = an_agency(encrypt_to=path)

    with pytest.raises(Misconfigured, match=says) as refused:
        Onboarded({agency.id: agency})
    assert "agency 'hotline-nl'" in str(refused.value)
    assert path in str(refused.value)
    values = [value for value in _texts(shown) if len(value) > 20]
    assert not [value for value in values if value in str(refused.value)]


def _texts(shown: object) -> Iterator[str]:
    """Every text in *shown*, however deep."""
    if isinstance(shown, str):
        yield shown
    for each in shown.values() if isinstance(shown, dict) else shown if isinstance(shown, list) else ():
        yield from _texts(each)


Keys = list[tuple[str, dict[str, Any]]]
"""The keys of a set by kind, and what else each of them says."""

SETS: dict[str, tuple[Keys, str]] = {
    "the last one": ([("rsa", {}), ("P-256", {}), ("X25519", {})], "X25519"),
    "one alone": ([("P-521", {})], "P-521"),
    "by date where dated": ([("rsa", {"iat": 30}), ("P-256", {"iat": 10.5}), ("X25519", {"iat": 20})], "rsa"),
    "not one for signatures": ([("rsa", {}), ("P-256", {"use": "sig"}), ("P-521", {"key_ops": ["verify"]})], "rsa"),
    "not one that is too small": ([("rsa", {"iat": 1}), ("small-rsa", {"iat": 2})], "rsa"),
    "not one of another kind": (
        [("P-256", {}), ("Ed25519", {}), ("secp256k1", {}), ("rsa", {"alg": "RSA1_5"})],
        "P-256",
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_of_a_set_the_newest_usable_key_is_used(tmp_path: Path, name: str) -> None:
    """The header names it, and the agency opens the document with it alone."""
    keys, kind = SETS[name]
    agency = an_agency(encrypt_to=key_file(tmp_path, {"keys": [public(each, **more) for each, more in keys]}))
    header, clear = opened(kind, JweSealer.of([agency]).seal(b'{"a":1}', agency))

    assert (private(kind).thumbprint(), b'{"a":1}') == (header["kid"], clear)


def test_a_key_is_changed_without_a_document_that_nobody_can_open(tmp_path: Path) -> None:
    """What was sealed before the change is sent as it was, under the old kid; what comes later, under the new one."""
    old, new = public("P-256", kid="desk-2026"), public("X25519", kid="desk-2027")
    agency = an_agency(encrypt_to=key_file(tmp_path, {"keys": [old]}))
    ends = iter([AttemptEnd(status=503)] * 3 + [AttemptEnd(status=200)] * 2)
    world = World(agency, plays=lambda _effect, _now: next(ends))
    world.refer(a_referral(1))
    world.run(timedelta(minutes=1))
    key_file(tmp_path, {"keys": [old, new]})
    world.onboard(agency)
    world.restart()
    world.refer(a_referral(2))
    world.run(timedelta(hours=2))
    sent = [(effect, read_body(effect.body)[1]) for _, effect in world.sent]

    first = {document for effect, document in sent if str(a_referral(1).referral_id) in effect.key}
    second = {document for effect, document in sent if str(a_referral(2).referral_id) in effect.key}
    assert ["desk-2026"] == [opened("P-256", document)[0]["kid"] for document in first]
    assert ["desk-2027"] == [opened("X25519", document)[0]["kid"] for document in second]
    assert 2 == world.words().count("delivered")


def test_a_key_file_that_is_not_there_is_refused_at_start(tmp_path: Path) -> None:
    """A wrong path is found before the first tip, not at it."""
    agency = an_agency(encrypt_to=str(tmp_path / "missing.jwk"))

    with pytest.raises(Misconfigured, match="cannot be read"):
        Onboarded({agency.id: agency})
