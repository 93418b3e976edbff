"""
What a tip is about, without telling: keyed digests of its primary target and of each of its facts.

Whoever sees topics' keys learns which tips belong together and nothing else.
"""

import hmac
import unicodedata
from collections.abc import Iterator
from uuid import UUID

from contracts.indicators import AccountIndicator, Indicators
from contracts.submission import Person, Submission
from contracts.vocabulary import Flag

GROUP_DIGITS = 32
FACT_DIGITS = 16
"""Hex digits of a fact's digest: 64 bits, so that two facts of one group are never taken for one."""

UNUSABLE = frozenset({Flag.NULL_HASH, Flag.BAD_HASH})
"""Hashes that identify nothing, or of which nobody knows what they are."""

BETWEEN = "\x1f"


def keyed(key: bytes, text: str, digits: int) -> str:
    """The first *digits* hex digits of HMAC-SHA256 of *text*."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:digits]


def group_of(found: Indicators, tip_id: UUID, key: bytes, *, is_test: bool = False) -> str:
    """
    Group id of a tip: by its URL, else its hash, else its account, else the tip itself.

    A test tip has groups of its own: it must never be the lead of real ones.
    """
    target = _target(found) or f"tip:{tip_id}"
    return keyed(key, f"test:{target}" if is_test else target, GROUP_DIGITS)


def fingerprints(tip: Submission, found: Indicators, key: bytes) -> tuple[str, ...]:
    """Every fact of the tip as ``kind:digest``, each once: what is new in a later tip of the group shows here."""
    facts = (*_fact_texts(found), *(f"person:{_person(person)}" for person in tip.people or ()), *_places(tip))
    return tuple(_fingerprint(fact, key) for fact in dict.fromkeys(facts))


def _fingerprint(fact: str, key: bytes) -> str:
    return fact.partition(":")[0] + ":" + keyed(key, f"fact/{fact}", FACT_DIGITS)


def _target(found: Indicators) -> str | None:
    return next((fact for fact in _fact_texts(found) if not fact.startswith("address:")), None)


def _fact_texts(found: Indicators) -> Iterator[str]:
    """URLs, hashes, accounts, addresses, in the order in which they can be a primary target."""
    yield from (f"url:{url.canonical}" for url in found.urls if url.canonical)
    yield from (f"hash:{h.algorithm.value}:{h.value}" for h in found.hashes if UNUSABLE.isdisjoint(h.flags))
    yield from (f"account:{_account(account)}" for account in found.accounts if account.handle.strip())
    yield from (f"address:{a.role.value}:{a.ip}:{a.port or ''}" for a in found.addresses if a.ip)


def _account(account: AccountIndicator) -> str:
    return _folded(account.service, account.handle)


def _person(person: Person) -> str:
    nations = ",".join(sorted(person.nationalities or ()))
    age = "" if person.age is None else str(person.age)
    return _folded(person.role.value, person.name, nations, person.location, age, person.note)


def _places(tip: Submission) -> Iterator[str]:
    place = tip.place
    if place and (place.country or place.region or place.description):
        yield f"place:{_folded(place.country, place.region, place.description)}"


def _folded(*parts: str | None) -> str:
    """Parts for comparing: composed, without case and without space around them."""
    return BETWEEN.join(unicodedata.normalize("NFKC", part or "").casefold().strip() for part in parts)
