"""
How many urgent tips of a partner that is not vetted call a duty desk.

A tip keeps its level whatever the budget says: nothing waits and nothing is
lowered. What is bounded is how often a person is called: each tip within the
budget, and beyond it once a minute, with the count.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.onboarding import Partner
from contracts.vocabulary import Priority
from services.intake.check import Accepted

WINDOW = timedelta(hours=1)
BETWEEN = timedelta(minutes=1)
"""Least time between two notices beyond the budget."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a partner has used of its budget: tips since *since*, and those that no notice has spoken for yet."""

    since: datetime
    tips: int
    noticed: datetime
    waiting: int = 0

    @property
    def due(self) -> datetime:
        """When the next notice may go out."""
        return self.noticed + BETWEEN


def is_counted(partner: Partner, accepted: Accepted) -> bool:
    """Tell whether the tip uses budget: urgent in earnest, from a partner whose word is not vouched for."""
    facts = accepted.event.facts
    return not (partner.vetted or facts.is_test or facts.withdrawn) and accepted.triage.level is Priority.P0


def spend(spent: Spent | None, allowance: int, now: datetime) -> tuple[Spent, int]:
    """
    Count one urgent tip at *now*; also say how many tips its notice speaks for, 0 where it has none.

    Args:
        spent: What was used so far; None for nothing.
        allowance: Tips in an hour that have a notice each.
        now: UTC time of the tip.
    """
    if spent is None or now - spent.since >= WINDOW:
        spent = Spent(now, 0, now, spent.waiting if spent else 0)
    counted = replace(spent, tips=spent.tips + 1, waiting=spent.waiting + 1)
    if counted.tips <= allowance or now >= counted.due:
        return notice(counted, now)
    return counted, 0


def notice(spent: Spent, now: datetime) -> tuple[Spent, int]:
    """A notice at *now* for everything that waits for one, and how many tips that is."""
    return replace(spent, noticed=now, waiting=0), spent.waiting
