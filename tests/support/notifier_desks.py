"""What must hold of one agency's lane, told from its attempts: how many, how often, who first, and no idleness."""

from collections.abc import Iterator

from contracts.onboarding import Agency
from services.chassis.hop import Effect
from tests.support.notifier_cases import (
    FIRST_PAUSE,
    GONE_PAUSE,
    HOUR,
    LONGEST_PAUSE,
    MINUTE,
    OPENS_AFTER,
    Case,
    Desk,
    Ended,
    Way,
    deadline,
)
from tests.support.notifier_sim import NEVER, SECOND, Machine

SETTLED = 3 * HOUR
"""After the wall clock jumped, twice by an hour at most, pauses that were begun before it are over."""


def over(machine: Machine, desk: Desk, told: Ended) -> None:
    """Count failures in a row as an agency's engineer would, and when the lane may be tried again."""
    desk.running.pop(told.effect.key, None)
    desk.rested = machine.true
    if told.good:
        desk.failures, desk.shut, desk.gone_until = 0, False, -NEVER
        return
    desk.failures += 1
    desk.shut = desk.shut or told.gone or desk.failures >= OPENS_AFTER
    desk.gone = told.gone or (desk.gone and machine.wall < desk.gone_until)
    desk.gone_until = machine.wall + GONE_PAUSE if told.gone else desk.gone_until


def bounds(machine: Machine, desk: Desk, agency: Agency, *, urgent: bool) -> Iterator[str]:
    """As many at a time and as often as agreed, and the last free place is for what is urgent."""
    if len(desk.running) >= agency.concurrency:
        yield f"{agency.id}: {len(desk.running) + 1} at a time"
    if not urgent and not desk.shut and agency.concurrency > 1 and len(desk.running) == agency.concurrency - 1:
        yield f"{agency.id}: routine takes the last free place"
    desk.starts.append(machine.true)
    while desk.starts[0] <= machine.true - MINUTE:
        desk.starts.popleft()
    if len(desk.starts) > agency.rate_per_minute * 1.1 + 1:
        yield f"{agency.id}: {len(desk.starts)} in a minute"


def probing(machine: Machine, desk: Desk, lane: str, *, fresh: bool) -> Iterator[str]:
    """Of an open breaker one attempt at a time, with pauses; a fresh urgent one need not wait for them."""
    if not desk.shut:
        return
    if desk.running:
        yield f"{lane}: a second probe of an open breaker"
    if fresh:
        return
    if machine.wall < desk.last_start + FIRST_PAUSE:
        yield f"{lane}: a probe before the pause was over"
    if machine.wall < desk.gone_until:
        yield f"{lane}: a probe within the hour after the agency said that it is gone"


def idle(machine: Machine, desk: Desk, way: Way, since: int, rate: int) -> Iterator[str]:
    """A lane with nothing under way does not rest while something is ready: it was, and only starts now."""
    began = max(way.ready, desk.rested, since)
    pause = 0 if not desk.shut else GONE_PAUSE if desk.gone else LONGEST_PAUSE
    if not desk.running and machine.true > began + pause + MINUTE // rate + SECOND:
        yield f"nothing was sent for {(machine.true - began) / SECOND} s although it was ready"


def waiting(machine: Machine, desk: Desk, agency: Agency) -> Iterator[str]:
    """Something urgent waits, and only for this lane: it may, where its places or its rate are used up."""
    while desk.starts and desk.starts[0] <= machine.true - MINUTE:
        desk.starts.popleft()
    places = 1 if desk.shut else agency.concurrency
    if len(desk.running) < places and len(desk.starts) < max(1, agency.rate_per_minute // 10):
        yield "urgent, and it waits at an agency with room"


def in_turn(machine: Machine, case: Case, effect: Effect, others: list[Case]) -> Iterator[str]:
    """
    Urgent first, then the oldest deadline; told of those that were never tried.

    After a stop many timers are due at once and ring one by one: whose own has not rung yet is not in the queue.
    """
    channel = effect.kind
    for other in others:
        way = other.ways.get(channel)
        if machine.timers.get(f"retry/{effect.lane}/{other.event.referral_id}", NEVER) <= machine.wall:
            continue
        if other is case or way is None or way.tries or way.not_before >= machine.wall or way.gathers:
            continue
        if not other.open or other.absent or other.delivered:
            continue
        sooner = (not other.urgent, deadline(other)) < (not case.urgent, deadline(case))
        equal = other.urgent == case.urgent and not case.ways[channel].tries
        if (other.urgent and not case.urgent) or (sooner and equal):
            yield f"{case.event.referral_id}: went before {other.event.referral_id}"
