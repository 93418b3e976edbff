"""One rule of a rulebook: as it is written, and as it is heard."""

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import StringConstraints

from contracts.onboarding import Strict
from services.router.facts import Facts, Place
from services.router.rules.conditions import Condition, Fired, Test

RowKind = Literal["door", "destination", "choice", "event", "attribute", "suppress", "default", "close"]


class RawClause(Strict):
    """A clause as it is written."""

    per: str | None = None
    when: tuple[dict[str, Any], ...] = ()
    to: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


class RawRow(Strict):
    """A rule as it is written."""

    id: Annotated[str, StringConstraints(pattern=r"^R\d{2}$")]
    kind: RowKind
    per: str = "tip"
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]
    when: tuple[dict[str, Any], ...]
    then: tuple[RawClause, ...] = ()
    if_removed: tuple[RawClause, ...] = ()
    remove: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    sets: Literal["duty", "deconflict", "region", "legality"] | None = None
    px: str | None = None
    route: bool = False
    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
    date: date


class Truth(NamedTuple):
    """What one row said: matched, or the first condition that failed."""

    rule: str
    matched: bool
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """What a matching row refers to, under conditions of its own."""

    per: str
    when: tuple[Condition, ...]
    to: tuple[str, ...]
    later: tuple[str, ...]

    def holds(self, facts: Facts, place: Place | None, fired: Fired) -> bool:
        """Tell whether all its conditions hold."""
        for condition in self.when:  # noqa: SIM110 - a generator costs twice the time on the hot path
            if not condition.test(facts, place, fired):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Row:
    """One rule."""

    id: str
    kind: RowKind
    per: str
    title: str
    when: tuple[Condition, ...]
    then: tuple[Clause, ...]
    if_removed: tuple[Clause, ...]
    raw: RawRow
    checks: tuple[tuple[Test, Truth], ...] = field(init=False, repr=False, compare=False)
    """Each condition's test, and what the row says where it fails: made once, so that hearing a row makes nothing."""
    heard: Truth = field(init=False, repr=False, compare=False)
    absent: Truth = field(init=False, repr=False, compare=False)
    """What is said where a tip has no place that the row could look at, or nothing that it could take away."""

    def __post_init__(self) -> None:
        """Prepare what the row may say."""
        checks = tuple(
            (condition.test, Truth(self.id, matched=False, failed=condition.text)) for condition in self.when
        )
        nothing = f"no {self.per}" if self.per != "tip" else "nothing asked for it"
        for name, value in (
            ("checks", checks),
            ("heard", Truth(self.id, matched=True)),
            ("absent", Truth(self.id, matched=False, failed=nothing)),
        ):
            object.__setattr__(self, name, value)

    def failed(self, facts: Facts, place: Place | None, fired: Fired) -> Truth | None:
        """What the row says of the first condition that fails; None: it matches."""
        for test, said in self.checks:
            if not test(facts, place, fired):
                return said
        return None
