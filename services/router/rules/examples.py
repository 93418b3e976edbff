"""
Cases that stand beside a rulebook: facts in the rulebook's own words, and where they must lead.

``rulebook.toml`` has its cases in ``rulebook-cases.toml``; ``vidare rules
check`` runs them after the proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from contracts.onboarding import Id, Strict
from services.chassis.onboarding import Agencies
from services.chassis.tomlfile import TomlFile, read_toml, validate
from services.router.decision import World
from services.router.facts import History
from services.router.geography.atlas import Atlas
from services.router.rules.rehear import PLACE, TIP, ask, facts_from
from services.router.rules.rulebook import Rulebook


class _RawCase(Strict):
    rule: str
    """The row that this case is about; it must match."""
    title: str
    facts: dict[str, Any] = Field(default_factory=dict)
    places: tuple[dict[str, Any], ...] = ()
    partner: Id | None = None
    excluded: tuple[Id, ...] = ()
    """Agencies that said it is not theirs."""
    hold: tuple[str, ...] = ()
    """Countries under legal hold."""
    to: tuple[Id, ...] = ()
    later: tuple[Id, ...] = ()
    px: str | None = None


class _RawCases(Strict):
    case: tuple[_RawCase, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One case and where it stands."""

    where: str
    raw: _RawCase

    @property
    def rule(self) -> str:
        """The row it is about."""
        return self.raw.rule


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that is decided otherwise."""

    example: Example
    reason: str

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.example.where}: {self.example.rule}, {self.example.raw.title}: {self.reason}"

    def as_json(self) -> dict[str, str]:
        """As other programs read it."""
        return {"where": self.example.where, "rule": self.example.rule, "reason": self.reason}


def beside(rulebook: Path) -> Path | None:
    """The file of cases that stands beside *rulebook*, if there is one."""
    path = rulebook.with_name(f"{rulebook.stem}-cases.toml")
    return path if path.exists() else None


def load_cases(path: Path) -> tuple[Example, ...]:
    """
    Read a file of cases.

    Raises:
        Misconfigured: File, line and reason.
    """
    file: TomlFile = read_toml(path)
    cases = validate(file, _RawCases).case
    return tuple(Example(f"{path}:{file.line_of(('case', n))}", raw) for n, raw in enumerate(cases))


def failures(examples: Sequence[Example], world: World, book: Rulebook) -> tuple[Failure, ...]:
    """Those of *examples* that *book* decides otherwise."""
    found = ((example, _wrong(example.raw, world, book)) for example in examples)
    return tuple(Failure(example, reason) for example, reason in found if reason)


def _wrong(raw: _RawCase, world: World, book: Rulebook) -> str | None:
    atlas = _held(world.atlas, raw.hold)
    partner = world.partners.get(raw.partner or "")
    if raw.partner and partner is None:
        return f"no partner {raw.partner}"
    if strange := [*(set(raw.facts) - TIP), *(name for place in raw.places for name in set(place) - PLACE)]:
        return f"no such fact: {', '.join(sorted(strange))}"
    history = History(excluded=frozenset(raw.excluded))
    try:
        facts = facts_from({**raw.facts, "places": raw.places}, atlas, history.excluded)
    except (KeyError, TypeError, ValueError) as error:
        return f"its facts cannot be read: {error}"
    answer = ask(facts, book, atlas, partner=partner, history=history)
    if raw.rule not in answer.matched:
        return f"{raw.rule} does not match; those that do: {', '.join(sorted(answer.matched)) or 'none'}"
    expected = _words(tuple(sorted(raw.to)), tuple(sorted(raw.later)), raw.px)
    decided = _words(answer.ids, answer.later_ids, answer.px)
    return None if expected == decided else f"expected {expected}; decided {decided}"


def _words(to: Sequence[str], later: Sequence[str], px: str | None) -> str:
    if px:
        return f"px {px}"
    return ", ".join((*to, *(f"later {agency}" for agency in later))) or "nobody"


def _held(atlas: Atlas, hold: Sequence[str]) -> Atlas:
    if not hold:
        return atlas
    return Atlas(atlas.home, atlas.registry, Agencies(atlas.agencies.records, frozenset(hold)))
