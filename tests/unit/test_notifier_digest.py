"""Digests of P4 referrals: one message a day, every referral accounted for, listed once: values only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.onboarding import Agency
from contracts.vocabulary import Action, Priority
from services.notifier.delivering.attempt import AttemptEnd, Notice, read_body
from services.notifier.delivering.digest import DEPARTS, MOST, next_departure
from tests.support.notifier_world import START, World, a_referral, an_agency

MAIL = {"to": "desk@agency.example", "from": "mesh@vidare.example"}
POSTED, LATER = AttemptEnd(reply=250), AttemptEnd(reply=450)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LEAVES = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
"""The first digest after the start of these tests."""


def desk(**changes: Any) -> Agency:
    """An agency that wants digests, by mail alone."""
    return an_agency(**({"channels": ["email"], "webhook": None, "email": MAIL, "digest_p4": True} | changes))


def low(number: int, **changes: Any) -> Any:
    """A P4 referral."""
    return a_referral(number, priority=Priority.P4, **changes)


def notices(world: World) -> list[Notice]:
    """What the messages said, in the order in which they were sent."""
    found = [read_body(effect.body)[0].notice for _, effect in world.sent if effect.kind == "email"]
    return [notice for notice in found if notice is not None]


def always(end: AttemptEnd) -> Any:
    """A server that always ends attempts like this."""
    return lambda _effect, _now: end


def test_p4_referrals_wait_and_leave_together_at_six() -> None:
    """One message that lists all, and a delivery with its custody entry for each of them."""
    world = World(desk(), plays=always(POSTED))
    for number in range(5):
        world.refer(low(number))
    world.run(DAY - HOUR)

    assert [LEAVES] == [moment for moment, _ in world.sent]
    assert {low(number).referral_id for number in range(5)} == {line.referral for line in notices(world)[0].lines}
    assert 5 == world.words().count("delivered")
    assert 5 == [entry.kind for entry in world.entries].count("delivery.delivered")
    assert {"done"} == {world.row(low(number).referral_id)["push"] for number in range(5)}
    assert [] == [key for key in world.store if key.startswith(("g/", "y/", "departure"))]


@pytest.mark.parametrize("priority", [Priority.P0, Priority.P1, Priority.P2, Priority.P3])
def test_what_is_more_urgent_never_waits_for_a_digest(priority: Priority) -> None:
    """It leaves at once, alone, past those that wait."""
    world = World(desk(), plays=always(POSTED))
    world.refer(low(1))
    world.refer(a_referral(2, priority=priority))

    assert [START] == [moment for moment, _ in world.sent]
    assert [a_referral(2).referral_id] == [line.referral for line in notices(world)[0].lines]


def test_the_feed_does_not_wait() -> None:
    """The document stands in the topic the moment the referral is taken."""
    world = World(desk(channels=["email", "topic"]), plays=always(POSTED))
    world.refer(low(1))

    assert 1 == len(world.rows("referrals-agency-hotline-nl"))


def test_a_referral_is_listed_once_even_where_a_message_may_have_been_lost() -> None:
    """Nobody knows how an attempt ended: the same message with the same name again, and newcomers go with the next."""
    ends = iter([AttemptEnd(fault="protocol"), LATER, POSTED, POSTED])
    world = World(desk(), plays=lambda _effect, _now: next(ends))
    world.refer(low(1))
    world.run(LEAVES - START + HOUR / 2)
    world.refer(low(2))
    world.run(2 * DAY)

    said = [(notice.id, [line.referral for line in notice.lines]) for notice in notices(world)]
    assert [said[0]] * 3 == said[:3]
    assert [[low(2).referral_id]] == [lines for _, lines in said[3:]]
    assert said[3][0] != said[0][0]
    attempts = [row["attempt"] for row in world.rows("deliveries") if row["what"] == "attempted"]
    assert [1, 2, 3, 1] == attempts


def test_a_restart_sends_the_digest_that_was_under_way_as_it_was() -> None:
    """The same name, the same lines; its end is told of each referral once."""
    world = World(desk(), plays=always(POSTED), takes=timedelta(minutes=1))
    for number in range(3):
        world.refer(low(number))
    world.run(LEAVES - START + timedelta(seconds=1))
    world.restart()
    world.run(HOUR)

    assert world.sent[0][1] == world.sent[1][1]
    assert 3 == world.words().count("delivered")


def test_more_than_fits_goes_in_further_messages_at_once() -> None:
    """No decision touches more rows than one message lists, and nothing waits another day."""
    world = World(desk(rate_per_minute=60), plays=always(POSTED))
    count = 2 * MOST + 7
    for number in range(count):
        world.refer(low(number))
    world.run(LEAVES - START + HOUR)

    assert [MOST, MOST, 7] == [len(notice.lines) for notice in notices(world)]
    assert count == len({line.referral for notice in notices(world) for line in notice.lines})
    assert count == world.words().count("delivered")


def test_a_refused_digest_parks_each_of_its_referrals_and_is_offered_daily() -> None:
    """A mailbox that is not there: told of each referral, nothing is discarded, and it leaves when it is back."""
    back = LEAVES + 2 * DAY + HOUR
    world = World(desk(), plays=lambda _effect, now: POSTED if now >= back else AttemptEnd(reply=550))
    for number in range(3):
        world.refer(low(number))
    world.run(2 * DAY)
    assert 3 <= world.words().count("parked")
    assert "smtp_550" == world.row(low(1).referral_id)["reason"]
    world.run(3 * DAY)

    assert 3 == world.words().count("delivered")
    assert 1 == len({notice.id for notice in notices(world)})


def test_the_next_channel_joins_each_of_a_refused_digest() -> None:
    """They go by webhook, one by one."""
    agency = an_agency(channels=["email", "webhook"], email=MAIL, digest_p4=True)
    world = World(agency, plays=lambda e, _now: AttemptEnd(reply=550) if e.kind == "email" else AttemptEnd(status=200))
    for number in range(3):
        world.refer(low(number))
    world.run(DAY)

    assert 3 == len([effect for _, effect in world.sent if effect.kind == "webhook"])
    assert 3 == world.words().count("delivered")


def test_what_was_taken_back_before_it_left_is_not_listed() -> None:
    """A withdrawn referral leaves the gathering; so does one that was acknowledged through the feed."""
    world = World(desk(channels=["email", "topic"]), plays=always(POSTED))
    for number in range(3):
        world.refer(low(number))
    world.refer(low(9, referral_id=uuid4(), action=Action.WITHDRAWN, replaces=low(0).referral_id, version=2))
    world.answer(low(1).referral_id, "acknowledged", reference="C-1")
    world.run(LEAVES - START + HOUR)

    listed = {line.referral for notice in notices(world) for line in notice.lines}
    assert low(2).referral_id in listed
    assert not {low(0).referral_id, low(1).referral_id} & listed


def test_a_reminder_is_a_message_of_its_own() -> None:
    """After 30 days without an answer, under the referral's own name: no digest lists it a second time."""
    world = World(desk(), plays=always(POSTED))
    world.refer(low(1))
    world.run(31 * DAY)

    assert [True, False] == [notice.digest for notice in notices(world)]
    assert low(1).referral_id == notices(world)[1].id


def test_an_agency_with_a_key_gets_no_digest(tmp_path: Any) -> None:
    """Its document is read from its mail only, so each has a message of its own, at once."""
    key = tmp_path / "agency.jwk"
    x25519 = {"kty": "OKP", "crv": "X25519", "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}
    key.write_bytes(orjson.dumps(x25519))
    world = World(desk(encrypt_to=str(key)), plays=always(POSTED))
    world.refer(low(1))

    assert [False] == [notice.digest for notice in notices(world)]
    assert b"" != read_body(world.sent[0][1].body)[1]


def test_an_agency_that_left_keeps_its_gathering() -> None:
    """Nothing is sent to it; when it is onboarded again the digest leaves at the next departure."""
    world = World(desk(), plays=always(POSTED))
    world.refer(low(1))
    world.onboard(an_agency(id="hotline-de"))
    world.run(2 * DAY)
    assert [] == world.sent
    world.onboard(desk())
    world.run(DAY)

    assert 1 == world.words().count("delivered")


def away(world: World) -> None:
    """The agency is onboarded no longer; nothing but its own timers and ends tell of it."""
    world.onboard(an_agency(id="hotline-de"))


def passed_on(world: World) -> list[str]:
    """Referrals for which the router was asked for another destination."""
    return [row["referral_id"] for row in world.rows("outcomes") if row["what"] == "agency_removed"]


@pytest.mark.parametrize("count", [3, MOST + 7])
def test_e83_what_gathers_for_an_agency_that_left_is_passed_on(count: int) -> None:
    """E83: at the departure, each once, however many days it stays away; back again, it gets its digests."""
    world = World(desk(rate_per_minute=60), plays=always(POSTED))
    for number in range(count):
        world.refer(low(number))
    away(world)
    world.run(3 * DAY)
    assert [] == world.sent
    assert sorted(str(low(number).referral_id) for number in range(count)) == sorted(passed_on(world))
    world.onboard(desk(rate_per_minute=60))
    world.run(DAY)

    assert count == world.words().count("delivered")


@pytest.mark.parametrize("end", [LATER, AttemptEnd(reply=550)], ids=["waiting", "parked"])
def test_e83_each_referral_of_a_digest_is_passed_on_when_its_agency_left(end: AttemptEnd) -> None:
    """E83: a digest that is offered again finds nobody: its referrals go to the router, the digest is kept."""
    gone = LEAVES + timedelta(seconds=2)
    world = World(desk(), plays=lambda _effect, now: end if now < gone else POSTED)
    for number in range(3):
        world.refer(low(number))
    world.run(gone - START)
    away(world)
    world.run(3 * DAY)
    assert 1 == len(world.sent)
    assert sorted(str(low(number).referral_id) for number in range(3)) == sorted(passed_on(world))
    world.onboard(desk())
    world.run(DAY)

    assert 3 == world.words().count("delivered")


@given(now=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_digests_leave_once_a_day(now: datetime) -> None:
    """The next departure is after now, within a day, at the hour."""
    at = next_departure(now)

    assert timedelta(0) < at - now <= DAY
    assert at.timetz() == DEPARTS


def test_gathering_costs_the_same_however_many_wait() -> None:
    """The hundredth referral that gathers writes as many rows as the second one: no list grows with each."""
    world = World(desk(), plays=always(POSTED))
    sizes = [_written(world.refer(low(number))) for number in range(100)]

    assert sizes[1] == sizes[99]


def _written(outcome: Any) -> tuple[int, int]:
    return len(outcome.puts), sum(len(value or b"") // 100 for value in outcome.puts.values())
