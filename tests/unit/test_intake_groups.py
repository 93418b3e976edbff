"""Groups, fingerprints and facts: what a tip is about, without telling."""

import base64
from typing import Any

import pytest

from contracts.events import TipReceived
from contracts.vocabulary import NULL_HASHES, Flag
from services.intake.check import Accepted, check_submission
from tests.support.intake import KEY, NOW, VETTED, submission

SHA1 = bytes(range(100, 120))


def received(*, key: bytes = KEY, **changed: Any) -> TipReceived:
    """The event of an accepted submission."""
    found = check_submission(submission(**changed), VETTED, NOW, key=key)
    assert isinstance(found, Accepted)
    return found.event


def group(**changed: Any) -> str:
    """Group id of a submission."""
    return received(**changed).group_id


def hashed(value: str, algorithm: str = "sha1") -> dict[str, Any]:
    """Fields of a tip with one hash and no URL."""
    return {"urls": ..., "hashes": [{"algorithm": algorithm, "value": value}], "narrative": "x"}


def test_e22_spellings_of_a_url_are_one_group() -> None:
    """E22: host case, default port and fragment do not part a group; path case and queries do (E23)."""
    same = ["https://HOST.example/a", "https://host.example:443/a", "https://host.example/a#top"]
    other = ["https://host.example/A", "https://host.example/a?id=2", "http://host.example/a"]
    assert {group(urls=[url]) for url in same} == {group()}
    assert group() not in {group(urls=[url]) for url in other}


def test_e62_spellings_of_a_hash_are_one_group() -> None:
    """E62: SHA-1 in hex, upper-case hex and base32 is one group; another algorithm is another."""
    spelled = [SHA1.hex(), SHA1.hex().upper(), base64.b32encode(SHA1).decode(), base64.b32encode(SHA1).decode().lower()]
    assert len({group(**hashed(value)) for value in spelled}) == 1
    assert group(**hashed("ab" * 32, "sha256")) != group(**hashed("ab" * 32, "pdq"))


@pytest.mark.parametrize("value", [*sorted(NULL_HASHES), "not a hash", "ab"])
def test_e61_what_identifies_nothing_groups_nothing(value: str) -> None:
    """E61: two tips with the empty file's hash, or with no real hash, stay apart, flagged and uncounted."""
    algorithm = {32: "md5", 40: "sha1", 64: "sha256"}.get(len(value), "sha1")
    one, two = (received(reference=name, **hashed(value, algorithm)) for name in ("E-1", "E-2"))
    assert one.group_id != two.group_id
    assert one.facts.hash_count == 0
    assert {Flag.NULL_HASH, Flag.BAD_HASH} & set(one.facts.flags)


def test_a_group_is_made_of_the_url_then_the_hash_then_the_account_then_the_tip() -> None:
    """The first thing that can be compared is the target."""
    account = {"accounts": [{"service": "Chat.example", "handle": "Someone"}]}
    assert group(**hashed(SHA1.hex()) | {"urls": ["https://host.example/a"]}) == group()
    assert group(**hashed(SHA1.hex()) | account) == group(**hashed(SHA1.hex()))
    assert group(reference="E-1", urls=..., **account) == group(
        reference="E-2", urls=..., accounts=[{"service": "chat.example", "handle": " someone"}]
    )
    assert group(reference="E-1", urls=..., narrative="x") != group(reference="E-2", urls=..., narrative="x")


def test_a_group_tells_nothing_and_depends_on_the_key() -> None:
    """32 hex digits that another key makes differently; a test tip is never in a real group."""
    assert len(group()) == 32
    assert set(group()) <= set("0123456789abcdef")
    assert received(key=b"another key, also long enough").group_id != group()
    assert group(is_test=True) != group()


def test_e64_every_fact_has_one_fingerprint() -> None:
    """E64: another URL, person, account, hash, address or place each add one, in any spelling once."""
    base = set(received().facts.fingerprints)
    more: dict[str, dict[str, Any]] = {
        "url": {"urls": ["https://host.example/a", "https://HOST.example/a", "https://host.example/b"]},
        "hash": {"hashes": [{"algorithm": "sha1", "value": SHA1.hex()}]},
        "account": {"accounts": [{"handle": "someone"}]},
        "person": {"people": [{"role": "suspect", "name": "A name"}, {"role": "suspect", "name": "a NAME"}]},
        "address": {"addresses": [{"ip": "192.0.2.1", "role": "upload"}]},
        "place": {"place": {"country": "SE"}},
    }
    for kind, changed in more.items():
        new = set(received(**changed).facts.fingerprints) - base
        assert [print_.partition(":")[0] for print_ in new] == [kind]


def test_facts_hold_no_content() -> None:
    """No address, URL, hash, name, handle or text of a tip stands in its facts."""
    secrets = [
        "host.example",
        "192.0.2.77",
        SHA1.hex(),
        "Anna Testsson",
        "some_handle",
        "a note",
        "the story",
        "a street",
        "me@mail.example",
    ]
    event = received(
        addresses=[{"ip": "192.0.2.77", "role": "upload"}],
        hashes=[{"algorithm": "sha1", "value": SHA1.hex()}],
        accounts=[{"handle": "some_handle"}],
        people=[{"role": "victim", "name": "Anna Testsson", "note": "a note"}],
        place={"country": "SE", "description": "a street"},
        narrative="the story",
        urgency={"immediate_danger": True, "reason": "the story"},
        reporter={"contact": "me@mail.example"},
    )
    outside = event.model_copy(update={"content": None}).model_dump_json()
    assert not [secret for secret in secrets if secret in outside]
    assert all(secret in event.content.model_dump_json() for secret in secrets)


def test_e42_the_reporters_own_address_is_dropped() -> None:
    """E42: an address that stands in the reporter's contact is neither located nor passed on; others stay."""
    addresses = [
        {"ip": ip, "role": "upload"} for ip in ("192.0.2.9", "::ffff:192.0.2.9", "2001:DB8::1", "198.51.100.7")
    ]
    event = received(addresses=addresses, reporter={"contact": "wrote from 192.0.2.9 and [2001:db8:0::1], call 555-12"})
    assert [address.raw for address in event.content.indicators.addresses] == ["198.51.100.7"]
    assert len(event.facts.address_roles) == 1


def test_facts_say_what_triage_and_rules_read() -> None:
    """Counts, roles, flags, people and known cases are as sent; text signals and flags are found."""
    event = received(
        observed_at="2026-11-22T09:15:00",
        addresses=[{"ip": "192.0.2.7:8080", "role": "peer"}],
        people=[{"role": "suspect", "nationalities": ["SE"], "location": "TH", "name": "x"}],
        assessment={"status": "baseline", "labels": ["A1", "A1"]},
        narrative="det pågår just nu",
        language="sv",
        known_to=[{"agency": "police-se", "case": "1"}],
        reporter={"contact": "x", "share_with_police": True},
        preserve_until="2026-12-22T00:00:00Z",
    )
    facts = event.facts
    assert (facts.url_count, facts.traceable, facts.contactable, facts.share_with_police) == (1, True, True, True)
    assert (facts.text_signals, [label.value for label in facts.labels]) == (("U1",), ["A1"])
    assert (facts.people[0].location, facts.people[0].named) == ("TH", True)
    assert facts.observed_at is not None
    assert facts.observed_at.tzinfo is None
    assert Flag.TZ_UNKNOWN in facts.flags
    assert event.content.observed_at == "2026-11-22T09:15:00"
    assert event.urgent


@pytest.mark.parametrize(
    ("changed", "unknown"),
    [
        ({"urls": ..., "narrative": "ein Text", "language": "de"}, True),
        ({"narrative": "ein Text", "language": "de"}, False),
        ({"urls": ..., "narrative": "a text", "language": "en"}, False),
        ({"urls": ..., "narrative": "a text"}, False),
        ({"urls": ..., "narrative": "ein Text", "language": "de", "signals": ["crisis"]}, False),
    ],
)
def test_an_unread_language_is_flagged_only_where_text_is_all(changed: dict[str, Any], unknown: bool) -> None:
    """``lang_unknown`` needs a language without a list and no structured field that says more."""
    assert (Flag.LANG_UNKNOWN in received(**changed).facts.flags) is unknown


def test_e08_e10_content_survives_byte_for_byte() -> None:
    """E08, E10: credentials, control characters and marks in texts reach receivers as they were sent."""
    odd = "a\x00b\r\n\x1b[2J\u202e=cmd|' /C'!A0\u0000 user:pw <b> \U0001f600"
    event = received(narrative=odd, urls=["http://user:pw@host.example/x\u202egnp.exe"])
    again = TipReceived.model_validate_json(event.model_dump_json(by_alias=True))
    assert again.content.narrative == odd
    assert again.content.indicators.urls[0].raw == "http://user:pw@host.example/x\u202egnp.exe"
