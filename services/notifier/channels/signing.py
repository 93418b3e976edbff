"""
Standard Webhooks signatures: ``v1`` (HMAC-SHA256) and ``v1a`` (Ed25519).

Source: standard-webhooks specification 1.0.0. ``v1`` comes from its library,
which has no ``v1a``.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from standardwebhooks import Webhook

from contracts.onboarding import WebhookChannel
from services.chassis.errors import Misconfigured

PRIVATE_PREFIX = "whsk_"
SEED_BYTES = 32


def headers(
    hook: WebhookChannel, secret: Callable[[str], str], referral: UUID, at: datetime, body: bytes
) -> dict[str, str]:
    """
    The three headers that prove where *body* comes from.

    Args:
        hook: Names the keys by reference; both kinds are used where both are named.
        secret: Resolves a reference, each time: a changed key needs no restart.
        referral: ``webhook-id``: the same for every attempt.
        at: ``webhook-timestamp``: of this attempt.
        body: The bytes that are sent.

    Raises:
        Misconfigured: A key is missing or is none.
    """
    stamp = int(at.timestamp())
    signatures = []
    if hook.secret is not None:
        signatures.append(_hmac(secret(hook.secret), referral, stamp, body))
    if hook.signing_key is not None:
        signatures.append(_ed25519(secret(hook.signing_key), referral, stamp, body))

    return {"webhook-id": str(referral), "webhook-timestamp": str(stamp), "webhook-signature": " ".join(signatures)}


def _hmac(secret: str, referral: UUID, stamp: int, body: bytes) -> str:
    try:
        signer = Webhook(secret if secret.startswith("whsec_") else secret.encode())
    except (binascii.Error, ValueError, RuntimeError) as error:
        raise Misconfigured("a webhook secret that begins with whsec_ must go on in base64") from error
    return signer.sign(str(referral), datetime.fromtimestamp(stamp, UTC), body.decode())


def _ed25519(key: str, referral: UUID, stamp: int, body: bytes) -> str:
    signature = private_key(key).sign(f"{referral}.{stamp}.".encode() + body)
    return f"v1a,{base64.b64encode(signature).decode()}"


def private_key(text: str) -> Ed25519PrivateKey:
    """
    The Ed25519 key in *text*: ``whsk_`` and base64 of the seed (or seed and public key), or PEM.

    Raises:
        Misconfigured: It is none.
    """
    try:
        if text.startswith("-----BEGIN"):
            loaded = load_pem_private_key(text.encode(), password=None)
        else:
            raw = base64.b64decode(text.removeprefix(PRIVATE_PREFIX), validate=True)
            loaded = Ed25519PrivateKey.from_private_bytes(raw[:SEED_BYTES])
    except (ValueError, binascii.Error, TypeError) as error:
        raise Misconfigured("a webhook signing_key must be whsk_ and base64 of an Ed25519 seed, or PEM") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise Misconfigured("a webhook signing_key must be an Ed25519 key")
    return loaded
