"""
When the next attempt is made; pure.

The steps are those of Standard Webhooks 1.0.0: ten attempts over 75 h 35 min.
After the last one a referral parks. Nothing is ever discarded.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

STEPS = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Wait before attempt 1, 2, 3 ...; each counts from the end of the attempt before."""

JITTER = 0.1
"""Share by which a step may be longer or shorter, so that an agency that returns is not met by a wave."""

PARKED_RETRY = timedelta(hours=24)
"""A parked referral is offered again this often: parking is a place to wait, not an end."""

LARGEST_RETRY_AFTER_DIGITS = 9
"""Longer numbers in ``Retry-After`` are junk, not patience."""


def attempt_delay(made: int, delivery: UUID, *, asked: timedelta | None = None) -> timedelta | None:
    """
    Wait before the next attempt of *delivery*, of which *made* have counted; None: exhausted, park it.

    Args:
        made: Attempts that ended without success.
        delivery: Decides the jitter: the same delivery always waits the same time.
        asked: The agency's ``Retry-After``: waited for, but never longer than the step after this one.
    """
    if made >= len(STEPS):
        return None
    jittered = STEPS[made] * (1 + JITTER * _unit(delivery, made))
    if asked is None:
        return jittered
    longest = STEPS[min(made + 1, len(STEPS) - 1)]

    return max(jittered, min(asked, longest))


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The wait that a ``Retry-After`` header asks for; None for none, junk, or a time that has passed."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit() and len(text) <= LARGEST_RETRY_AFTER_DIGITS:
        wait = timedelta(seconds=int(text))
    else:
        wait = _until(text, now)
    return wait if wait > timedelta(0) else None


def _until(text: str, now: datetime) -> timedelta:
    try:
        when = parsedate_to_datetime(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)) - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return timedelta(0)


def _unit(delivery: UUID, made: int) -> float:
    """A number from -1 to 1 that depends on nothing but the delivery and the step."""
    digest = hashlib.sha256(f"{delivery}/{made}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / (2**63) - 1.0
