"""What answers of agencies change, where two of our services could each think that the other one cares."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from contracts.vocabulary import AgencyKind, Priority, Profile
from services.notifier.answering.receipts import RefusedReceipt, check
from services.notifier.delivering.attempt import AttemptEnd
from tests.support.notifier_world import START, World, a_referral, an_agency

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def told(world: World) -> list[str]:
    """What the router was told."""
    return [row["what"] for row in world.rows("outcomes")]


def police() -> Any:
    """The police in the place of the usual agency."""
    return an_agency(kind=AgencyKind.POLICE, profile=Profile.POLICE)


@pytest.mark.parametrize(
    ("priority", "elsewhere"), [(Priority.P0, 1), (Priority.P2, 1), (Priority.P3, 0), (Priority.P4, 0)]
)
def test_e72_an_agency_without_room_keeps_the_referral_and_is_offered_it_again(
    priority: Priority, elsewhere: int
) -> None:
    """E72: overload ends nothing; P0 to P2 others are asked for at once, and a day later it may have room."""
    world, event = World(), a_referral(priority=priority)
    world.refer(event)
    world.run(timedelta(minutes=1))
    world.answer(event.referral_id, "nack", nack="overload")
    assert ["nack", *["expired"] * elsewhere] == told(world)
    assert ("parked", "overload") == (world.words()[-1], world.row(event.referral_id)["reason"])
    world.run(25 * HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-1")

    assert len(world.sent) > 1
    assert "acknowledged" == told(world)[-1]
    assert "nacked" not in world.words()


def test_e72_overload_of_an_agency_that_only_reads_its_feed_leaves_the_referral_open() -> None:
    """E72: nothing is pushed there, so nothing parks; the clock runs on until a case number comes."""
    world, event = World(an_agency(channels=("topic",), webhook=None)), a_referral(priority=Priority.P1)
    world.refer(event)
    world.answer(event.referral_id, "nack", nack="overload")
    world.run(30 * HOUR)

    assert "escalated" in world.words()
    assert "delivery.closed" not in [entry.kind for entry in world.entries]


def test_e72_overload_after_the_case_number_changes_nothing() -> None:
    """E72: who has acknowledged has it; the answer is recorded."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-1")
    world.answer(event.referral_id, "nack", nack="overload")

    assert (["acknowledged"], "receipt_ignored") == (told(world), world.words()[-1])


def test_r39_an_investigation_is_told_before_the_acknowledgement_that_would_release_the_takedown() -> None:
    """R39 before R06: one answer with a case number and an active investigation never lets the takedown go."""
    world, event = World(police()), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "active_investigation", reference="C-1")

    assert ["active_investigation", "acknowledged"] == told(world)
    assert world.row(event.referral_id)["case"] == "C-1"


def test_r39_an_investigation_counts_though_the_version_it_names_was_replaced() -> None:
    """R39: the police answer version 1 while version 2 is on its way; the marker is of the tip."""
    world, event = World(police()), a_referral()
    world.refer(event)
    world.run(HOUR)
    later = a_referral(2, version=2, action="update", replaces=event.referral_id, tip_id=event.tip_id)
    world.refer(later)
    world.answer(event.referral_id, "active_investigation", reference="C-1")

    assert ["active_investigation"] == told(world)
    assert "withdrawn" == world.row(event.referral_id)["life"]


def test_an_acknowledgement_that_says_what_came_of_it_says_both() -> None:
    """Reference and outcome in one receipt: the clock stops, and the sender hears the outcome."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-1", outcome="content_removed")
    sent = len(world.sent)
    world.run(30 * DAY)

    assert ["acknowledged", "actioned"] == told(world)
    assert "content_removed" in [row.get("outcome") for row in world.rows("tips-status-ecpat-se")]
    assert len(world.sent) == sent


@pytest.mark.parametrize("status", ["acknowledged", "actioned", "closed"])
def test_e57_the_same_move_said_twice_is_one_move(status: str) -> None:
    """E57: an answer that comes twice is no second move on the way to five; the referral is over here."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    for _ in range(2):
        world.answer(event.referral_id, status, reference="C-1", outcome="moved", moved_to="DE")

    assert ["acknowledged", "moved"] == told(world)
    assert "closed" == world.row(event.referral_id)["life"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"status": "acknowledged", "reference": " \t"}, "missing_reference"),
        ({"status": "question", "text": "\n"}, "missing_text"),
    ],
)
def test_e73_blanks_are_no_case_number_and_no_question(said: dict[str, str], reason: str) -> None:
    """E73: only a reference that says something stops the clock."""
    raw = orjson.dumps({"schema": "receipt/1", "referral_id": str(a_referral().referral_id), **said})
    found = check(raw, agency="hotline-nl", received_at=START)

    assert isinstance(found, RefusedReceipt)
    assert reason == found.reason


def test_e83_what_an_agency_has_and_never_answered_is_passed_on_when_it_is_removed() -> None:
    """E83: delivered and fed referrals too, at the next start and not weeks later when their clock goes off."""
    world = World(an_agency(), an_agency(id="hotline-de", channels=("topic",), webhook=None))
    pushed, fed = a_referral(1, priority=Priority.P3), a_referral(2, priority=Priority.P4, destination="hotline-de")
    done = a_referral(3)
    for event in (pushed, fed, done):
        world.refer(event)
    world.run(HOUR)
    world.answer(done.referral_id, "acknowledged", reference="C-1")
    world.onboard(an_agency(id="hotline-fr"))
    for _ in range(2):
        world.restart()
        world.run(timedelta(minutes=1))

    assert ["acknowledged", "agency_removed", "agency_removed"] == told(world)


def test_e83_a_removed_agency_with_many_referrals_is_gone_over_in_steps() -> None:
    """E83: 300 that nobody answered, none twice, none forgotten; a crash on the way begins anew."""
    world = World(an_agency(channels=("topic",), webhook=None))
    for number in range(300):
        world.refer(a_referral(number, priority=Priority.P3))
    world.onboard(an_agency(id="hotline-fr"))
    world.restart()
    assert told(world) == []
    world.restart()
    world.run(timedelta(seconds=1))

    assert 300 == told(world).count("agency_removed") == len(told(world))


def test_e83_an_agency_that_is_back_keeps_what_it_has() -> None:
    """E83: steps that were still to come find it again and do nothing."""
    world = World(an_agency(channels=("topic",), webhook=None))
    for number in range(300):
        world.refer(a_referral(number, priority=Priority.P3))
    world.onboard(an_agency(id="hotline-fr"))
    world.restart()
    world.onboard(an_agency(channels=("topic",), webhook=None))
    world.restart()
    world.run(HOUR)

    assert told(world) == []


def test_e83_follow_ups_that_were_due_while_the_agency_was_away_come_one_a_day_when_it_is_back() -> None:
    """E83: what an agency acknowledged is not forgotten for its absence, and a day is left to answer each."""
    world, event = World(), a_referral(priority=Priority.P4)
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-1")
    world.onboard(an_agency(id="hotline-de"))
    world.run(4 * DAY)
    assert 1 == len(world.sent)
    back = world.now
    world.onboard(an_agency())
    world.run(3 * DAY)

    asked = [row["at"] for row in world.rows("deliveries") if str(row.get("reason")).startswith("follow_up")]
    first, second, third = (datetime.fromisoformat(at) for at in asked)
    assert timedelta(0) <= first - back <= DAY
    assert [DAY, START + HOUR + 7 * DAY] == [second - first, third]
    assert 4 == len(world.sent)


def test_e83_an_agency_that_is_back_is_reminded_of_what_another_one_was_asked_for_meanwhile() -> None:
    """E83: the router was told of an overload and then the agency went away; its own clock goes on with its return."""
    world, event = World(), a_referral(priority=Priority.P2)
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "nack", nack="overload")
    world.onboard(an_agency(id="hotline-de"))
    world.run(5 * DAY)
    world.onboard(an_agency())
    world.run(2 * DAY)

    assert ["resend", "expired"] == [
        row.get("reason", row["what"]) for row in world.rows("deliveries") if row["what"] in ("escalated", "expired")
    ]
    assert ["nack", "expired"] == told(world)


def test_a_retry_says_why_the_one_before_it_failed() -> None:
    """An operator sees the cause while an agency is tried, not only once it is parked; success forgets it."""
    ends = [AttemptEnd(fault="pin"), AttemptEnd(status=200)]
    world, event = World(plays=lambda _effect, _now: ends.pop(0)), a_referral()
    world.refer(event)
    world.run(timedelta(seconds=3))
    waiting = world.row(event.referral_id).get("reason")
    world.run(HOUR)

    assert ("pin", None) == (waiting, world.row(event.referral_id).get("reason"))
