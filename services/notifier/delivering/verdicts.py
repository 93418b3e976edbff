"""
What the end of an attempt means: one table over every HTTP status, every SMTP reply and every fault of the way.

Source: trust.md 4.5 of the design notes; Standard Webhooks 1.0.0 (2xx only, redirects never followed, 410 is gone);
RFC 5321 4.2 (the first digit of a reply decides), RFC 3463, RFC 4954, RFC 7504 for the codes.
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
    NO_CHANNEL = "no_channel"
    """The agency's record names this channel no longer."""


RETRIED_4XX = frozenset({408, 409, 425, 429})
"""Request timeout, conflict, too early, too many: the only refusals of the 400s that time may heal."""

GONE = 410
GONE_REASON = "http_410"

BUSY = frozenset({"http_429", "smtp_421", "smtp_450", "smtp_452"})
"""Ends that say "not now, there is too much": a P0 does not wait, its next channel joins."""

REPLIES: dict[int, Verdict] = {
    250: Verdict.DELIVERED,  # taken after DATA: the server answers for it from here
    251: Verdict.DELIVERED,  # not local, will forward
    252: Verdict.DELIVERED,  # cannot verify, will try
    421: Verdict.TRANSIENT,  # closing, too many connections
    432: Verdict.TRANSIENT,  # a password transition is needed; an operator's work, and none is lost meanwhile
    450: Verdict.TRANSIENT,  # mailbox busy; greylisting says this
    451: Verdict.TRANSIENT,  # local error; greylisting says this too
    452: Verdict.TRANSIENT,  # no room
    454: Verdict.TRANSIENT,  # TLS or authentication not available now
    455: Verdict.TRANSIENT,  # cannot take these parameters now
    500: Verdict.PERMANENT,  # not understood
    501: Verdict.PERMANENT,  # bad parameter
    502: Verdict.PERMANENT,  # not implemented
    503: Verdict.PERMANENT,  # out of order
    504: Verdict.PERMANENT,  # parameter not implemented
    521: Verdict.PERMANENT,  # takes no mail at all
    530: Verdict.PERMANENT,  # authentication or TLS is required
    534: Verdict.PERMANENT,  # mechanism too weak
    535: Verdict.PERMANENT,  # wrong credentials
    538: Verdict.PERMANENT,  # mechanism needs TLS
    550: Verdict.PERMANENT,  # no such mailbox, or refused by policy
    551: Verdict.PERMANENT,  # not here; the address that it names is one that nobody onboarded
    552: Verdict.PERMANENT,  # too large, or over its quota
    553: Verdict.PERMANENT,  # name not allowed
    554: Verdict.PERMANENT,  # failed, or no service here
    555: Verdict.PERMANENT,  # parameters not known
    556: Verdict.PERMANENT,  # the domain takes no mail
}
"""The well-known replies of SMTP; every other is judged by its first digit."""


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


def of_reply(code: int) -> Verdict:
    """
    The verdict on the SMTP reply that ended a message: the one after DATA, or the one that refused a step before.

    A positive reply where a message does not end with one (an interim 3xx, a
    number that is no reply) says nothing, so the same message is sent again.
    """
    if code in REPLIES:
        return REPLIES[code]
    return Verdict.PERMANENT if 500 <= code <= 599 else Verdict.TRANSIENT


def of_end(status: int | None, fault: str | None, reply: int | None = None) -> Verdict:
    """The verdict on an attempt: by its status or reply, unless a fault cut it off; then nobody knows what arrived."""
    if fault == Fault.NO_CHANNEL:
        return Verdict.PERMANENT
    if fault is None and status is not None:
        return of_status(status)
    if fault is None and reply is not None:
        return of_reply(reply)
    return Verdict.TRANSIENT


def reason(status: int | None, fault: str | None, reply: int | None = None) -> str:
    """The closed word that records say: ``http_503``, ``smtp_550`` or a fault."""
    if fault is not None:
        return fault
    return f"http_{status}" if reply is None else f"smtp_{reply}"
