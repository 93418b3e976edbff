"""
Documents sealed to an agency's public key: JWE compact (RFC 7516), sealed once, when a referral is taken.

Every channel and every retry sends the same bytes, so the digest in the custody
log is of what was disclosed. The protected header tells the key and the kind of
document, and nothing of the tip.
"""

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from contracts.headers import JOSE, JSON
from contracts.onboarding import Agency
from services.chassis.errors import Misconfigured
from services.notifier.xarf import document_type

ENCRYPTION = "A256GCM"
SMALLEST_RSA_BITS = 2048
LONGEST_KID = 200

PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
"""Members of a JWK that only its owner may hold."""

CURVES = frozenset({"P-256", "P-384", "P-521", "X25519"})

Public = RSAKey | ECKey | OKPKey


class Sealer(Protocol):
    """What seals documents; an adapter, for sealing draws random numbers and deciding may not."""

    def seal(self, document: bytes, agency: Agency) -> bytes:
        """*document* as *agency* gets it: sealed where it is onboarded so, else as it is."""


class Lock(NamedTuple):
    """An agency's public key and what the header says of it."""

    key: Public
    algorithm: str
    kid: str

    def seal(self, document: bytes) -> bytes:
        """*document* as JWE compact; no two are alike."""
        header = {
            "typ": "JOSE",
            "cty": f"{document_type(document)}+json",
            "kid": self.kid,
            "alg": self.algorithm,
            "enc": ENCRYPTION,
        }
        allowed = [self.algorithm, ENCRYPTION]
        return jwe.encrypt_compact(header, document, self.key, algorithms=allowed).encode("ascii")


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
    The public key that *agency* put at *path*.

    Raises:
        Misconfigured: It is none to seal with; names agency, file and what to do.
    """
    return lock_at(f"agencies.toml, agency {agency.id!r}: encrypt_to = {path!r}", Path(path))


def lock_at(where: str, path: Path) -> Lock:
    """
    The public key at *path*, which *where* names to whoever must mend it.

    Raises:
        Misconfigured: It is none to seal with; says what to do.
    """
    shown = _read(where, path)
    _check_public(where, shown)
    try:
        key = import_key(shown)
        lock = _lock(where, key, shown)
        lock.seal(b"{}")
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Misconfigured(
            f"{where} is no key that can be sealed to; ask the agency for its public JWK again"
        ) from error
    return lock


def _read(where: str, path: Path) -> dict[str, Any]:
    try:
        shown = orjson.loads(path.read_bytes())
    except OSError as error:
        raise Misconfigured(
            f"{where} cannot be read; put the agency's public JWK there, or correct the path and its rights"
        ) from error
    except orjson.JSONDecodeError as error:
        raise Misconfigured(f"{where} is not JSON; it must hold one public JWK (RFC 7517), not PEM") from error
    if not isinstance(shown, dict) or "kty" not in shown:
        raise Misconfigured(f"{where} is no JWK; it must hold one key (an object with kty), not a set")
    return shown


def _check_public(where: str, shown: Mapping[str, Any]) -> None:
    if shown["kty"] == "oct" or "k" in shown:
        raise Misconfigured(
            f"{where} holds a symmetric key, which whoever reads this file can open with; use RSA or EC"
        )
    if PRIVATE & set(shown):
        raise Misconfigured(
            f"{where} holds the agency's private key; delete the file, tell the agency that its key is spoilt, "
            "and ask for the public part of a new one"
        )
    if shown.get("use", "enc") != "enc":
        raise Misconfigured(f"{where} is a key for signatures (use); ask the agency for its key with use enc")
    if shown["kty"] in ("EC", "OKP") and shown.get("crv") not in CURVES:
        raise Misconfigured(f"{where} has a curve that is not offered; use one of {', '.join(sorted(CURVES))}, or RSA")
    bits = _rsa_bits(shown)
    if shown["kty"] == "RSA" and bits is not None and bits < SMALLEST_RSA_BITS:
        raise Misconfigured(f"{where} is an RSA key of {bits} bits; ask for one of at least {SMALLEST_RSA_BITS}")


def _rsa_bits(shown: Mapping[str, Any]) -> int | None:
    """Size of an RSA key's modulus; None where it is none, which importing the key will say."""
    try:
        return int.from_bytes(urlsafe_b64decode(shown["n"] + "==")).bit_length()
    except (KeyError, TypeError, ValueError):
        return None


def _lock(where: str, key: object, shown: Mapping[str, Any]) -> Lock:
    if not isinstance(key, Public):
        raise Misconfigured(f"{where} has a kty that is not offered; use RSA, EC or OKP")
    algorithm = "RSA-OAEP-256" if isinstance(key, RSAKey) else "ECDH-ES+A256KW"
    if shown.get("alg", algorithm) != algorithm:
        raise Misconfigured(f"{where} is meant for another algorithm (alg); {algorithm} is used with such a key")
    kid = shown.get("kid") or key.thumbprint()
    if not isinstance(kid, str) or len(kid) > LONGEST_KID:
        raise Misconfigured(f"{where} has a kid that is no text of up to {LONGEST_KID} characters; shorten it")
    return Lock(key, algorithm, kid)
