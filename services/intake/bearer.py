"""Whose token it is."""

import hmac
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256

from contracts.onboarding import Partner
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import resolve_secret
from services.intake.problems import not_permitted


class Bearer:
    """Tokens of *partners*, resolved when they are asked for, so that a changed secret counts at once."""

    def __init__(self, partners: Mapping[str, Partner]) -> None:
        self._partners = partners

    def partner(self, authorization: str | None) -> Partner:
        """
        The partner whose bearer token *authorization* shows; every token is compared, so the time tells nothing.

        Raises:
            Problem: 401.
        """
        scheme, _, token = (authorization or "").partition(" ")
        shown = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        found = [p for p in self._partners.values() if hmac.compare_digest(_digest(p), shown)]
        if scheme.lower() != "bearer" or not token.strip() or not found:
            raise not_permitted()
        return found[0]

    def without_token(self) -> list[str]:
        """Ids of partners that cannot send by HTTP: they have no token, or it cannot be resolved."""
        return [partner.id for partner in self._partners.values() if not _digest(partner)]


def _digest(partner: Partner) -> bytes:
    if partner.token is not None:
        with suppress(Misconfigured):
            return sha256(resolve_secret(partner.token).encode()).digest()
    return b""
