"""Canaries: submissions with a unique word in every field that holds text, and a search for those words anywhere."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

WORD = "canary"


@dataclass(frozen=True, slots=True)
class Hit:
    """A canary that got where it must not be."""

    word: str
    field: str
    place: str
    """Name of the haystack it was found in."""
    encoding: str


@dataclass(frozen=True, slots=True)
class Canaries:
    """Planted submissions, and which word stands in which field."""

    submissions: tuple[dict[str, Any], ...]
    words: dict[str, str]
    """Word -> field."""

    def search(self, haystacks: Iterable[tuple[str, bytes]]) -> list[Hit]:
        """Look for every word in every (name, bytes): plain in any case, percent-encoded, in base64, in hex."""
        hits = []
        for place, haystack in haystacks:
            lowered = haystack.lower()
            if not any(mark in lowered for mark in _MARKS) and not _fixed(self.words, lowered):
                continue
            hits += [
                Hit(word, field, place, encoding)
                for word, field in self.words.items()
                for encoding, needle in _spellings(word)
                if needle in (haystack if encoding == "base64" else lowered)
            ]
        return hits


def plant(count: int, *, seed: str = "0", free: Iterable[str] = ()) -> Canaries:
    """
    Make *count* submissions whose every text field holds a word of its own.

    Fields in *free* (``reference``) are left without a canary: the sender's
    reference may stand in its own status topic.
    """
    words: dict[str, str] = {}

    def word(number: int, field: str) -> str:
        if field in free:
            return f"E-{number}"
        made = f"{WORD}{hashlib.sha256(f'{seed}/{number}/{field}'.encode()).hexdigest()[:12]}"
        words[made] = field
        return made

    submissions = tuple(_submission(number, seed, words, word) for number in range(count))
    return Canaries(submissions, words)


def search(canaries: Canaries, *haystacks: bytes) -> list[Hit]:
    """Look for every word of *canaries* in all *haystacks*."""
    return canaries.search((f"haystack {number}", haystack) for number, haystack in enumerate(haystacks))


def _submission(number: int, seed: str, words: dict[str, str], word: Any) -> dict[str, Any]:
    digest = hashlib.sha256(f"{seed}/{number}/hash".encode()).hexdigest()
    address = f"2001:db8:{int(digest[:4], 16):x}:{int(digest[4:8], 16) | 1:x}::{number + 1:x}"
    words |= {digest: "hashes.value", address: "addresses.ip"}
    return {
        "schema": "tip-submission/1",
        "reference": word(number, "reference"),
        "kind": "csam",
        "urls": [
            f"https://{word(number, 'urls.host')}.example/{word(number, 'urls.path')}?q={word(number, 'urls.query')}"
        ],
        "addresses": [{"ip": address, "role": "upload"}],
        "hashes": [{"algorithm": "sha256", "value": digest}],
        "accounts": [
            {"service": f"{word(number, 'accounts.service')}.example", "handle": word(number, "accounts.handle")}
        ],
        "people": [
            {"role": "victim", "nationalities": ["SE"], "location": "SE", "age": 12,
             "name": word(number, "people.name"), "note": word(number, "people.note")},
        ],
        "place": {
            "country": "SE", "region": word(number, "place.region"), "description": word(number, "place.description")
        },
        "assessment": {"status": "baseline", "labels": ["A1"], "by": word(number, "assessment.by")},
        "urgency": {"immediate_danger": False, "reason": word(number, "urgency.reason")},
        "narrative": f"Neutral words around {word(number, 'narrative')} and after.",
        "language": "en",
        "reporter": {"contact": f"{word(number, 'reporter.contact')}@mail.example", "share_with_police": True},
        "known_to": [{"agency": "police-se", "case": word(number, "known_to.case")}],
    }  # fmt: skip


def _spellings(word: str) -> list[tuple[str, bytes]]:
    plain = word.encode()
    return [
        ("plain", plain.lower()),
        ("percent", quote(word, safe="").lower().encode()),
        ("hex", plain.hex().encode()),
        *(("base64", _inner(plain, shift)) for shift in range(3)),
    ]


def _inner(plain: bytes, shift: int) -> bytes:
    """Give the part of *plain*'s base64 that does not depend on what stands around it, at alignment *shift*."""
    encoded = base64.b64encode(b"\0" * shift + plain).rstrip(b"=")
    return encoded[(shift * 8 + 5) // 6 : (shift + len(plain)) * 8 // 6]


def _fixed(words: dict[str, str], lowered: bytes) -> bool:
    """Look for the words that do not begin with the mark: hashes and addresses."""
    return any(
        needle.lower() in lowered for word in words if not word.startswith(WORD) for _, needle in _spellings(word)
    )


_MARKS = tuple(needle.lower() for _, needle in _spellings(WORD))
"""The beginning that all words share, in every spelling and lower case: a quick no for most haystacks."""
