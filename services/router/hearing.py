"""
Hearing the rows of a rulebook on one tip, in their order: collect, suppress, default, close.

Each row leaves a `Truth`: that it matched, or the first condition that failed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from contracts.onboarding import Partner
from services.router.asking import REVIEW, Ask, Asking, Miss
from services.router.facts import History, Place
from services.router.rulebook import Row, Rulebook


class Truth(NamedTuple):
    """What one row said: matched, or the first condition that failed."""

    rule: str
    matched: bool
    failed: str | None = None


class Heard(NamedTuple):
    """What all rows said: the truth of each, who was taken away by which rule, and why nobody gets it (or None)."""

    truth: list[Truth]
    suppressed: list[tuple[str, str]]
    px: str | None


def hear(asking: Asking, book: Rulebook, partner: Partner | None, history: History) -> Heard:
    """Hear every row of *book*; who must have the tip then stands in *asking*."""
    truth = list(collect(asking, book))
    asking.named(history.refer, None)
    suppressed = suppress(asking, book, partner, truth)
    if history.decided:
        # Nobody is asked twice, unless nothing else is left: what a person said did not settle it then.
        asking.asks = [ask for ask in asking.asks if ask.agency != REVIEW] or asking.asks
    asking.named((), history.look)
    return Heard(truth, suppressed, close(asking, book, truth, history))


def collect(asking: Asking, book: Rulebook) -> Iterator[Truth]:
    """Let every row that collects ask for what it wants."""
    for row in book.stages[0]:
        yield _hear(asking, row)


def _hear(asking: Asking, row: Row) -> Truth:
    """Let one row ask, and say whether it matched."""
    if row.per != "tip" and not asking.parts[row.per]:
        return _said(row.id, row.absent)
    matched, failed = _matches(asking, row)
    if not matched:
        return _said(row.id, failed)
    asking.fired[row.id] = matched
    if row.raw.route and row.kind == "destination" and row.per == "host":
        asking.passed_over(row, matched)
    asking.clauses(row, row.then, matched)
    return Truth(row.id, matched=True)


@lru_cache(maxsize=4096)
def _said(rule: str, failed: str | None) -> Truth:
    """A row that did not match: there are few such truths, and most tips bring the same ones."""
    return Truth(rule, matched=False, failed=failed)


def _matches(asking: Asking, row: Row) -> tuple[list[Place | None], str | None]:
    """Places for which a row matches (None: the tip itself), else what failed first."""
    facts, fired = asking.facts, asking.fired
    if row.per == "tip":
        for one in row.when:
            if not one.test(facts, None, fired):
                return [], one.text
        return [None], None
    matched: list[Place | None] = []
    failed: str | None = None
    for place in asking.parts[row.per]:
        for one in row.when:
            if not one.test(facts, place, fired):
                failed = failed or one.text
                break
        else:
            matched.append(place)
    return matched, failed


def suppress(asking: Asking, book: Rulebook, partner: Partner | None, truth: list[Truth]) -> list[tuple[str, str]]:
    """Take away what must not go, now or later; returns agency and rule of each."""
    gone: list[tuple[str, str]] = []
    for row in book.stages[1]:
        matched, failed = _matches(asking, row)
        removed: list[Ask] = []
        if matched:
            asking.fired[row.id] = matched
            removed = _take_away(asking, _Test(asking, row, matched, partner))
            asking.clauses(row, row.then, matched)
        if removed:
            asking.clauses(row, row.if_removed, (None,))
        gone += [(ask.agency, row.id) for ask in removed]
        said = Truth(row.id, matched=True) if _is_heard(row, matched, removed) else _said(row.id, _why_not(row, failed))
        truth.append(said)
    return gone


def _is_heard(row: Row, matched: Sequence[Place | None], removed: Sequence[Ask]) -> bool:
    """A suppressor that took nothing away, adds nothing and marks nothing was not heard."""
    return bool(matched) and bool(removed or row.then or row.raw.sets)


def _why_not(row: Row, failed: str | None) -> str:
    return failed or ("nothing asked for it" if row.per == "tip" else row.absent)


@dataclass(frozen=True, slots=True)
class _Test:
    """Says of each ask whether a suppressor takes it away."""

    asking: Asking
    row: Row
    matched: Sequence[Place | None]
    partner: Partner | None

    def takes(self, ask: Ask) -> bool:
        """Tell whether *ask* must go."""
        raw = self.row.raw
        if raw.keep:
            return self.asking.kind_of(ask.agency) not in raw.keep and ask.rule not in raw.spare
        named = ask.target in raw.remove and self._of_place(ask)
        held = "held" in raw.remove and self.asking.held(ask)
        sender = "sender" in raw.remove and self.partner is not None and ask.agency == self.partner.agency
        return named or held or sender

    def _of_place(self, ask: Ask) -> bool:
        return self.row.per == "tip" or any(ask.place is place for place in self.matched)


def _take_away(asking: Asking, test: _Test) -> list[Ask]:
    leaving = [ask for ask in (*asking.asks, *asking.later) if test.takes(ask)]
    if leaving:
        asking.asks = [ask for ask in asking.asks if not test.takes(ask)]
        asking.later = [ask for ask in asking.later if not test.takes(ask)]
    return leaving


def close(asking: Asking, book: Rulebook, truth: list[Truth], history: History) -> str | None:
    """The default, and then what ends a tip without a referral; returns the reason if something did."""
    open_facts = asking.facts
    if not asking.asks:
        asking.facts = replace(open_facts, nothing_left=True)
    truth += [_hear(asking, row) for row in book.stages[2]]
    asking.facts = open_facts
    px = None
    for row in book.stages[3]:
        said = _hear(asking, row)
        truth.append(said)
        if said.matched and row.raw.px and not history.refer:
            px = px or row.raw.px
    return px


def keep_from_live(asking: Asking) -> str | None:
    """Keep a test tip from every agency that is not on this machine; the reason if none is left."""
    live = asking.atlas.live
    blocked = [ask for ask in asking.asks if ask.agency in live]
    if not blocked:
        return None
    asking.asks = [ask for ask in asking.asks if ask.agency not in live]
    asking.later = [ask for ask in asking.later if ask.agency not in live]
    asking.misses += [Miss(agency, "test", "test_tip") for agency in sorted({ask.agency for ask in blocked})]
    return None if asking.asks else "test"
