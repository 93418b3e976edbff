"""The life of a delivery in the whole hop, on a clock that jumps: values only."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from contracts.events import ReferralRouted
from contracts.vocabulary import Action, DeadReason, Priority
from services.chassis.errors import Poison
from services.chassis.hop import Effect
from services.notifier.delivering.attempt import AttemptEnd, read_body
from services.notifier.parse import referral_routed
from tests.support.notifier_world import SECRETS, START, World, a_referral, an_agency

OK = AttemptEnd(status=200)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def always(end: AttemptEnd) -> Any:
    """An agency that always ends attempts like this."""
    return lambda _effect, _now: end


def outcomes(world: World) -> list[str]:
    """What the router was told."""
    return [row["what"] for row in world.rows("outcomes")]


def statuses(world: World) -> list[str]:
    """What the sender was told."""
    return [row["status"] for row in world.rows("tips-status-ecpat-se")]


def kinds(world: World) -> list[str]:
    """Kinds of the custody entries."""
    return [entry.kind for entry in world.entries]


def test_a_referral_is_fed_pushed_and_told_of() -> None:
    """Topic in the transaction, webhook after it, one status to the sender, an entry for each step."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)

    assert ["dispatched", "attempted", "delivered"] == world.words()
    assert ["hop.queued", "delivery.attempted", "delivery.delivered"] == kinds(world)
    assert ["delivered"] == statuses(world)
    feed = next(each for each in world.events if each.topic == "referrals-agency-hotline-nl")
    assert (str(event.referral_id), "hotline-nl", True) == (feed.key, feed.to, feed.fresh_trace)
    assert feed.body == read_body(world.sent[0][1].body)[1]


def test_a_status_names_the_kind_of_destination_only() -> None:
    """The sender never learns which agency it was."""
    world = World()
    world.refer(a_referral())
    world.run(HOUR)

    row = world.rows("tips-status-ecpat-se")[0]
    assert ("hotline", "E-1") == (row["destination"], row["reference"])
    assert "hotline-nl" not in str(row)


def test_the_same_referral_again_is_not_sent_again() -> None:
    """A replay makes an entry that says so and no second copy."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.refer(event)
    world.run(HOUR)

    assert 1 == len(world.rows("referrals-agency-hotline-nl")) == len(world.sent)
    assert True is world.entries[-1].tally["repeat"]


def test_only_an_acknowledgement_stops_the_clock() -> None:
    """A delivered P0 escalates; an acknowledged one does not."""
    for acknowledged, expected in ((False, ["second_channel", "duty_officer"]), (True, [])):
        world, event = World(an_agency(kind="police", profile="police")), a_referral(priority=Priority.P0)
        world.refer(event)
        world.run(timedelta(minutes=1))
        if acknowledged:
            world.answer(event.referral_id, "acknowledged", reference="C-1")
        world.run(2 * HOUR)

        assert expected == [row["reason"] for row in world.rows("deliveries") if row["what"] == "escalated"]
        assert ("expired" in outcomes(world)) is not acknowledged


@pytest.mark.parametrize(
    ("priority", "rungs"),
    [
        (Priority.P0, {"second_channel": 0.25, "duty_officer": 0.5, "expired": 1}),
        (Priority.P1, {"second_channel": 24, "expired": 28}),
        (Priority.P2, {"resend": 72, "expired": 96}),
        (Priority.P3, {"reminder": 14 * 24}),
        (Priority.P4, {"reminder": 30 * 24}),
    ],
)
def test_the_ladder_of_each_priority(priority: Priority, rungs: dict[str, float]) -> None:
    """What happens when after a missed acknowledgement; P3 and P4 are reminded every week for ever."""
    world = World()
    world.refer(a_referral(priority=priority))
    world.run(60 * DAY)

    found: dict[str, float] = {}
    for row in world.rows("deliveries"):
        if row["what"] in ("escalated", "expired"):
            at = (datetime.fromisoformat(row["at"]) - START) / HOUR
            found.setdefault(row.get("reason", "expired"), at)
    assert rungs == found
    assert (priority in (Priority.P3, Priority.P4)) == (len([w for w in world.words() if w == "escalated"]) > 3)


def test_a_late_acknowledgement_stands_the_escalation_down() -> None:
    """E74: both states are kept, and the router is asked for another destination once only."""
    world, event = World(), a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(3 * HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-9")
    world.run(100 * DAY)

    assert ["expired", "acknowledged"] == outcomes(world)
    last = [row for row in world.rows("deliveries") if row["what"] == "acknowledged"]
    assert [("escalation_stood_down", "C-9")] == [(row["reason"], row["reference"]) for row in last]


def test_a_second_acknowledgement_is_recorded_and_changes_nothing() -> None:
    """E73: the first reference stays."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-1")
    before = world.row(event.referral_id)
    world.answer(event.referral_id, "acknowledged", reference="C-2")

    assert before == world.row(event.referral_id)
    assert ("receipt_ignored", "receipt.checked") == (world.words()[-1], kinds(world)[-1])
    assert ["acknowledged"] == outcomes(world)


@pytest.mark.parametrize("agency", ["hotline-nl", "police-se"])
def test_a_receipt_for_what_the_agency_never_got_is_rejected(agency: str) -> None:
    """E73: an unknown id, or another agency's, changes nothing and is in the custody log."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    store = dict(world.store)
    world.answer(uuid4() if agency == "hotline-nl" else event.referral_id, "acknowledged", agency, reference="C-1")

    assert store == world.store
    assert ("receipt.refused", "unknown_referral") == (world.entries[-1].kind, world.entries[-1].tally["reason"])


def test_an_acknowledgement_through_the_feed_stops_the_attempts() -> None:
    """An agency that read its topic while its webhook is down gets no further attempt."""
    world, event = World(plays=always(AttemptEnd(status=503))), a_referral()
    world.refer(event)
    world.run(timedelta(minutes=10))
    sent = len(world.sent)
    world.answer(event.referral_id, "acknowledged", reference="C-1")
    world.run(10 * HOUR)

    assert sent == len(world.sent)


@pytest.mark.parametrize("word", ["not_ours", "malformed", "legal"])
def test_a_nack_ends_the_delivery_and_goes_to_the_router(word: str) -> None:
    """E72: no clock runs on here; the router looks for another destination."""
    world, event = World(), a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(timedelta(minutes=1))
    world.answer(event.referral_id, "nack", nack=word)
    world.run(2 * DAY)

    assert [("nack", word)] == [(row["what"], row["nack"]) for row in world.rows("outcomes")]
    assert "escalated" not in world.words()
    assert "delivery.closed" == kinds(world)[-1]


def test_a_move_is_told_to_the_router_with_its_country() -> None:
    """``moved`` re-routes; the sender hears the outcome."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "actioned", outcome="moved", moved_to="DE", reference="C-1")

    assert [("acknowledged", None), ("moved", "DE")] == [(r["what"], r.get("moved_to")) for r in world.rows("outcomes")]
    assert ["delivered", "acknowledged", "outcome"] == statuses(world)


def test_a_question_reaches_the_sender_and_stops_nothing() -> None:
    """The text goes to the sender's status topic and nowhere else."""
    world, event = World(), a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(timedelta(minutes=1))
    world.answer(event.referral_id, "question", text="Which account do you mean?")
    world.run(HOUR)

    assert ["Which account do you mean?"] == [
        r.get("text") for r in world.rows("tips-status-ecpat-se") if r.get("text")
    ]
    assert "Which" not in str(world.rows("deliveries")) + str(world.entries) + str(world.rows("outcomes"))
    assert "escalated" in world.words()


def test_an_active_investigation_is_told_to_the_router() -> None:
    """R39: the takedown is held by the router; the sender is told nothing."""
    world, event = World(an_agency(kind="police", profile="police")), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "active_investigation", reference="C-1")

    assert ["active_investigation", "acknowledged"] == outcomes(world)
    assert ["delivered", "acknowledged"] == statuses(world)


def test_a_hotline_that_changes_nothing_is_asked_again_and_then_passed_over() -> None:
    """Follow-ups at 24 h, 72 h, 7, 14 and 28 days; at 72 h the router looks further, once."""
    world, event = World(), a_referral(priority=Priority.P2)
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-1")
    world.run(60 * DAY)

    asked = [row["reason"] for row in world.rows("deliveries") if row["what"] == "escalated"]
    assert [f"follow_up_{hours}h" for hours in (24, 72, 168, 336, 672)] == asked
    assert ["acknowledged", "expired"] == outcomes(world)


def test_after_removal_nobody_asks_again() -> None:
    """An actioned referral is followed up no more, and a closed one is forgotten after 90 days."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-1")
    world.answer(event.referral_id, "actioned", outcome="content_removed")
    world.answer(event.referral_id, "closed", outcome="content_removed")
    world.run(10 * DAY)
    assert "escalated" not in world.words()
    world.run(90 * DAY)

    assert {} == {key: value for key, value in world.store.items() if not key.startswith(("a/", "f/"))}
    assert {} == world.timers


def test_a_receipt_in_the_answer_counts_for_that_referral_only() -> None:
    """The body of a 2xx may be a receipt; one for another referral, or junk, is no answer."""
    event, other = a_referral(), a_referral(2)

    def plays(_effect: Effect, _now: datetime) -> AttemptEnd:
        body = {
            "schema": "receipt/1",
            "referral_id": str(event.referral_id),
            "status": "acknowledged",
            "reference": "C-1",
        }
        return AttemptEnd(status=200, answer=orjson.dumps(body).decode())

    world = World(plays=plays)
    world.refer(event)
    world.refer(other)
    world.run(HOUR)

    assert ("acknowledged", "delivered") == (world.row(event.referral_id)["life"], world.row(other.referral_id)["life"])


@pytest.mark.parametrize(
    "end",
    [
        AttemptEnd(status=500),
        AttemptEnd(fault="timeout"),
        AttemptEnd(status=429, retry_after_s=60),
        AttemptEnd(fault="tls"),
    ],
)
def test_a_failed_attempt_is_made_again_with_the_same_id(end: AttemptEnd) -> None:
    """E69: 500, a time-out after who knows what, 429: the same referral id and the same bytes again."""
    ends = iter([end, end, OK])
    world, event = World(plays=lambda _effect, _now: next(ends)), a_referral()
    world.refer(event)
    world.run(HOUR)

    assert 3 == len(world.sent)
    assert 1 == len({effect.body for _, effect in world.sent})
    assert 1 == world.words().count("delivered")


def test_a_2xx_with_an_unreadable_body_is_delivered() -> None:
    """E69: the status is the answer; without a receipt the clock runs on."""
    world, event = World(plays=always(AttemptEnd(status=200, answer="<html>welcome</html>"))), a_referral()
    world.refer(event)
    world.run(timedelta(hours=80))

    assert "delivered" == world.row(event.referral_id)["life"]
    assert "escalated" in world.words()


def test_retry_after_moves_the_next_attempt() -> None:
    """E69: 429 with a minute waits a minute where the schedule says 5 s."""
    ends = iter([AttemptEnd(status=429, retry_after_s=60), OK])
    world = World(plays=lambda _effect, _now: next(ends))
    world.refer(a_referral())
    world.run(HOUR)

    assert timedelta(seconds=61) == world.sent[1][0] - world.sent[0][0]


def test_a_busy_webhook_does_not_hold_up_a_p0_in_the_feed() -> None:
    """E69: while 429 is respected, the alternative channel of a P0 is written already, in the first transaction."""
    world, event = World(plays=always(AttemptEnd(status=429, retry_after_s=3600))), a_referral(priority=Priority.P0)
    outcome = world.refer(event)

    assert "referrals-agency-hotline-nl" in [each.topic for each in outcome.events]


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413])
def test_a_permanent_refusal_parks_at_once_and_is_offered_daily(status: int) -> None:
    """Trying again at once would not help; nothing is discarded."""
    world, event = World(plays=always(AttemptEnd(status=status))), a_referral(priority=Priority.P3)
    world.refer(event)
    world.run(timedelta(days=3, hours=1))

    assert 4 == len(world.sent)
    assert ("parked", f"http_{status}") == (
        world.row(event.referral_id)["push"],
        world.row(event.referral_id)["reason"],
    )
    assert "delivery.parked" in kinds(world)


def test_gone_goes_to_the_router() -> None:
    """E69: after 410 the referral parks here and the router takes R11."""
    world = World(plays=always(AttemptEnd(status=410)))
    world.refer(a_referral())
    world.run(HOUR)

    assert ["agency_removed"] == outcomes(world)
    assert "parked" in world.words()


def test_a_dead_agency_delays_no_other() -> None:
    """E70: a hundred referrals wait for one agency while another gets its own at once."""
    other = an_agency(id="hotline-de")
    world = World(
        an_agency(),
        other,
        plays=lambda effect, _now: OK if effect.lane == "hotline-de" else AttemptEnd(fault="timeout"),
        takes=timedelta(seconds=15),
    )
    for number in range(100):
        world.refer(a_referral(number))
    event = a_referral(500, destination="hotline-de")
    world.refer(event)
    world.run(timedelta(seconds=15))

    assert "delivered" == world.row(event.referral_id, "hotline-de")["life"]


def test_an_open_breaker_parks_without_counting() -> None:
    """While a dead agency is probed, waiting referrals use up no attempts; when it returns all go out in order."""
    back = START + 5 * DAY
    world = World(plays=lambda _effect, now: AttemptEnd(status=200 if now >= back else 503))
    events = [a_referral(number, priority=Priority.P3) for number in range(60)]
    for event in events:
        world.refer(event)
    world.run(5 * DAY - timedelta(seconds=1))
    probes = len(world.sent)
    assert max(world.row(event.referral_id).get("counted", 0) for event in events) < 10
    assert probes < 5 * 24 * 13 + 100
    world.run(HOUR)

    assert {"done"} == {world.row(event.referral_id)["push"] for event in events}
    assert 60 == world.words().count("delivered")


def test_urgent_goes_first_then_the_oldest_deadline() -> None:
    """In one lane a P0 overtakes every waiting P3, and among equals the earliest deadline goes first."""
    world = World(an_agency(concurrency=1))
    routine = [
        a_referral(number, priority=Priority.P3, acknowledge_by=START + timedelta(days=20 - number))
        for number in range(5)
    ]
    for event in routine:
        world.refer(event)
    urgent = a_referral(99, priority=Priority.P0)
    world.refer(urgent)
    world.run(timedelta(minutes=5))

    order = [UUID(effect.key.split("/")[1]) for _, effect in world.sent]
    assert [routine[0], urgent, *reversed(routine[1:])] == [by_id(order_id, [*routine, urgent]) for order_id in order]


def by_id(referral: UUID, events: list[ReferralRouted]) -> ReferralRouted:
    """The event with that referral id."""
    return next(event for event in events if event.referral_id == referral)


def test_slow_routine_attempts_leave_a_place_for_urgent_ones() -> None:
    """Of four places one is kept free, so a P0 never waits for a time-out of somebody else."""
    world = World(takes=timedelta(seconds=15))
    for number in range(20):
        world.refer(a_referral(number, priority=Priority.P3))
    world.refer(a_referral(99, priority=Priority.P0))

    assert 4 == len(world.sent)
    assert str(a_referral(99).referral_id) in world.sent[-1][1].key


def test_the_agreed_rate_and_concurrency_are_kept() -> None:
    """Never more at once than agreed, never more a minute than agreed and a tenth."""
    world = World(an_agency(rate_per_minute=60, concurrency=2))
    for number in range(200):
        world.refer(a_referral(number))
    world.run(timedelta(minutes=10))

    moments = [moment for moment, _ in world.sent]
    assert 200 == len(moments)
    assert max(sum(1 for each in moments if start <= each < start + timedelta(minutes=1)) for start in moments) <= 67


def test_a_restart_sends_what_was_under_way_with_the_same_id() -> None:
    """Nobody knows how it ended: the same key, the same bytes."""
    world, event = World(), a_referral()
    world.refer(event)
    world.restart()
    world.run(HOUR)

    assert world.sent[0][1] == world.sent[1][1]
    assert 1 == world.words().count("delivered")


def test_an_update_takes_the_place_of_the_earlier_version() -> None:
    """The earlier one's clock stops and an unsent copy stays here; the new one goes its own way."""
    world, event = World(plays=always(AttemptEnd(status=503))), a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(timedelta(seconds=2))
    newer = a_referral(
        referral_id=uuid4(), version=2, action=Action.UPDATE, replaces=event.referral_id, priority=Priority.P0
    )
    world.refer(newer)
    world.run(3 * HOUR)

    assert "withdrawn" == world.row(event.referral_id)["life"]
    assert 1 == len([effect for _, effect in world.sent if str(event.referral_id) in effect.key])
    assert 1 == outcomes(world).count("expired")


def test_a_withdrawal_is_a_notice_that_asks_for_nothing() -> None:
    """It is delivered, closed at once, and never escalates."""
    world, event = World(), a_referral(priority=Priority.P1)
    world.refer(event)
    world.run(HOUR)
    notice = a_referral(
        referral_id=uuid4(), version=2, action=Action.WITHDRAWN, replaces=event.referral_id, priority=Priority.P1
    )
    world.refer(notice)
    world.run(50 * DAY)

    assert ("withdrawn", "closed") == (world.row(event.referral_id)["life"], world.row(notice.referral_id)["life"])
    assert "escalated" not in world.words()
    assert [] == outcomes(world)
    assert ["delivered"] == statuses(world)


@pytest.mark.parametrize("changes", [{"active": False}, {"hold": True}, None])
def test_an_agency_that_cannot_be_reached_sends_the_referral_back(changes: dict[str, bool] | None) -> None:
    """Not onboarded, suspended or on hold: nothing leaves, the router is told, the referral waits whole."""
    event = a_referral()
    world = World(an_agency(**changes)) if changes else World(an_agency(id="hotline-de"))
    world.refer(event)
    world.run(2 * DAY)

    assert ["agency_removed"] == outcomes(world)
    assert ([], []) == (world.rows("referrals-agency-hotline-nl"), world.sent)
    assert ["hop.queued", "delivery.parked"] == kinds(world)
    world.onboard(an_agency())
    world.run(DAY + HOUR)
    assert "delivered" == world.row(event.referral_id)["life"]


def test_an_agency_removed_while_rows_wait_loses_none() -> None:
    """E83: the open one goes back to the router once, is kept, and goes out if the agency returns."""
    world, event = World(plays=always(AttemptEnd(status=503))), a_referral()
    world.refer(event)
    world.run(timedelta(seconds=2))
    world.onboard(an_agency(id="hotline-de"))
    world.run(10 * DAY)
    assert ["agency_removed"] == outcomes(world)
    world.plays = always(OK)
    world.onboard(an_agency())
    world.run(2 * DAY)

    assert "done" == world.row(event.referral_id)["push"]


def test_pull_agencies_have_a_feed_and_no_push() -> None:
    """The document stands in the feed when the transaction commits; that is delivered."""
    world, event = World(an_agency(channels=["pull"], webhook=None)), a_referral()
    world.refer(event)

    assert ["dispatched", "delivered"] == world.words()
    assert [] == world.sent
    assert not [key for key in world.store if key.startswith("d/")]


def test_rows_events_and_entries_hold_no_content() -> None:
    """Only the documents hold what a tip says; keys, rows, records and the custody log never do."""
    world = World(an_agency(kind="police", profile="police"))
    world.refer(a_referral())
    world.run(100 * DAY)

    documents = {key for key in world.store if key.startswith("d/")}
    shown = str({key: value for key, value in world.store.items() if key not in documents})
    shown += str(world.entries) + str(world.rows("deliveries")) + str(world.rows("outcomes")) + str(world.timers)
    assert not [name for name, value in SECRETS.items() if value in shown]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, DeadReason.NULL_VALUE),
        (b"{", DeadReason.NOT_JSON),
        (b'{"schema": "referral-routed/2"}', DeadReason.UNKNOWN_VERSION),
        (b'{"schema": "referral-routed/1"}', DeadReason.INVALID_EVENT),
    ],
)
def test_a_poison_record_is_named(raw: bytes | None, reason: DeadReason) -> None:
    """E71: what can never be worked goes to the dead letters with its reason."""
    with pytest.raises(Poison) as raised:
        referral_routed(raw)

    assert reason is raised.value.reason
    assert raised.value.__cause__ is None


def test_a_fresh_p0_does_not_wait_for_an_open_breaker() -> None:
    """It is the probe: an agency that is back gets it at once, whatever the pause."""
    back = START + timedelta(hours=2)
    world = World(plays=lambda _effect, now: AttemptEnd(status=200 if now >= back else 503))
    for number in range(40):
        world.refer(a_referral(number, priority=Priority.P3))
    world.run(timedelta(hours=1, minutes=59, seconds=58))
    urgent = a_referral(99, priority=Priority.P0)
    world.run(timedelta(seconds=3))
    world.refer(urgent)
    world.run(timedelta(seconds=5))

    assert "delivered" == world.row(urgent.referral_id)["life"]


def test_an_unreachable_referral_that_is_replayed_is_told_once() -> None:
    """E81: a replay of what is kept already makes a repeat's entry only."""
    world, event = World(an_agency(id="hotline-de")), a_referral()
    world.refer(event)
    world.refer(event)

    assert (["agency_removed"], True) == (outcomes(world), world.entries[-1].tally["repeat"])
