"""
Clocks of the levels: how soon we send, how soon an agency should acknowledge.

Proposals: no public source gives fixed times; 72 h follows INHOPE's three-day practice.
"""

from datetime import datetime, timedelta

from contracts.vocabulary import Priority

DISPATCH = {
    Priority.P0: timedelta(seconds=60),
    Priority.P1: timedelta(minutes=5),
    Priority.P2: timedelta(minutes=15),
    Priority.P3: timedelta(hours=1),
    Priority.P4: timedelta(days=1),
}

ACKNOWLEDGE = {
    Priority.P0: timedelta(minutes=60),
    Priority.P1: timedelta(hours=24),
    Priority.P2: timedelta(hours=72),
    Priority.P3: timedelta(days=14),
    Priority.P4: timedelta(days=30),
}


def acknowledge_by(level: Priority, since: datetime) -> datetime | None:
    """Until when an agency should acknowledge a referral of *level* routed at *since*; None for PX."""
    allowed = ACKNOWLEDGE.get(level)
    return since + allowed if allowed else None


def dispatch_target(level: Priority) -> timedelta | None:
    """How long a tip of *level* may take from our door to an agency's; None for PX."""
    return DISPATCH.get(level)
