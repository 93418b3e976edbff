"""The router in a room: the shipped world, and a hop with a store and a clock but no broker."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4, uuid5

import orjson

from contracts import topics
from contracts.events import OutcomeReported, TipLocated
from contracts.onboarding import Agency
from services.chassis.hop import NAMESPACE, Emit, Entry, Input, Outcome, Record, Timer, event_id
from services.chassis.onboarding import Agencies, load_agencies, load_partners
from services.chassis.settings import ROOT, Settings
from services.chassis.store.state import MemoryStore, Overlay
from services.router.decision import Decision, World, route
from services.router.facts import NEW, History
from services.router.geography.atlas import Atlas
from services.router.geography.registry import Registry, load_registry
from services.router.hop import RouterHop
from services.router.rules.rulebook import Rulebook, load_rulebook
from tests.support.tips import NOW

SETTINGS = Settings(
    partners=ROOT / "services" / "intake" / "partners.toml", agencies=ROOT / "services" / "router" / "agencies.toml"
)


@lru_cache
def registry() -> Registry:
    """The shipped registry."""
    return load_registry(SETTINGS.registry_file)


@lru_cache
def rulebook() -> Rulebook:
    """The shipped rulebook."""
    return load_rulebook(SETTINGS.rulebook_file)


@lru_cache
def shipped_agencies() -> Agencies:
    """The shipped onboarding records."""
    return load_agencies(SETTINGS)


def a_world(
    *,
    home: str = "SE",
    changed: Mapping[str, Mapping[str, Any] | None] | None = None,
    more: Iterable[Agency] = (),
    hold: Iterable[str] = (),
    book: Rulebook | None = None,
) -> World:
    """
    The shipped world.

    Args:
        home: The home country.
        changed: Agency id to fields that differ; None takes the agency away.
        more: Agencies that are onboarded besides.
        hold: Countries under legal hold.
        book: Another rulebook.
    """
    records = dict(shipped_agencies().records)
    for name, fields in (changed or {}).items():
        if fields is None:
            del records[name]
        else:
            records[name] = records[name].model_copy(update=dict(fields))
    records |= {agency.id: agency for agency in more}
    atlas = Atlas(home, registry(), Agencies(records, frozenset(hold)))
    return World(atlas, book or rulebook(), load_partners(SETTINGS))


@lru_cache
def shipped() -> World:
    """The shipped world, unchanged."""
    return a_world()


def decide(located: TipLocated, world: World | None = None, history: History = NEW, *, now: datetime = NOW) -> Decision:
    """Decide in the shipped world."""
    return route(located, world or shipped(), history, now=now)


def ids(located: TipLocated, world: World | None = None, history: History = NEW) -> set[str]:
    """Destinations in the shipped world."""
    return set(decide(located, world, history).ids)


def rules_of(decision: Decision, agency: str) -> set[str]:
    """Rules that asked for *agency*."""
    return {rule for to in decision.destinations if to.id == agency for rule in to.rules}


@dataclass
class Room:
    """A router hop, its store, its clock and everything it wrote."""

    world: World = field(default_factory=shipped)
    now: datetime = NOW
    store: MemoryStore = field(default_factory=MemoryStore)
    timers: dict[str, Timer] = field(default_factory=dict)
    events: list[Emit] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def locate(self, located: TipLocated, *, urgent: bool = False) -> list[Emit]:
        """Feed a located tip; returns the referrals that it led to."""
        topic = topics.LOCATED + (topics.URGENT if urgent else "")
        return self._referrals(self.feed(topic, located.model_dump_json(by_alias=True).encode()))

    def answer(self, referral: Mapping[str, Any], what: str, **more: Any) -> list[Emit]:
        """Feed what an agency answered to *referral*."""
        said = OutcomeReported(
            referral_id=referral["referral_id"],
            tip_id=referral["tip_id"],
            version=referral["version"],
            group_id=referral["group"],
            destination=referral["destination"],
            what=what,  # type: ignore[arg-type]
            at=self.now,
            **more,
        )
        return self._referrals(self.feed(topics.OUTCOMES, said.model_dump_json(by_alias=True).encode()))

    def feed(self, topic: str, value: bytes | None) -> Outcome:
        """Feed a record."""
        record = Record(topic, 0, len(self.events), b"key", value, (), 0)
        return self._decide(Input(uuid4(), self.now, record=record))

    def person(self, review: Mapping[str, Any], by: tuple[str, ...], **decision: Any) -> list[Emit]:
        """Feed a person's answer to a question."""
        body = {**review, "state": "decided", "decision": decision, "decided_by": by, "decided_at": self.now}
        return self._referrals(self.feed(topics.REVIEWS, orjson.dumps(body)))

    def wait(self, time: timedelta) -> list[Emit]:
        """Let time pass; every timer that falls due fires, in order."""
        until, wrote = self.now + time, []
        while due := sorted((t for t in self.timers.values() if t.due <= until), key=lambda t: (t.due, t.key)):
            timer = due[0]
            del self.timers[timer.key]
            self.now = max(self.now, timer.due)
            wrote += self._referrals(self._decide(Input(uuid5(NAMESPACE, timer.key), self.now, timer=timer)))
        self.now = until
        return wrote

    def bodies(self, topic: str) -> list[dict[str, Any]]:
        """Everything that was written to *topic* and its urgent lane."""
        return [orjson.loads(e.body) for e in self.events if e.topic in (topic, topic + topics.URGENT)]

    def entry(self, kind: str) -> Entry:
        """The newest custody entry of *kind*."""
        return [entry for entry in self.entries if entry.kind == kind][-1]

    def _decide(self, given: Input) -> Outcome:
        overlay = Overlay(self.store)
        outcome = RouterHop(self.world, 1).decide(given, overlay)
        for number, emit in enumerate(outcome.events):
            emit.event_id = event_id(given.event_id, "router", number)
        self.store.apply(outcome.puts, None)
        self.timers |= {timer.key: timer for timer in outcome.timers}
        for key in outcome.cancels:
            self.timers.pop(key, None)
        self.events += outcome.events
        self.entries += outcome.entries
        return outcome

    def _referrals(self, outcome: Outcome) -> list[Emit]:
        return [emit for emit in outcome.events if emit.topic.startswith(topics.ROUTED)]


def told(emits: Iterable[Emit]) -> dict[str, dict[str, Any]]:
    """Referrals by destination."""
    return {emit.key: orjson.loads(emit.body) for emit in emits}


def actions(emits: Iterable[Emit]) -> dict[str, str]:
    """What each destination is asked to do."""
    return {agency: body["action"] for agency, body in told(emits).items()}


def tip_of(referral: Mapping[str, Any]) -> UUID:
    """Tip of a referral."""
    return UUID(str(referral["tip_id"]))
