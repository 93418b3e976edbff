"""
What another rulebook would have decided of the tips that were decided: recorded facts, heard by both books.

Both books are heard in today's world, so that a difference is the books' and
not that of an agency that came or went since.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.events import DecisionRecorded
from contracts.onboarding import Partner
from services.router.asking import BY_PERSON, REVIEW
from services.router.decision import BY_NO_RULE
from services.router.facts import History
from services.router.geography.atlas import Atlas
from services.router.rules.rehear import Answer, ask, facts_from
from services.router.rules.rulebook import Rulebook

EXAMPLES = 3


class Unreadable(Exception):
    """A recorded decision whose facts cannot be heard again."""


@dataclass(frozen=True, slots=True)
class Change:
    """One decision that the other book takes otherwise."""

    tip: str
    version: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    rules: tuple[str, ...]
    """Rules that ask for, or no longer ask for, what differs."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Hears the old and the new book on one recorded decision."""

    new: Rulebook
    old: Callable[[str], Rulebook]
    """The book of a digest; where nobody has it any more, the one in force."""
    atlas: Atlas
    partners: Mapping[str, Partner]

    def change(self, decided: DecisionRecorded) -> Change | None:
        """
        What the new book changes, or None.

        Raises:
            Unreadable: It tells facts that this version does not know.
        """
        if decided.px in BY_NO_RULE:
            return None
        try:
            return self._change(decided)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # Facts are a record of another version's vocabulary: whatever does not fit shows in one of these ways.
            raise Unreadable from error

    def _change(self, decided: DecisionRecorded) -> Change | None:
        partner = self.partners.get(decided.partner)
        history = _history(decided, decided=False)
        facts = facts_from(decided.facts, self.atlas, history.excluded)
        old = self.old(decided.rulebook.digest)
        before = ask(facts, old, self.atlas, partner=partner, history=history)
        if len(before.ids) > 1 and REVIEW in before.ids and all(to.id != REVIEW for to in decided.destinations):
            # A person had looked at it: nobody is asked twice.
            history = _history(decided, decided=True)
            before = ask(facts, old, self.atlas, partner=partner, history=history)
        after = ask(facts, self.new, self.atlas, partner=partner, history=history)
        rules = _differing(before, after)
        if not rules:
            return None
        return Change(str(decided.tip_id), decided.version, _told(before), _told(after), rules)


@dataclass(slots=True)
class Tally:
    """How much changes, and by which rules."""

    decisions: int = 0
    changed: int = 0
    unreadable: int = 0
    """Records that are no decision, or tell facts that this version does not know: left out."""
    by_rule: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Change]] = field(default_factory=dict)

    def add(self, change: Change | None) -> None:
        """Count one decision."""
        self.decisions += 1
        if change is None:
            return
        self.changed += 1
        for rule in change.rules:
            self.by_rule[rule] = self.by_rule.get(rule, 0) + 1
            kept = self.examples.setdefault(rule, [])
            if len(kept) < EXAMPLES:
                kept.append(change)

    def as_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "decisions": self.decisions,
            "changed": self.changed,
            "unreadable": self.unreadable,
            "by_rule": [
                {"rule": rule, "decisions": count, "examples": [_json(one) for one in self.examples[rule]]}
                for rule, count in sorted(self.by_rule.items())
            ],
        }


PASSED_OVER = ("said_not_theirs", "being_onboarded")
"""Reasons for which an agency was left out of a decision that would have been its own."""


def _json(change: Change) -> dict[str, Any]:
    names = ("tip", "version", "before", "after")
    return {name: getattr(change, name) for name in names}


def _history(recorded: DecisionRecorded, *, decided: bool) -> History:
    return History(
        excluded=frozenset(str(miss["id"]) for miss in recorded.why_not if miss.get("reason") in PASSED_OVER),
        refer=tuple(to.id for to in recorded.destinations if BY_PERSON in to.rules),
        decided=decided,
    )


def _differing(before: Answer, after: Answer) -> tuple[str, ...]:
    """Rules behind what differs; nothing where the same agencies get it, now and later, or nobody for the same."""
    if (before.ids, before.later_ids, before.px) == (after.ids, after.later_ids, after.px):
        return ()
    agencies = set(before.ids) ^ set(after.ids) | set(before.later_ids) ^ set(after.later_ids)
    asked = (before.to | before.later) ^ (after.to | after.later)
    rules = {rule for agency, rule in asked if agency in agencies} | (before.matched ^ after.matched)
    return tuple(sorted(rules or {rule for agency, rule in before.to | after.to if agency in agencies}))


def _told(answer: Answer) -> tuple[str, ...]:
    if answer.px:
        return (f"px: {answer.px}",)
    return (*answer.ids, *(f"later: {agency}" for agency in answer.later_ids))
