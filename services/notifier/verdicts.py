"""
What the end of an attempt means: one table over every HTTP status and every fault of the way.

Source: trust.md 4.5 of the design notes; Standard Webhooks 1.0.0 (2xx only, redirects never followed, 410 is gone).
"""

from enum import StrEnum


class Verdict(StrEnum):
    """What happens next with a referral whose attempt has ended."""

    DELIVERED = "delivered"
    TRANSIENT = "transient"
    """Try again on the schedule."""
    PERMANENT = "permanent"
    """The same request will fail again: park at once, and a person looks."""
    GONE = "gone"
    """The agency says that this address is no more: park, and the router finds another way."""


class Fault(StrEnum):
    """Why an attempt ended without a status."""

    TIMEOUT = "timeout"
    CONNECT = "connect"
    TLS = "tls"
    PIN = "pin"
    REFUSED_ADDRESS = "refused_address"
    PROTOCOL = "protocol"
    INTERNAL = "internal"


RETRIED_4XX = frozenset({408, 409, 425, 429})
"""Request timeout, conflict, too early, too many: the only refusals of the 400s that time may heal."""

GONE = 410


def of_status(status: int) -> Verdict:
    """
    The verdict on an HTTP status.

    Only 2xx is a success. A redirect is an address that nobody onboarded, so it
    is as permanent as a refusal. Interim (1xx) and unknown statuses are retried.
    """
    if 200 <= status <= 299:
        return Verdict.DELIVERED
    if status == GONE:
        return Verdict.GONE
    if 300 <= status <= 499 and status not in RETRIED_4XX:
        return Verdict.PERMANENT
    return Verdict.TRANSIENT


def of_end(status: int | None, fault: str | None) -> Verdict:
    """The verdict on an attempt: by its status, unless a fault cut it off; then nobody knows what arrived."""
    if fault is not None or status is None:
        return Verdict.TRANSIENT
    return of_status(status)


def reason(status: int | None, fault: str | None) -> str:
    """The closed word that records say: ``http_503`` or a fault."""
    return fault if fault is not None else f"http_{status}"
