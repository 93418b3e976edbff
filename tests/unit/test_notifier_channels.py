"""The life of a delivery with more than one pushed channel, on a clock that jumps: values only."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from contracts.onboarding import Agency
from contracts.vocabulary import ChannelName, Priority
from services.chassis.hop import Effect
from services.notifier.delivering.attempt import AttemptEnd, read_body, read_key
from services.notifier.delivering.breaker import OPENS_AFTER
from services.notifier.delivering.delivery import Delivery, Push
from services.notifier.delivering.order import lane_name, read_lane_name
from services.notifier.onboarded import Onboarded, webhook_warnings
from tests.support.notifier_world import START, World, a_referral, an_agency

TAKEN, POSTED = AttemptEnd(status=200), AttemptEnd(reply=250)
DOWN, BUSY = AttemptEnd(status=503), AttemptEnd(status=429, retry_after_s=3600)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MAIL = {"to": "desk@agency.example", "from": "mesh@vidare.example"}

Way = Callable[[datetime], AttemptEnd]


def mailed(*channels: str, **changes: Any) -> Agency:
    """An agency with e-mail: behind its webhook, or as *channels* say."""
    webhook = {} if "webhook" in channels or not channels else {"webhook": None}
    return an_agency(channels=list(channels or ("webhook", "email")), email=MAIL, **(webhook | changes))


def plays(webhook: AttemptEnd | Way = TAKEN, email: AttemptEnd | Way = POSTED) -> Any:
    """Endpoints that end attempts so."""
    ends = {"webhook": webhook, "email": email}

    def play(effect: Effect, now: datetime) -> AttemptEnd:
        end = ends[effect.kind]
        return end if isinstance(end, AttemptEnd) else end(now)

    return play


def sent(world: World, kind: str) -> list[timedelta]:
    """When attempts by a channel began, from the start."""
    return [moment - START for moment, effect in world.sent if effect.kind == kind]


def test_an_agency_with_mail_alone_is_served() -> None:
    """One message, delivered when the server took it, never acknowledged by that."""
    world, event = World(mailed("email"), plays=plays()), a_referral()
    world.refer(event)
    world.run(HOUR)

    assert ["attempted", "delivered"] == world.words()
    assert ["email"] == [effect.kind for _, effect in world.sent]
    assert ("delivered", "done") == (
        world.row(event.referral_id)["life"],
        world.way(event.referral_id, "email")["push"],
    )


def test_a_channel_that_works_leaves_the_others_alone() -> None:
    """Later channels are fallbacks: within the agency's time nothing goes by mail."""
    world = World(mailed(), plays=plays())
    world.refer(a_referral(priority=Priority.P1))
    world.run(23 * HOUR)

    assert [] == sent(world, "email")


@pytest.mark.parametrize(("priority", "after"), [(Priority.P0, 15 * MINUTE), (Priority.P1, 24 * HOUR)])
def test_the_second_channel_joins_at_its_rung(priority: Priority, after: timedelta) -> None:
    """Silence for 15 min (P0) or a day (P1): the first one is used again and the second one joins, once."""
    world = World(mailed(), plays=plays())
    world.refer(a_referral(priority=priority))
    world.run(after + MINUTE)

    assert [after] == sent(world, "email")
    assert [timedelta(0), after] == sent(world, "webhook")


def test_the_order_is_that_of_the_record() -> None:
    """Mail first where the agency says so, and the webhook joins it."""
    world = World(mailed("email", "webhook"), plays=plays())
    world.refer(a_referral(priority=Priority.P0))
    world.run(16 * MINUTE)

    assert [timedelta(0), 15 * MINUTE] == sent(world, "email")
    assert [15 * MINUTE] == sent(world, "webhook")


@pytest.mark.parametrize("status", [400, 404, 410, 301])
def test_the_next_channel_joins_where_one_is_refused_for_good(status: int) -> None:
    """Parked on the first, at once on the second; the router is not asked while a channel is left."""
    world, event = World(mailed(), plays=plays(AttemptEnd(status=status))), a_referral(priority=Priority.P3)
    world.refer(event)
    world.run(MINUTE)

    assert "parked" == world.way(event.referral_id, "webhook")["push"]
    assert "delivered" == world.row(event.referral_id)["life"]
    assert [] == world.rows("outcomes")
    escalated = [row for row in world.rows("deliveries") if row["what"] == "escalated"]
    assert [("next_channel", "email")] == [(row["reason"], row["channel"]) for row in escalated]


def test_the_next_channel_joins_after_the_last_attempt() -> None:
    """Ten attempts over three days, then mail; both keep what they have counted."""
    world, event = World(mailed(), plays=plays(DOWN)), a_referral(priority=Priority.P3)
    world.refer(event)
    world.run(4 * DAY)

    assert timedelta(hours=70) < sent(world, "email")[0] < timedelta(hours=84)
    assert ("parked", "exhausted", 10) == tuple(
        world.way(event.referral_id, "webhook")[name] for name in ("push", "reason", "counted")
    )


def test_gone_with_no_channel_left_goes_to_the_router() -> None:
    """E69: 410, and the mailbox is no more either: R11 takes over, once."""
    world = World(mailed(), plays=plays(AttemptEnd(status=410), AttemptEnd(reply=550)))
    world.refer(a_referral(priority=Priority.P3))
    world.run(3 * DAY)

    assert ["agency_removed"] == [row["what"] for row in world.rows("outcomes")]


@pytest.mark.parametrize("priority", list(Priority)[:5])
def test_e69_a_p0_does_not_wait_for_a_busy_channel(priority: Priority) -> None:
    """429 is respected, but a P0 goes by mail at once; every other waits as it was asked to."""
    world = World(mailed(), plays=plays(BUSY))
    world.refer(a_referral(priority=priority))
    world.run(10 * MINUTE)

    assert ([timedelta(seconds=1)] if priority is Priority.P0 else []) == sent(world, "email")


def test_e69_a_p0_does_not_wait_for_an_open_breaker() -> None:
    """What comes while the breaker is open goes by mail in the same decision; a P2 waits."""
    world = World(mailed(), plays=plays(AttemptEnd(fault="timeout")))
    for number in range(OPENS_AFTER + 4):
        world.refer(a_referral(number, priority=Priority.P3))
    world.run(6 * MINUTE)
    began = len(sent(world, "email"))
    world.refer(a_referral(100, priority=Priority.P2))
    world.refer(a_referral(101, priority=Priority.P0))

    assert (0, 1) == (began, len(sent(world, "email")))
    assert str(a_referral(101).referral_id) in next(e.key for _, e in reversed(world.sent) if e.kind == "email")


def test_e69_queued_p0s_are_taken_along_when_the_breaker_opens() -> None:
    """They stood in its queue, or waited for their next attempt: none waits for the rung of the ladder."""
    world = World(mailed(concurrency=1), plays=plays(AttemptEnd(fault="timeout")), takes=timedelta(seconds=1))
    for number in range(OPENS_AFTER + 10):
        world.refer(a_referral(number, priority=Priority.P0))
    world.run(7 * MINUTE)

    assert {str(a_referral(number).referral_id) for number in range(OPENS_AFTER + 10)} == {
        effect.key.split("/")[1] for _, effect in world.sent if effect.kind == "email"
    }


def test_mail_that_fails_does_not_open_the_webhooks_breaker() -> None:
    """Each channel has a lane and a breaker of its own, and neither waits for the other."""
    world = World(mailed("email", "webhook"), plays=plays(email=AttemptEnd(reply=451)))
    for number in range(30):
        world.refer(a_referral(number, priority=Priority.P0))
    world.run(HOUR)

    lanes = {key: orjson.loads(raw) for key, raw in world.store.items() if key.startswith("a/")}
    assert lanes["a/hotline-nl~email"]["breaker"]["until"]
    assert "breaker" not in lanes["a/hotline-nl"]
    assert 30 == world.words().count("delivered")


def test_an_acknowledgement_stops_every_channel() -> None:
    """What waits, what is parked and what would be asked again."""
    police = mailed(kind="police", profile="police")
    world, event = World(police, plays=plays(DOWN, AttemptEnd(reply=450))), a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(20 * MINUTE)
    before = len(world.sent)
    assert [key for key in world.timers if key.startswith("retry/")]
    world.answer(event.referral_id, "acknowledged", reference="C-1")
    assert not [key for key in world.timers if key.startswith("retry/")]
    world.run(30 * DAY)

    assert before == len(world.sent)
    assert ["done", "done"] == [world.way(event.referral_id, name)["push"] for name in ("webhook", "email")]


def test_a_parked_fallback_rests_once_the_first_channel_got_through() -> None:
    """The document is there; the mailbox that refused it is not tried daily for ever."""
    back = START + DAY
    world = World(
        mailed(), plays=plays(lambda now: TAKEN if now >= back else AttemptEnd(status=404), AttemptEnd(reply=550))
    )
    world.refer(a_referral(priority=Priority.P3))
    world.run(12 * DAY)

    assert 1 == len(sent(world, "email"))
    assert 1 == world.words().count("delivered")


def test_a_restart_asks_both_channels_again_with_the_same_names() -> None:
    """Nobody knows how the attempts ended: the same keys and bytes, and each is counted once."""
    world = World(mailed("email", "webhook"), plays=plays(), takes=timedelta(seconds=30))
    event = a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(15 * MINUTE + timedelta(seconds=1))
    under_way = [effect for _, effect in world.sent[-2:]]
    assert {"email", "webhook"} == {effect.kind for effect in under_way}
    world.restart()
    again = [effect for _, effect in world.sent[-2:]]
    world.run(HOUR)

    assert sorted(under_way, key=str) == sorted(again, key=str)
    assert [2, 1] == [world.way(event.referral_id, name)["tries"] for name in ("email", "webhook")]


def test_the_end_of_one_channels_attempt_is_not_taken_for_the_others() -> None:
    """Names hold the channel: the first try by mail is not the first try by webhook."""
    world, event = World(mailed(), plays=plays(BUSY)), a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(MINUTE)

    keys = [effect.key for _, effect in world.sent[:2]]
    assert [f"hotline-nl/{event.referral_id}/1", f"hotline-nl~email/{event.referral_id}/1"] == keys
    assert [ChannelName.WEBHOOK, ChannelName.EMAIL] == [read_key(key).channel for key in keys]


def test_an_end_that_comes_late_is_not_taken_for_the_next_one() -> None:
    """The first try is told of again while the second one is under way: that one still counts, once."""
    world, event = World(mailed("email"), plays=plays(email=AttemptEnd(reply=451))), a_referral()
    world.refer(event)
    world.run(timedelta(seconds=6))
    assert 2 == len(world.sent)
    world.tell(world.sent[0][1].key, POSTED)

    assert "life" not in world.row(event.referral_id)  # queued, as it was
    assert ["attempted"] == world.words()


@pytest.mark.parametrize("channel", [ChannelName.WEBHOOK, ChannelName.EMAIL])
def test_a_lanes_name_reads_back(channel: ChannelName) -> None:
    """Agency and channel, for every id that an agency may have."""
    assert ("hotline-de-email", channel) == read_lane_name(lane_name("hotline-de-email", channel))


def test_a_channel_that_was_taken_out_of_the_record_makes_room_for_the_next() -> None:
    """The agency changed from webhook to mail while a referral waited: it goes by mail without waiting for days."""
    world, event = World(mailed(), plays=plays(DOWN)), a_referral(priority=Priority.P3)
    world.refer(event)
    world.run(timedelta(seconds=3))
    world.plays = plays(AttemptEnd(fault="no_channel"))
    world.onboard(mailed("email"))
    world.run(10 * MINUTE)

    assert "delivered" == world.row(event.referral_id)["life"]


@pytest.mark.parametrize(
    ("stored", "ways"),
    [
        ({}, []),
        ({"push": "queued"}, [(Push.QUEUED, 0, 0, None)]),
        ({"push": "sending", "tries": 3, "counted": 2}, [(Push.SENDING, 2, 3, None)]),
        ({"push": "parked", "tries": 10, "counted": 10, "reason": "exhausted"}, [(Push.PARKED, 10, 10, "exhausted")]),
    ],
)
def test_a_row_of_the_time_of_one_channel_still_loads(stored: dict[str, Any], ways: list[Any]) -> None:
    """Its webhook goes on where it was; a feed's row has none."""
    world, event = World(mailed("topic", webhook=None)), a_referral()
    world.refer(event)
    row = {name: value for name, value in world.row(event.referral_id).items() if name != "ways"}
    read = Delivery.model_validate_json(orjson.dumps(row | stored))

    assert ways == [(way.push, way.counted, way.tries, way.reason) for way in read.ways]
    assert read == Delivery.model_validate_json(read.model_dump_json(exclude_defaults=True))


def test_clear_text_never_goes_into_a_mail() -> None:
    """The document lies in the feed for the agency's token; the mail's effect holds ids and times only."""
    world = World(mailed("email", token="env:TOKEN"), plays=plays())
    event = a_referral()
    world.refer(event)
    effect = world.sent[0][1]

    asked, document = read_body(effect.body)
    assert b"" == document
    assert asked.notice is not None
    assert [event.referral_id] == [line.referral for line in asked.notice.lines]
    assert 1 == len(world.rows("referrals-agency-hotline-nl"))
    assert b"host.example" not in effect.body
    world.run(MINUTE)
    disclosed = [entry.basis for entry in world.entries if entry.kind == "delivery.attempted"]
    assert [{}] == disclosed


def test_a_notice_is_told_of_by_the_next_channel_too() -> None:
    """A withdrawal that a webhook refuses must still reach the desk that has the referral."""
    world = World(mailed(), plays=plays(AttemptEnd(status=404)))
    event = a_referral(action="withdrawn")
    world.refer(event)
    world.run(MINUTE)

    assert "closed" == world.row(event.referral_id)["life"]
    assert 1 == len(sent(world, "email"))


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("http://desk.example/in", False),
        ("http://192.0.2.7/in", False),
        ("http://[2001:db8::7]/in", False),
        ("https://desk.example/in", True),
        ("http://127.0.0.1:8190/in", True),
        ("http://[::1]:8190/in", True),
        ("http://localhost:8190/in", True),
    ],
)
def test_a_webhook_in_clear_text_is_warned_of_at_the_start(url: str, *, taken: bool) -> None:
    """One bad address is told to the operator, and stops nobody else's referrals."""
    agency = an_agency(webhook={"url": url, "secret": "env:VIDARE_TEST_SECRET"})

    assert Onboarded({agency.id: agency}).records
    assert taken == (not list(webhook_warnings(agency)))
