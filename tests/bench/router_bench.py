"""
What deciding costs: ``python -m tests.bench.router_bench``. Prints microseconds of CPU; compare ratios, not runs.

    route             triage, facts, every rule of the shipped book, the explanation kept; sorts of tips that recur
    route, new sort   the same of a tip of a sort that was never decided before
    explained         the same as JSON, with every rule, as the door answers
    hop               from the bytes of a located tip to everything that is written for it
    hop, new sort     the same of a tip of a sort that was never decided before
    heard again       one recorded decision by one more rulebook, as a backtest does
"""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import uuid5

from contracts import topics
from contracts.events import DecisionRecorded, TipLocated
from contracts.vocabulary import AssessmentStatus, Kind
from services.chassis.hop import Input, Record
from services.chassis.store.state import MemoryStore, Overlay
from services.router.decision import World, route
from services.router.hop import RouterHop
from services.router.rules.rehear import ask, facts_from
from services.router.telling.explain import explained
from tests.support.router_world import Room, rulebook, shipped
from tests.support.tips import NOW, ROOM, URGENT, a_tip, edge, of_person, suspect, unsure, victim

ROUNDS = 10_000
WARM = 500
T = TypeVar("T")


def cost_us(work: Callable[[T], object], over: Sequence[T]) -> float:
    """Microseconds of CPU of one call."""
    for one in over[:WARM]:
        work(one)
    began = time.process_time()
    for one in over:
        work(one)
    return (time.process_time() - began) / len(over) * 1e6


def tips() -> list[TipLocated]:
    """A mixture as senders bring it: most about content abroad, some about people, a few that are hard."""
    made = [
        *(a_tip("NL"), a_tip("US"), a_tip("DE"), a_tip("NL", status=AssessmentStatus.UNASSESSED), a_tip("VN")),
        *(a_tip("NL", people=(victim("SE"),)), a_tip("SE"), a_tip("US", persons=[of_person("SE")]), a_tip("FR")),
        *(a_tip(edge()), a_tip(unsure("NL", "FI")), a_tip(), a_tip("NL", **URGENT)),
        a_tip(kind=Kind.GROOMING, account_count=1, people=(victim("SE"), suspect("DK"))),
    ]
    return [
        one.model_copy(
            update={
                "received": one.received.model_copy(
                    update={"tip_id": uuid5(ROOM, str(number)), "group_id": f"{number:032x}"}
                )
            }
        )
        for number, one in enumerate(made * (ROUNDS // len(made)))
    ]


class Forgetful:
    """A world that remembers no decision."""

    def __init__(self, world: World) -> None:
        self.world = replace(world)
        self._clear = self.world.decided.cache_clear  # type: ignore[attr-defined] # it is an lru_cache

    def forget(self) -> World:
        """The world, with nothing remembered."""
        self._clear()
        return self.world

    def before(self, given: Input) -> Input:
        """*given*, with nothing remembered."""
        self._clear()
        return given


def main() -> int:
    """Measure and print."""
    world, over = shipped(), tips()
    hop, view = RouterHop(world, 1), MemoryStore()
    inputs = [
        Input(
            one.received.tip_id,
            NOW,
            Record(topics.LOCATED, 0, 0, b"k", one.model_dump_json(by_alias=True).encode(), (), 0),
        )
        for one in over
    ]
    recorded = [DecisionRecorded.model_validate(body) for body in _recorded(over[:14])]
    gc.collect()
    gc.freeze()
    anew = Forgetful(world)
    forgetful = RouterHop(anew.world, 1)
    rows = [
        ("route", cost_us(lambda one: route(one, world, now=NOW), over)),
        ("route, new sort", cost_us(lambda one: route(one, anew.forget(), now=NOW), over)),
        ("explained", cost_us(lambda one: explained(one, route(one, world, now=NOW), rules=True), over)),
        ("hop", cost_us(lambda given: hop.decide(given, Overlay(view)), inputs)),
        ("hop, new sort", cost_us(lambda given: forgetful.decide(anew.before(given), Overlay(view)), inputs)),
        (
            "heard again",
            cost_us(lambda one: ask(facts_from(one.facts, world.atlas), rulebook(), world.atlas), recorded * 100),
        ),
    ]
    for name, cost in rows:
        sys.stdout.write(f"{name:<16} {cost:7.1f} us\n")
    return 0


def _recorded(over: Sequence[TipLocated]) -> list[dict[str, object]]:
    room = Room()
    for one in over:
        room.locate(one)
    return room.bodies(topics.DECISIONS)


if __name__ == "__main__":
    raise SystemExit(main())
