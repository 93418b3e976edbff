"""
Hearing the rows of a rulebook on one tip, in their order: collect, suppress, default, close.

Each row leaves a `Truth`: that it matched, or the first condition that failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from contracts.onboarding import Partner
from services.router.asking import REVIEW, Ask, Asking, Miss
from services.router.facts import History, Place
from services.router.rules.rule import Row, Truth
from services.router.rules.rulebook import Rulebook

WHOLE_TIP = (None,)
"""The place of a row that looks at no place."""


class Heard(NamedTuple):
    """What all rows said: the truth of each, who was taken away by which rule, and why nobody gets it (or None)."""

    truth: list[Truth]
    suppressed: list[tuple[str, str]]
    px: str | None


def hear(asking: Asking, book: Rulebook, partner: Partner | None, history: History) -> Heard:
    """Hear every row of *book*; who must have the tip then stands in *asking*."""
    truth = collect(asking, book)
    asking.named(history.refer, None)
    suppressed = suppress(asking, book, partner, truth)
    if history.decided:
        # Nobody is asked twice, unless nothing else is left: what a person said did not settle it then.
        asking.asks = [ask for ask in asking.asks if ask.agency != REVIEW] or asking.asks
    asking.named((), history.look)
    return Heard(truth, suppressed, close(asking, book, truth, history))


def collect(asking: Asking, book: Rulebook) -> list[Truth]:
    """Let every row that collects ask for what it wants."""
    return [_hear(asking, row) for row in book.stages[0]]


def _hear(asking: Asking, row: Row) -> Truth:
    """Let one row ask, and say whether it matched."""
    if row.per == "tip":
        failed = row.failed(asking.facts, None, asking.fired)
        if failed is not None:
            return failed
        matched: Sequence[Place | None] = WHOLE_TIP
    else:
        matched, failed = _matches(asking, row)
        if not matched:
            return failed or row.absent
    asking.fired[row.id] = matched
    if row.raw.route and row.kind == "destination" and row.per == "host":
        asking.passed_over(row, matched)
    asking.clauses(row, row.then, matched)
    return row.heard


def _matches(asking: Asking, row: Row) -> tuple[Sequence[Place | None], Truth | None]:
    """Places for which a row matches (None: the tip itself), else what failed first."""
    facts, fired = asking.facts, asking.fired
    places: Sequence[Place | None] = WHOLE_TIP if row.per == "tip" else asking.parts[row.per]
    matched: list[Place | None] = []
    first: Truth | None = None
    for place in places:
        failed = row.failed(facts, place, fired)
        if failed is None:
            matched.append(place)
        else:
            first = first or failed
    return matched, first


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
        truth.append(row.heard if _is_heard(row, matched, removed) else failed or row.absent)
    return gone


def _is_heard(row: Row, matched: Sequence[Place | None], removed: Sequence[Ask]) -> bool:
    """A suppressor that took nothing away, adds nothing and marks nothing was not heard."""
    return bool(matched) and bool(removed or row.then or row.raw.sets)


@dataclass(frozen=True, slots=True)
class _Test:
    """Says of each ask whether a suppressor takes it away."""

    asking: Asking
    row: Row
    matched: Sequence[Place | None]
    partner: Partner | None

    def taken(self, asks: Sequence[Ask]) -> list[Ask]:
        """Those of *asks* that must go."""
        raw, asking = self.row.raw, self.asking
        if raw.keep:
            return [ask for ask in asks if asking.kind_of(ask.agency) not in raw.keep and ask.rule not in raw.spare]
        remove, leaving = raw.remove, [ask for ask in asks if ask.target in raw.remove and self._of_place(ask)]
        if "held" in remove:
            leaving += [ask for ask in asks if asking.held(ask)]
        if "sender" in remove and self.partner is not None and self.partner.agency is not None:
            leaving += [ask for ask in asks if ask.agency == self.partner.agency]
        return leaving

    def _of_place(self, ask: Ask) -> bool:
        return self.row.per == "tip" or any(ask.place is place for place in self.matched)


def _take_away(asking: Asking, test: _Test) -> list[Ask]:
    asks = (*asking.asks, *asking.later)
    leaving = {id(ask) for ask in test.taken(asks)}
    if not leaving:
        return []
    asking.asks = [ask for ask in asking.asks if id(ask) not in leaving]
    asking.later = [ask for ask in asking.later if id(ask) not in leaving]
    return [ask for ask in asks if id(ask) in leaving]


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
