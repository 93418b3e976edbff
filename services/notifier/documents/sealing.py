"""
Documents sealed to an agency's public key: JWE compact (RFC 7516), sealed once, when a referral is taken.

Every channel and every retry sends the same bytes, so the digest in the custody
log is of what was disclosed. The protected header tells the key and the kind of
document, and nothing of the tip.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from contracts.headers import JOSE, JSON
from contracts.onboarding import Agency
from services.chassis.errors import Misconfigured
from services.notifier.documents.locks import Lock, lock_at


class Sealer(Protocol):
    """What seals documents; an adapter, for sealing draws random numbers and deciding may not."""

    def seal(self, document: bytes, agency: Agency) -> bytes:
        """*document* as *agency* gets it: sealed where it is onboarded so, else as it is."""


class JweSealer:
    """The `Sealer` of the onboarding records."""

    def __init__(self, locks: Mapping[str, Lock]) -> None:
        """Seal with *locks*, by agency id."""
        self._locks = dict(locks)

    @classmethod
    def of(cls, agencies: Iterable[Agency]) -> "JweSealer":
        """
        Read the keys that *agencies* name.

        Raises:
            Misconfigured: One of them is none to seal with; names agency, file and what to do.
        """
        return cls({agency.id: read_lock(agency, agency.encrypt_to) for agency in agencies if agency.encrypt_to})

    def seal(self, document: bytes, agency: Agency) -> bytes:
        """
        *document* as *agency* gets it.

        Raises:
            Misconfigured: Its key was never read: nothing leaves in clear instead.
        """
        if agency.encrypt_to is None:
            return document
        lock = self._locks.get(agency.id)
        if lock is None:
            raise Misconfigured(f"agencies.toml, agency {agency.id!r}: encrypt_to was not read at start; start again")
        return lock.seal(document)


def content_type(document: bytes) -> bytes:
    """The media type of *document* as it is sent: by its bytes, so a retry says the same after a change of records."""
    return JSON if document.startswith(b"{") else JOSE


def listed(document: bytes) -> bytes:
    """*document* as a value in a JSON list: itself, or, where it is sealed, its compact form as a string."""
    return document if content_type(document) == JSON else b'"' + document + b'"'


def read_lock(agency: Agency, path: str) -> Lock:
    """
    The key to seal to that *agency* put at *path*: of a set, the newest usable one.

    Raises:
        Misconfigured: It is none to seal with; names agency, file and what to do.
    """
    return lock_at(f"agencies.toml, agency {agency.id!r}: encrypt_to = {path!r}", Path(path))
