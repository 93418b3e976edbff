"""
E45 and R06 through the real decisions of both hops on one clock: the police before the takedown, and how it is let go.

The router releases by the police's answer or after a day; what the notifier says
and does meanwhile (attempts, escalations, an end of the deadline) must not.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.vocabulary import Priority
from services.chassis.hop import Effect
from services.notifier.delivering.attempt import AttemptEnd, read_key
from tests.support.duty import STEP, Duty, takes_everything
from tests.support.notifier_world import START
from tests.support.tips import URGENT, a_tip

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICE, TAKEDOWN = "police-se", "takedown-se"

Plays = Callable[[Effect, datetime], AttemptEnd]


def police_answers(end: AttemptEnd) -> Plays:
    """The police's endpoint ends every attempt so; all others take everything."""
    return lambda effect, now: end if read_key(effect.key).agency == POLICE else takes_everything(effect, now)


def at_home(plays: Plays = takes_everything, **facts: Any) -> Duty:
    """Illegal content on a server in the home country has just been located."""
    duty = Duty(plays)
    duty.locate(a_tip("SE", **facts))
    return duty


@pytest.mark.parametrize(
    "plays",
    [
        takes_everything,
        police_answers(AttemptEnd(status=503)),
        police_answers(AttemptEnd(fault="timeout")),
        police_answers(AttemptEnd(status=403)),
        police_answers(AttemptEnd(status=410)),
    ],
    ids=["taken in silence", "busy", "no answer", "refused", "address is no more"],
)
def test_e45_a_day_without_the_polices_answer_lets_the_takedown_go_and_no_minute_less(plays: Plays) -> None:
    """E45: one referral, for R06, to the minute; the police had theirs first, whether or not it could be delivered."""
    duty = at_home(plays)
    duty.run(DAY - STEP)
    assert ([POLICE], []) == (duty.fed(), duty.sent(TAKEDOWN))
    duty.run(2 * STEP)

    assert [POLICE, TAKEDOWN] == duty.fed()
    assert START == duty.sent(POLICE)[0]
    assert [START + DAY] == duty.sent(TAKEDOWN)
    assert {"R06"} == {why["rule"] for why in duty.referrals[TAKEDOWN]["why"]}
    duty.run(2 * DAY)
    assert 1 == duty.fed().count(TAKEDOWN)


def test_e45_a_refusal_of_the_police_is_no_answer() -> None:
    """E45: "not ours" asks a person at once, and the takedown waits for its day like one that nobody answered."""
    duty = at_home()
    duty.run(HOUR)
    duty.answer(POLICE, "nack", nack="not_ours")
    duty.run(DAY)

    assert ["R11"] == duty.room.bodies("reviews")[-1]["reasons"]
    assert [START + DAY] == duty.sent(TAKEDOWN)


def test_e45_both_hops_starting_anew_keep_the_day() -> None:
    """E45: the timer is a row like others: a restart in the middle neither forgets it nor begins it again."""
    duty = at_home()
    duty.run(DAY / 2)
    duty.world.restart()
    duty.room = type(duty.room)(now=duty.room.now, store=duty.room.store, timers=duty.room.timers)
    duty.run(DAY / 2 + STEP)

    assert [START + DAY] == duty.sent(TAKEDOWN)


def test_e45_an_acknowledgement_lets_the_takedown_go_at_once_and_the_day_adds_nothing() -> None:
    """E45: it goes with the police's case number, not before; the timer does not send it a second time."""
    duty = at_home()
    duty.run(3 * HOUR)
    assert [] == duty.sent(TAKEDOWN)
    duty.answer(POLICE, "acknowledged", reference="K-1")
    duty.run(2 * DAY)

    assert [START + 3 * HOUR] == duty.sent(TAKEDOWN)
    assert 1 == duty.fed().count(TAKEDOWN)


def test_e45_at_p0_no_clock_lets_the_takedown_go_but_the_polices_act_does() -> None:
    """E45: ten days of escalations release nothing, nor does a case number; that the police acted does."""
    duty = at_home(**URGENT)
    assert Priority.P0 == duty.referrals[POLICE]["priority"]
    duty.run(10 * DAY)
    duty.answer(POLICE, "acknowledged", reference="K-1")
    duty.run(HOUR)
    assert TAKEDOWN not in duty.fed()
    assert {"escalated", "expired"} <= set(duty.world.words())
    duty.answer(POLICE, "actioned", reference="K-1")
    duty.run(STEP)

    assert 1 == duty.fed().count(TAKEDOWN) == len(duty.sent(TAKEDOWN))


def test_r39_an_active_investigation_holds_the_takedown_for_good() -> None:
    """R39: the police are at it: the day passes and nobody is told to remove anything."""
    duty = at_home()
    duty.run(2 * HOUR)
    duty.answer(POLICE, "active_investigation", reference="K-1")
    duty.run(5 * DAY)

    assert ([], 0) == (duty.sent(TAKEDOWN), duty.fed().count(TAKEDOWN))


def test_e45_a_tip_that_is_withdrawn_meanwhile_asks_for_no_takedown() -> None:
    """E45: the sender takes it back within the day; the police are told so, and the timer finds nothing to do."""
    duty = at_home()
    duty.run(HOUR)
    duty.locate(a_tip("SE", revision=2, withdrawn=True))
    duty.run(2 * DAY)

    assert TAKEDOWN not in duty.fed()
    assert "withdrawn" == duty.referrals[POLICE]["action"]
