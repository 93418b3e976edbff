"""
Public keys of agencies, as they are read from the files that the onboarding records name.

A file holds one JWK or a JWK Set (RFC 7517). A set is how an agency changes its
key: the newest one that documents can be sealed to is used from the next start
on, and the ones before stay in it until the agency has opened what they sealed.
"""

from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from services.chassis.errors import Misconfigured
from services.notifier.documents.xarf import document_type

ENCRYPTION = "A256GCM"
SMALLEST_RSA_BITS = 2048
LONGEST_KID = 200
MOST_KEYS = 16

PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
"""Members of a JWK that only its owner may hold."""

KINDS = ("EC", "OKP", "RSA")
CURVES = frozenset({"P-256", "P-384", "P-521", "X25519"})

Public = RSAKey | ECKey | OKPKey


class Unusable(Misconfigured):
    """A key that harms nobody and that documents are not sealed to; beside a better one it is passed over."""


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


def lock_at(where: str, path: Path) -> Lock:
    """
    The key to seal to at *path*, which *where* names to whoever must mend it: of a set, the newest usable one.

    Raises:
        Misconfigured: There is none to seal with, or one that must not be there; says what to do.
    """
    shown = _read(where, path)
    if "kty" in shown:
        return _tried(where, shown)
    keys = _members(where, shown["keys"])
    usable = [lock for lock in (_usable(f"{where}, key {n}", key) for n, key in enumerate(keys, 1)) if lock]
    if not usable:
        raise Misconfigured(
            f"{where} is a set without a key that can be sealed to; ask the agency for one with use enc"
        )
    kids = [lock.kid for lock in usable]
    if len(set(kids)) < len(kids):
        raise Misconfigured(f"{where} has two keys with one kid; the agency must give each a kid of its own")
    return usable[-1]


def _members(where: str, shown: object) -> list[dict[str, Any]]:
    """The keys of a set, oldest first: by ``iat`` where they say it, else in the order in which they stand there."""
    if not isinstance(shown, list) or not shown or len(shown) > MOST_KEYS:
        raise Misconfigured(f"{where} is no set of 1 to {MOST_KEYS} keys; ask the agency for those in use only")
    if not all(isinstance(key, dict) and "kty" in key for key in shown):
        raise Misconfigured(f"{where} is a set in which something is no JWK (an object with kty); correct it")
    dated = [isinstance(key.get("iat"), int | float) for key in shown]
    if any(dated) and not all(dated):
        raise Misconfigured(
            f"{where} is a set in which some keys have iat (when they were made) and some have not, so nobody knows "
            "which is the newest; give it to all or to none"
        )
    return sorted(shown, key=lambda key: key["iat"]) if all(dated) else shown


def _usable(where: str, shown: Mapping[str, Any]) -> Lock | None:
    try:
        return _tried(where, shown)
    except Unusable:
        return None


def _tried(where: str, shown: Mapping[str, Any]) -> Lock:
    _check_public(where, shown)
    for wrong in _wrong(shown):
        raise Unusable(f"{where} {wrong}")
    try:
        key = import_key(dict(shown))
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
        raise Misconfigured(f"{where} is not JSON; it must hold a public JWK or a set of them, not PEM") from error
    if not isinstance(shown, dict) or not shown.keys() & {"kty", "keys"}:
        raise Misconfigured(f"{where} is no JWK; it must hold one key (an object with kty) or a set (with keys)")
    return shown


def _check_public(where: str, shown: Mapping[str, Any]) -> None:
    """What must not lie in the file at all, also where another key of it is used."""
    if shown["kty"] == "oct" or "k" in shown:
        raise Misconfigured(
            f"{where} holds a symmetric key, which whoever reads this file can open with; use RSA or EC"
        )
    if PRIVATE & set(shown):
        raise Misconfigured(
            f"{where} holds the agency's private key; delete the file, tell the agency that its key is spoilt, "
            "and ask for the public part of a new one"
        )


def _wrong(shown: Mapping[str, Any]) -> Iterator[str]:
    """Why a key that may be sound is none to seal to."""
    if shown["kty"] not in KINDS:
        yield f"has a kty that is not offered; use one of {', '.join(KINDS)}"
    operations = shown.get("key_ops")
    if shown.get("use", "enc") != "enc" or (isinstance(operations, list) and "verify" in operations):
        yield "is a key for signatures (use, key_ops); ask the agency for its key with use enc"
    if shown["kty"] in ("EC", "OKP") and shown.get("crv") not in CURVES:
        yield f"has a curve that is not offered; use one of {', '.join(sorted(CURVES))}, or RSA"
    bits = _rsa_bits(shown)
    if shown["kty"] == "RSA" and bits is not None and bits < SMALLEST_RSA_BITS:
        yield f"is an RSA key of {bits} bits; ask for one of at least {SMALLEST_RSA_BITS}"


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
        raise Unusable(f"{where} is meant for another algorithm (alg); {algorithm} is used with such a key")
    kid = shown.get("kid") or key.thumbprint()
    if not isinstance(kid, str) or len(kid) > LONGEST_KID:
        raise Misconfigured(f"{where} has a kid that is no text of up to {LONGEST_KID} characters; shorten it")
    return Lock(key, algorithm, kid)
