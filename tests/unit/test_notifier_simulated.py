"""
The whole schedule of deliveries on a simulated clock: one seed, one story of five bad days and a recovery.

Agencies are down, busy, mute or gone, say junk in ``Retry-After``, are removed and
come back; receipts come at random times; referrals are corrected, withdrawn and
replayed; the process dies before and after commits; the wall clock jumps by an
hour. The oracle (tests/support/notifier_oracle.py) looks at what comes out, and
nothing is discarded. A failing seed is a line to run again:

    python -m tests.support.notifier_story SEED

The known-bad hops at the end prove that the stories find what they look for.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from contracts.onboarding import Agency
from services.chassis.hop import Effect, Input, Outcome, Timer, View
from tests.support.notifier_story import Story, production
from tests.support.notifier_world import START

SEEDS = 500
CHUNK = 50


def failures(seeds: range) -> list[str]:
    """What the stories of *seeds* found, each with its seed."""
    return [f"seed {seed}: {wrong}" for seed in seeds for wrong in Story(seed).run().wrong]


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_e69_e70_e83_nothing_is_discarded_and_every_rule_of_the_schedule_holds(first: int) -> None:
    """E69, E70, E83: 500 stories; at every moment the schedule's rules, at the end every referral delivered or over."""
    assert failures(range(first, first + CHUNK)) == []


def test_the_stories_are_eventful() -> None:
    """A story in which nothing goes wrong proves nothing: together they have every kind of trouble and of end."""
    stories = [Story(seed).run() for seed in range(60)]
    modes = {trouble.mode for story in stories for each in story.endpoints.troubles.values() for trouble in each}
    cases = [case for story in stories for case in story.oracle.cases.values()]

    assert {"down", "busy", "mute", "closing", "refusing", "gone", "slow"} == modes
    assert {"expired", "agency_removed", "acknowledged", "nack"} <= {word for case in cases for word in case.told}
    assert {"P0", "P1", "P2", "P3", "P4"} == {case.event.priority.value for case in cases}
    assert min(sum(flags) for flags in zip(*[_flags(story) for story in stories], strict=True)) > 0
    assert max(way.tries for case in cases for way in case.ways.values()) > 20


def _flags(story: Story) -> tuple[bool, ...]:
    """What a story was about: crashes, jumps, repeats, referrals replaced, gathered, asked after, tried to the end."""
    cases = story.oracle.cases.values()
    return (
        story.machine.crashes > 0,
        story.machine.skew != 0,
        story.oracle.repeats > 0,
        any(case.superseded for case in cases),
        any(case.gathers for case in cases),
        any(len(case.ways) > 1 for case in cases),
        any(case.follow_ups for case in cases),
        any(case.left for case in cases),
        story.oracle.exhausted > 0,
    )


class Mutant:
    """Production's hop with one thing wrong in what comes out of it."""

    def __init__(self, agencies: Mapping[str, Agency], spoil: Callable[[Outcome, Input], Outcome]) -> None:
        self._hop = production(agencies)
        self._spoil = spoil

    def decide(self, given: Input, view: View) -> Outcome:
        """Decide, wrongly."""
        return self._spoil(self._hop.decide(given, view), given)

    def resume(self, view: View) -> list[Effect]:
        """What was under way."""
        return self._hop.resume(view)


class Forgetful(Mutant):
    """Nothing is resumed."""

    def resume(self, view: View) -> list[Effect]:  # noqa: ARG002 - it forgets
        """Forget what was under way."""
        return []


def _timers(outcome: Outcome, name: str, change: Callable[[Timer], Timer | None]) -> Outcome:
    changed: list[Timer | None] = [change(each) if each.key.startswith(name) else each for each in outcome.timers]
    outcome.timers = [each for each in changed if each is not None]
    return outcome


def early(outcome: Outcome, given: Input) -> Outcome:
    """Retries come after half of their time."""
    return _timers(outcome, "retry/", lambda timer: replace(timer, due=given.now + (timer.due - given.now) / 2))


def lost_retry(outcome: Outcome, _given: Input) -> Outcome:
    """Retries never come."""
    return _timers(outcome, "retry/", lambda _timer: None)


def lost_lane(outcome: Outcome, _given: Input) -> Outcome:
    """A lane that waits is never looked at again."""
    return _timers(outcome, "lane/", lambda _timer: None)


def late_ladder(outcome: Outcome, _given: Input) -> Outcome:
    """The ladder climbs two days late."""
    return _timers(outcome, "ladder/", lambda timer: replace(timer, due=timer.due + timedelta(days=2)))


def other_bytes(outcome: Outcome, given: Input) -> Outcome:
    """The document says when it was sent."""
    stamp = str((given.now - START) // timedelta(seconds=1)).encode()
    outcome.effects = [replace(effect, body=effect.body + stamp) for effect in outcome.effects]
    return outcome


def silent(outcome: Outcome, _given: Input) -> Outcome:
    """Attempts are not entered into the custody log."""
    outcome.entries = [entry for entry in outcome.entries if entry.kind != "delivery.attempted"]
    return outcome


def third_copy(outcome: Outcome, _given: Input) -> Outcome:
    """The router is told twice."""
    outcome.events += [event for event in outcome.events if event.topic == "outcomes"]
    return outcome


def unordered(outcome: Outcome, _given: Input) -> Outcome:
    """Routine goes into the queue as if it were urgent."""
    outcome.puts = {key.replace("/1/", "/0/") if key.startswith("q/") else key: v for key, v in outcome.puts.items()}
    return outcome


def unbounded(outcome: Outcome, _given: Input) -> Outcome:
    """The lane forgets what is under way and how much of the rate is used."""
    for key in outcome.puts:
        if key.startswith("a/"):
            outcome.puts[key] = b"{}"
    return outcome


def discarding(outcome: Outcome, _given: Input) -> Outcome:
    """What parks is deleted."""
    if any(entry.kind == "delivery.parked" for entry in outcome.entries):
        outcome.timers = [timer for timer in outcome.timers if not timer.key.startswith("retry/")]
    return outcome


def idle(outcome: Outcome, _given: Input) -> Outcome:
    """A lane that waits is looked at ten minutes late."""
    return _timers(outcome, "lane/", lambda timer: replace(timer, due=timer.due + timedelta(minutes=10)))


def lost_follow_up(outcome: Outcome, _given: Input) -> Outcome:
    """Nobody asks what came of an acknowledged referral."""
    return _timers(outcome, "follow/", lambda _timer: None)


def lost_digest(outcome: Outcome, _given: Input) -> Outcome:
    """The day's digest never leaves."""
    return _timers(outcome, "departure/", lambda _timer: None)


def untold(outcome: Outcome, _given: Input) -> Outcome:
    """The router does not hear that another destination is needed."""
    asking = (b'"what":"expired"', b'"what":"agency_removed"')
    outcome.events = [
        each for each in outcome.events if each.topic != "outcomes" or not any(a in each.body for a in asking)
    ]
    return outcome


def withheld(outcome: Outcome, _given: Input) -> Outcome:
    """Every third document stays away from the agency's topic."""
    outcome.events = [
        event
        for event in outcome.events
        if not event.topic.startswith("referrals-agency-") or orjson.loads(event.body)["feed"]["number"] % 3
    ]
    return outcome


BAD = (
    early, lost_retry, lost_lane, late_ladder, other_bytes, silent, third_copy, unordered, unbounded, discarding,
    idle, lost_follow_up, lost_digest, untold, withheld,
)  # fmt: skip


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_the_stories_find_a_known_bad_hop(spoil: Callable[[Outcome, Input], Outcome]) -> None:
    """Each fault that is put in on purpose is found within 60 seeds."""
    assert any(_found(seed, lambda agencies: Mutant(agencies, spoil)) for seed in range(60))


def test_the_stories_find_a_hop_that_resumes_nothing() -> None:
    """An attempt that was under way when the process died must be made again."""
    keep = lambda outcome, _given: outcome  # noqa: E731 - spoils nothing
    assert any(_found(seed, lambda agencies: Forgetful(agencies, keep)) for seed in range(60))


def _found(seed: int, make: Callable[[Mapping[str, Agency]], Mutant]) -> bool:
    story = Story(seed, make)
    story.stops_at_first = True
    return bool(story.run().wrong)
