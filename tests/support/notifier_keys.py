"""Keys of invented agencies, made once per run, and files of them."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwe
from joserfc.jwk import ECKey, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey
ALGORITHMS = ["RSA-OAEP-256", "ECDH-ES+A256KW", "A256GCM"]


@cache
def private(kind: str) -> Key:
    """The private key of an agency: ``rsa``, ``small-rsa``, ``P-256``, ``P-521``, ``secp256k1``, ``X25519`` ..."""
    if kind == "small-rsa":
        made = generate_private_key(public_exponent=65_537, key_size=1024)  # noqa: S505 - to be refused
        with warnings.catch_warnings(action="ignore"):
            return RSAKey.import_key(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if kind == "rsa":
        return RSAKey.generate_key(2048)
    if kind == "X25519":
        return OKPKey.generate_key("X25519")
    if kind == "Ed25519":
        return OKPKey.generate_key("Ed25519")
    return ECKey.generate_key(kind)


def public(kind: str, **more: Any) -> dict[str, Any]:
    """Its public JWK."""
    return dict(private(kind).as_dict(private=False)) | more


def key_file(folder: Path, shown: dict[str, Any] | bytes) -> str:
    """A file with *shown*; its path."""
    path = folder / "agency.jwk"
    path.write_bytes(shown if isinstance(shown, bytes) else orjson.dumps(shown))
    return str(path)


def opened(kind: str, sealed: bytes) -> tuple[dict[str, Any], bytes]:
    """What the agency reads: the protected header and the document."""
    found = jwe.decrypt_compact(sealed, private(kind), algorithms=ALGORITHMS)
    return dict(found.protected), found.plaintext or b""
