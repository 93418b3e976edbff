"""What a referral is owed while it is open: rungs and follow-ups in time, other channels, another destination."""

from collections.abc import Iterator
from typing import Any

from contracts.onboarding import Agency
from tests.support.notifier_cases import DAY, FOLLOW_UPS, FOLLOWED, HOUR, LADDER, MINUTE, Case, Desk, pushed
from tests.support.notifier_sim import SECOND, Machine

ASKED = {"expired", "agency_removed"}
"""Words that ask the router for another destination."""
PASSED_OVER = {"P0", "P1", "P2"}
BUSY = {"http_429", "smtp_421", "smtp_450", "smtp_452"}
OUR_OWN = {"recipient_removed", "overload"}
"""Reasons of parking that are no end of an attempt."""
LATE = DAY + HOUR
"""How late a rung or a follow-up may be that was due while its agency was away."""


def owed(machine: Machine, case: Case, agency: Agency, *, since: int) -> Iterator[str]:
    """What should have happened by now; *since* tells when the process was last started."""
    here = agency.id in machine.agencies
    if case.superseded and not case.over:
        yield "replaced, and its clock runs on"
    yield from _follow_ups(machine, case, agency, here=here)
    if not case.open or case.notice:
        return
    told = bool(ASKED & set(case.told))
    if case.overloaded and case.event.priority.value in PASSED_OVER and not told:
        yield "its agency has no room, and the router does not know"
    if not here and not told and machine.true > since + MINUTE:
        yield "its agency is not onboarded, and the router does not know"
    if here and not case.absent and "agency_removed" not in case.told:
        yield from _rungs(machine, case, agency, told=told)


def _rungs(machine: Machine, case: Case, agency: Agency, *, told: bool) -> Iterator[str]:
    ladder = LADDER[case.event.priority.value]
    due = (
        0
        if machine.wall < case.back + LATE
        else sum(case.began + after <= machine.wall - SECOND for after, _ in ladder)
    )
    if case.rungs < due:
        yield f"{case.rungs} rungs of {due} after {(machine.wall - case.began) / HOUR} h"
    climbed = {word for _, word in ladder[: case.rungs]}
    if "expired" in climbed and not told:
        yield "expired, and the router does not know"
    if "second_channel" in climbed and len(case.ways) < min(2, len(pushed(agency))):
        yield "unanswered, and no second channel joined"


def _follow_ups(machine: Machine, case: Case, agency: Agency, *, here: bool) -> Iterator[str]:
    if case.acknowledged is None or case.over or not case.followed or agency.kind.value not in FOLLOWED:
        return
    if not case.event.content.indicators.urls or not here:
        return
    put_off = case.back + LATE  # one day for each of those that were due meanwhile
    due = 0
    while due < len(FOLLOW_UPS) and max(case.acknowledged + FOLLOW_UPS[due][0], put_off) <= machine.wall - SECOND:
        due, put_off = due + 1, put_off + DAY if case.left else put_off
    if case.follow_ups < due:
        yield f"{case.follow_ups} follow-ups of {due} after {(machine.wall - case.acknowledged) / HOUR} h"
    passed_over = agency.kind.value == "hotline" and case.event.priority.value in PASSED_OVER
    if case.follow_ups >= 2 and passed_over and not ASKED & set(case.told):
        yield "unchanged after 72 h, and the router does not know"


def passed_on(case: Case) -> Iterator[str]:
    """The last attempt to an agency that is onboarded no longer has ended: the router has heard of its referral."""
    if case.open and not case.notice and not ASKED & set(case.told):
        yield "its agency is gone with the attempt, and the router does not know"


def joins(case: Case, agency: Agency, desk: Desk, rows: list[dict[str, Any]]) -> Iterator[str]:
    """The next channel joins in the decision that parks a copy, and for a P0 in the one that would let it wait."""
    ended = next((row for row in rows if row["what"] == "attempted"), None)
    if ended is None or len(case.ways) >= len(pushed(agency)) or case.over or case.acknowledged is not None:
        return
    words = {row["what"] for row in rows}
    is_parked = any(row["what"] == "parked" and row["reason"] not in OUR_OWN for row in rows)
    waits = case.event.priority.value == "P0" and "delivered" not in words
    waits = waits and (desk.shut or ended["reason"] in BUSY) and not case.delivered
    if (is_parked or waits) and "escalated" not in words:
        yield f"{case.event.referral_id}: {ended['reason']}, and no other channel joins"
