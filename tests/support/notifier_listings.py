"""What must hold of digests: one message a day, each referral in one of them, none that is over, none alone."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta

from contracts.onboarding import Agency
from services.chassis.hop import Effect
from services.notifier.delivering.attempt import read_body
from tests.support.notifier_cases import HOUR, Case, instant
from tests.support.notifier_sim import Machine

LEAVES, LARGEST = time(6, 0), 200
PATIENCE = 6 * HOUR
"""How late a digest may be made where the process was down at the hour, perhaps again and again."""


class Listings:
    """Looks at messages as they leave."""

    def __init__(self) -> None:
        self._listed: dict[str, str] = {}
        """By referral: the digest that lists it."""

    def digest(self, referral: str) -> str:
        """The digest that lists it; its timer is the referral's."""
        return self._listed.get(referral, "")

    def alone(self, case: Case, effect: Effect) -> Iterator[str]:
        """A mail of one referral."""
        each = str(case.event.referral_id)
        if effect.kind == "email" and case.gathers and not case.asked_again and each not in self._listed:
            yield f"{each}: it should wait for the digest"

    def sent(self, effect: Effect, cases: dict[str, Case], *, punctual: bool) -> Iterator[str]:
        """A digest; *punctual* where its agency was always there, and the wall clock ran as clocks do."""
        asked, _ = read_body(effect.body)
        if asked.notice is None or not asked.notice.digest:
            yield f"{effect.key}: a message of nobody knows what"
            return
        made, lines = instant(asked.queued_at), [str(line.referral) for line in asked.notice.lines]
        if not 0 < len(lines) <= LARGEST or len(set(lines)) < len(lines):
            yield f"{effect.key}: a digest of {len(lines)} lines"
        for each in lines:
            if self._listed.setdefault(each, effect.key.split("/")[1]) != effect.key.split("/")[1]:
                yield f"{each}: listed in two digests"
            yield from _fits(cases[each], made, punctual=punctual)

    def owed(self, machine: Machine, case: Case, agency: Agency) -> Iterator[str]:
        """A day and some hours later it has been listed."""
        if case.gathers is None or not case.open or case.left or agency.id not in machine.agencies:
            return
        late = machine.wall > instant(departure(case.gathers)) + PATIENCE
        if late and str(case.event.referral_id) not in self._listed:
            yield "it waits for a digest that does not leave"


def _fits(case: Case, made: int, *, punctual: bool) -> Iterator[str]:
    each = case.event.referral_id
    if case.gathers is None:
        yield f"{each}: listed although it is to go alone"
        return
    due = instant(departure(case.gathers))
    if punctual and case.done_at is not None and case.done_at < made:
        yield f"{each}: listed although it was over"
    if punctual and not due <= made <= due + PATIENCE:
        yield f"{each}: listed {(made - due) / HOUR} h after the digest's hour"


def departure(since: datetime) -> datetime:
    """When the first digest after *since* leaves."""
    today = datetime.combine(since.date(), LEAVES, since.tzinfo)
    return today if today > since else today + timedelta(days=1)
