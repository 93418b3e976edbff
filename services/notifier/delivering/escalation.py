"""
What happens when an agency does not acknowledge, and when it acknowledged and nothing changes; pure tables.

Counted from the moment when the referral was queued: an agency gets its full
time even where the mesh was late. Source: domain notes, sections 9 and 10
(times are proposals; public sources give none).
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from contracts.vocabulary import AgencyKind, Priority


class Act(StrEnum):
    """What a missed acknowledgement leads to."""

    SECOND_CHANNEL = "second_channel"
    """Send again at once, whatever the schedule says; the channels that are not used yet join in."""
    DUTY_OFFICER = "duty_officer"
    """A person must call the agency's duty desk: told to the operators."""
    EXPIRE = "expired"
    """The router finds another destination."""
    RESEND = "resend"
    REMIND = "reminder"


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: what to do how long after the referral was queued."""

    after: timedelta
    act: Act


WEEK = timedelta(days=7)

LADDER: dict[Priority, tuple[Step, ...]] = {
    Priority.P0: (
        Step(timedelta(minutes=15), Act.SECOND_CHANNEL),
        Step(timedelta(minutes=30), Act.DUTY_OFFICER),
        Step(timedelta(minutes=60), Act.EXPIRE),
    ),
    # Four hours for the second channel to work, one day for the re-send: ours, the notes give only the order.
    Priority.P1: (Step(timedelta(hours=24), Act.SECOND_CHANNEL), Step(timedelta(hours=28), Act.EXPIRE)),
    Priority.P2: (Step(timedelta(hours=72), Act.RESEND), Step(timedelta(hours=96), Act.EXPIRE)),
    Priority.P3: (Step(timedelta(days=14), Act.REMIND),),
    Priority.P4: (Step(timedelta(days=30), Act.REMIND),),
    Priority.PX: (),
}

REMINDED = frozenset({Priority.P3, Priority.P4})
"""Levels whose last rung repeats every week until the agency answers."""

FOLLOW_UPS = (timedelta(hours=24), timedelta(hours=72), timedelta(days=7), timedelta(days=14), timedelta(days=28))
"""When an agency that acknowledged live content is asked again what came of it."""

FOLLOWED = frozenset({AgencyKind.HOTLINE, AgencyKind.PROVIDER, AgencyKind.TAKEDOWN})
"""Kinds that work on content that is still up; police and Interpol investigate and are not chased."""

UNCHANGED = 2
"""The follow-up (72 h) at which a hotline that changed nothing leads to another destination, P0 to P2 only."""


def rung(priority: Priority, done: int) -> Step | None:
    """The next rung when *done* are behind; None: nothing more, the referral waits."""
    ladder = LADDER[priority]
    if done < len(ladder):
        return ladder[done]
    if priority in REMINDED:
        return Step(ladder[-1].after + WEEK * (done - len(ladder) + 1), Act.REMIND)
    return None


def target(priority: Priority) -> timedelta:
    """By when an agency should acknowledge, where the referral does not say."""
    return {
        Priority.P0: timedelta(minutes=60),
        Priority.P1: timedelta(hours=24),
        Priority.P2: timedelta(hours=72),
        Priority.P3: timedelta(days=14),
    }.get(priority, timedelta(days=30))
