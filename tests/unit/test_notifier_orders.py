"""Operators' orders: pause, resume, replay and close, each with one effect, a name and a reason."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.events import AgencyOrdered
from contracts.vocabulary import Action, DeadReason, Order, Priority
from services.chassis.running.memory_run import Fed, run_in_memory
from services.notifier.delivering.attempt import AttemptEnd, read_body
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from services.notifier.ordering import replay
from tests.support.notifier_orders import REASON, OrderedWorld, feed_of
from tests.support.notifier_world import START, a_referral, an_agency

DOWN, GONE_WRONG, UP = AttemptEnd(status=503), AttemptEnd(status=404), AttemptEnd(status=200)
TWO = ("duty-7", "duty-2")


def a_parked_one(number: int = 1, **changes: object) -> tuple[OrderedWorld, UUID]:
    """A world with one referral that its agency refused for good, and an agency that is well since."""
    world = OrderedWorld(plays=lambda _effect, _now: GONE_WRONG)
    event = a_referral(number, **changes)
    world.refer(event)
    world.run(timedelta(minutes=1))
    world.plays = lambda _effect, _now: UP
    return world, event.referral_id


def test_pause_holds_everything_back_and_counts_nothing() -> None:
    """No attempt begins; the row waits in the queue, with no attempt counted and no end recorded."""
    world = OrderedWorld()
    world.order("pause")
    world.refer(a_referral(1))
    world.refer(a_referral(2, priority=Priority.P0))
    world.run(timedelta(hours=2))

    assert [] == world.sent
    for number in (1, 2):
        row = world.row(a_referral(number).referral_id)
        assert ("queued", 0, 0) == (row.get("push", "queued"), row.get("tries", 0), row.get("counted", 0))
    assert "attempted" not in world.words()


def test_pause_does_not_stop_the_agencys_own_feed() -> None:
    """The topic is read by the agency when it likes; what is paused is what we push."""
    world = OrderedWorld()
    world.order("pause")
    world.refer(a_referral(1))

    assert 1 == len(feed_of(world))


def test_a_paused_p0_escalates_as_ever() -> None:
    """Second channel, duty officer, other destination: whoever pauses an agency stops no child's clock."""
    world = OrderedWorld()
    world.order("pause")
    world.refer(a_referral(1, priority=Priority.P0))
    world.run(timedelta(minutes=61))

    assert ["escalated", "escalated", "expired"] == [word for word in world.words() if word in ("escalated", "expired")]
    assert ["expired"] == [row["what"] for row in world.rows("outcomes")]
    assert [] == world.sent


def test_an_attempt_that_waits_for_its_time_waits_on() -> None:
    """A retry whose time comes during a pause stands in the queue and goes when the agency is resumed."""
    world = OrderedWorld(plays=lambda _effect, _now: DOWN)
    world.refer(a_referral(1))
    world.run(timedelta(seconds=2))
    world.order("pause")
    world.run(timedelta(hours=1))
    assert 1 == len(world.sent)

    world.order("resume")
    world.run(timedelta(seconds=2))
    assert 2 == len(world.sent)


def test_resume_goes_on_in_order() -> None:
    """Urgent first, then the oldest deadline, as if there had been no pause."""
    world = OrderedWorld(an_agency(concurrency=1))
    world.order("pause")
    levels = (Priority.P3, Priority.P2, Priority.P0, Priority.P1)
    for number, level in enumerate(levels):
        world.refer(a_referral(number, priority=level))
    world.order("resume")
    world.run(timedelta(minutes=1))

    assert [a_referral(number).referral_id for number in (2, 3, 1, 0)] == world.sent_ids()


def test_an_attempt_under_way_ends_as_it_ends_and_is_not_begun_again() -> None:
    """A pause cuts nothing off; a resume while it still runs sends nothing twice."""
    world = OrderedWorld(takes=timedelta(seconds=10))
    world.refer(a_referral(1))
    world.order("pause")
    world.run(timedelta(seconds=1))
    world.order("resume")
    world.run(timedelta(minutes=1))

    assert 1 == len(world.sent)
    assert "delivered" in world.words()


def test_a_restart_during_a_pause_sends_nothing() -> None:
    """What was under way when the process died is made when the agency is resumed, with its number of the attempt."""
    world = OrderedWorld(takes=timedelta(seconds=10))
    world.refer(a_referral(1))
    world.order("pause")
    world.restart()
    world.run(timedelta(hours=1))
    assert 1 == len(world.sent)

    world.order("resume")
    world.run(timedelta(minutes=1))
    first, second = (effect for _, effect in world.sent)
    assert (first.key, first.body) == (second.key, second.body)
    assert 1 == world.words().count("delivered")


def test_other_agencies_are_not_paused() -> None:
    """A pause is one agency's."""
    world = OrderedWorld(an_agency(), an_agency(id="hotline-de"))
    world.order("pause")
    world.refer(a_referral(1))
    world.refer(a_referral(2, destination="hotline-de"))
    world.run(timedelta(minutes=1))

    assert [a_referral(2).referral_id] == world.sent_ids()


def test_every_order_stands_in_the_custody_log_with_name_and_reason() -> None:
    """Who ordered what and why, also where it changed nothing."""
    world = OrderedWorld()
    world.order("pause", by=("duty-7",))
    world.order("pause", by=("duty-2",))
    world.order("resume")
    world.order("resume")
    entries = [entry for entry in world.entries if entry.kind == "agency.ordered"]

    assert ["done", "refused", "done", "refused"] == [entry.tally["state"] for entry in entries]
    assert ["already_paused", "not_paused"] == [entry.tally["refused"] for entry in entries if "refused" in entry.tally]
    assert ["operator:duty-7", "operator:duty-2"] == [entry.actor for entry in entries[:2]]
    assert all(entry.basis["reason"] == REASON for entry in entries)


def test_a_parked_referral_goes_out_again_marked_as_replay() -> None:
    """The same id, the same bytes; the replay is told in deliveries and names its operator in the custody log."""
    world, referral = a_parked_one()
    world.order("redeliver", referral=referral)
    world.run(timedelta(minutes=1))

    first, second = world.bytes_of(referral)
    assert first == second
    assert ["reopened", "attempted", "delivered"] == world.words()[-3:]
    note = next(row for row in world.rows("deliveries") if row["what"] == "reopened")
    assert ("replay", "webhook") == (note["reason"], note["channel"])
    entry = next(entry for entry in world.entries if entry.kind == "delivery.reopened")
    assert ("operator:duty-7", str(a_referral().tip_id)) == (entry.actor, entry.tip)


def test_case_86_two_operators_take_up_the_same_parked_referral() -> None:
    """One replay; the other is told, whether it comes while the first is on its way or after it has ended."""
    world, referral = a_parked_one()
    world.order("redeliver", referral=referral, seen=1, by=("duty-7",))
    world.order("redeliver", referral=referral, seen=1, by=("duty-2",))
    world.run(timedelta(minutes=1))
    world.order("redeliver", referral=referral, seen=1, by=("duty-3",))
    world.run(timedelta(minutes=1))

    assert 2 == len(world.sent)
    assert ["done", "refused", "refused"] == [tally["state"] for tally in world.told()]
    assert {"overtaken"} == {tally["refused"] for tally in world.told()[1:]}


@pytest.mark.parametrize(
    ("later", "force", "refused"), [(1, False, "just_replayed"), (1, True, None), (11, False, None)]
)
def test_case_86_whoever_looks_after_the_first_has_finished_is_told_too(
    later: int, force: bool, refused: str | None
) -> None:
    """A replay that is a few minutes old is repeated by force only, whatever the second operator saw."""
    world, referral = a_parked_one()
    world.order("redeliver", referral=referral)
    world.run(timedelta(minutes=later))
    world.order("redeliver", referral=referral, seen=2, force=force)
    world.run(timedelta(minutes=1))

    assert refused == world.told()[1].get("refused")
    assert (2 if refused else 3) == len(world.sent)


def test_what_waits_in_the_queue_is_not_queued_twice() -> None:
    """A replay of what is on its way anyway says so."""
    world = OrderedWorld()
    world.order("pause")
    world.refer(a_referral(1))
    world.order("redeliver", referral=a_referral(1).referral_id)
    world.order("resume")
    world.run(timedelta(minutes=1))

    assert "under_way" == world.told()[1]["refused"]
    assert 1 == len(world.sent)


@pytest.mark.parametrize(
    ("receipt", "force", "refused"),
    [
        ({"status": "acknowledged", "reference": "NL-1"}, False, "acknowledged"),
        ({"status": "acknowledged", "reference": "NL-1"}, True, None),
        ({"status": "nack", "nack": "not_ours"}, True, "ended"),
    ],
)
def test_a_replay_sends_only_where_nothing_was_acknowledged(
    receipt: dict[str, str], force: bool, refused: str | None
) -> None:
    """E81: unless by force, and never what has ended."""
    world = OrderedWorld()
    event = a_referral(1)
    world.refer(event)
    world.run(timedelta(minutes=1))
    world.answer(event.referral_id, **receipt)
    world.order("redeliver", referral=event.referral_id, force=force)
    world.run(timedelta(minutes=1))

    assert refused == world.told()[0].get("refused")
    assert (1 if refused else 2) == len(world.sent)


def test_what_is_not_kept_is_not_sent_and_says_why() -> None:
    """An acknowledged referral of police is deleted here; the agency can read its feed again."""
    world = OrderedWorld(an_agency(kind="police", profile="police"))
    event = a_referral(1)
    world.refer(event)
    world.run(timedelta(minutes=1))
    world.answer(event.referral_id, "acknowledged", reference="NL-1")
    world.order("redeliver", referral=event.referral_id, force=True)

    assert "not_kept" == world.told()[0]["refused"]


def test_an_agency_that_reads_its_feed_only_is_told_so() -> None:
    """There is no second record for one referral: the document stands where it stood."""
    world = OrderedWorld(an_agency(channels=["topic"], webhook=None))
    world.refer(a_referral(1))
    world.order("redeliver", referral=a_referral(1).referral_id)

    assert "feed_only" == world.told()[0]["refused"]
    assert 1 == len(feed_of(world))


@pytest.mark.parametrize("what", ["redeliver", "close"])
def test_an_order_for_a_referral_that_never_was(what: str) -> None:
    """Nothing happens, and that stands in the custody log."""
    world = OrderedWorld()
    world.order(what, referral=uuid4())

    assert "unknown_referral" == world.told()[0]["refused"]


def test_e81_replay_of_a_day_delivers_nothing_twice() -> None:
    """Only what is not acknowledged goes out, each once and marked; the rest is counted by why it was left out."""
    world = OrderedWorld()
    for number in range(6):
        world.refer(a_referral(number))
        world.run(timedelta(hours=1))
    world.answer(a_referral(4).referral_id, "acknowledged", reference="NL-1")
    world.order("redeliver", since=START + timedelta(hours=2))
    world.run(timedelta(minutes=5))

    assert sorted(a_referral(number).referral_id for number in (2, 3, 5)) == sorted(world.sent_ids()[6:])
    assert 3 == world.words().count("reopened")
    assert {"sent_again": 3, "acknowledged": 1} == world.told()[0]["counts"]


def test_a_replay_of_many_goes_on_in_steps_and_through_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row once, whatever the number of steps; a second replay meanwhile is refused."""
    monkeypatch.setattr(replay, "AT_ONCE", 3)
    world = OrderedWorld(an_agency(rate_per_minute=60_000))
    for number in range(20):
        world.refer(a_referral(number))
    world.run(timedelta(minutes=1))
    world.order("redeliver", since=START)
    world.order("redeliver", since=START)
    assert ["begun", "refused"] == [tally["state"] for tally in world.told()]
    world.restart()
    world.run(timedelta(minutes=10))

    assert ["begun", "busy", "done"] == [tally.get("refused", tally["state"]) for tally in world.told()]
    assert {"sent_again": 20} == world.told()[2]["counts"]
    assert world.told()[0]["order_id"] == world.told()[2]["order_id"]
    assert all(2 == world.sent_ids().count(a_referral(number).referral_id) for number in range(20))
    assert not [key for key in world.store if key.startswith("o/")]


def test_close_ends_a_referral_by_name_and_reason() -> None:
    """No clock runs on, nothing is sent; deliveries, custody log, router and sender are told."""
    world, referral = a_parked_one()
    world.order("close", referral=referral)
    world.run(timedelta(days=60))

    assert 1 == len(world.sent)
    assert "closed" == world.row(referral)["life"]
    assert "closed" == world.words()[-1]
    assert ["closed_by_person"] == [row["what"] for row in world.rows("outcomes")]
    assert ["closed_by_person"] == [row.get("outcome") for row in world.rows("tips-status-ecpat-se")]
    entry = next(entry for entry in world.entries if entry.kind == "delivery.closed")
    assert ("operator:duty-7", "by_person") == (entry.actor, entry.tally["reason"])
    assert f"d/hotline-nl/{referral}" not in world.store


@pytest.mark.parametrize(
    ("by", "refused"), [(("duty-7",), "needs_two"), (("duty-7", "DUTY-7"), "needs_two"), (TWO, None)]
)
def test_e84_two_people_close_a_p0(by: tuple[str, ...], refused: str | None) -> None:
    """One person alone may not end what nobody acknowledged at P0; two names of one person are one."""
    world, referral = a_parked_one(priority=Priority.P0)
    world.order("close", referral=referral, by=by)

    assert refused == world.told()[-1].get("refused")


def test_close_of_what_was_closed_changes_nothing() -> None:
    """Two people close the same one: the second is told."""
    world, referral = a_parked_one()
    for _ in range(2):
        world.order("close", referral=referral)

    assert "ended" == world.told()[1]["refused"]
    assert 1 == world.words().count("closed")


def test_case_92_what_waits_for_a_removed_agency_is_decided_by_an_operator() -> None:
    """Its rows are parked; they can be closed by name, and a replay says that the agency is away."""
    world = OrderedWorld(an_agency(id="hotline-de"))
    kept = a_referral(1)
    world.refer(kept)
    world.order("redeliver", referral=kept.referral_id)
    world.order("close", referral=kept.referral_id)
    world.run(timedelta(days=3))

    assert ["recipient_removed", None] == [tally.get("refused") for tally in world.told()]
    assert ["parked", "closed"] == world.words()
    assert not [key for key in world.store if key.startswith("u/")]
    assert not world.timers


def test_what_was_kept_goes_out_at_once_when_its_agency_is_back() -> None:
    """A replay does not wait for the daily look."""
    world = OrderedWorld(an_agency(id="hotline-de"))
    world.refer(a_referral(1))
    world.onboard(an_agency())
    world.order("redeliver", referral=a_referral(1).referral_id)
    world.run(timedelta(minutes=1))

    assert [a_referral(1).referral_id] == world.sent_ids()


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "pause"},
        {"order": "close", "reason": "x"},
        {"order": "close", "referral": uuid4()},
        {"order": "redeliver"},
        {"order": "redeliver", "referral": uuid4(), "since": START},
        {"order": "resume", "referral": uuid4()},
        {"order": "pause", "reason": "  "},
        {"order": "pause", "reason": "x", "by": ()},
        {"order": "pause", "reason": "x", "agency": "../other"},
    ],
)
def test_an_order_that_says_too_little_or_too_much_is_none(wrong: dict[str, object]) -> None:
    """Pause and close need a reason, close a referral, redeliver one of two; everybody has a name."""
    with pytest.raises(ValidationError):
        AgencyOrdered.model_validate({"agency": "hotline-nl", "by": ("duty-7",), "at": START} | wrong)


@pytest.mark.parametrize(
    ("value", "partition", "reason"),
    [
        (b"junk", 0, DeadReason.NOT_JSON),
        (b'{"schema": "agency-order/9"}', 0, DeadReason.UNKNOWN_VERSION),
        (b'{"schema": "agency-order/1", "order": "pause"}', 0, DeadReason.INVALID_EVENT),
        (None, 0, DeadReason.NULL_VALUE),
        ("good", 1, DeadReason.UNKNOWN_AGENCY),
    ],
)
async def test_e71_a_poisonous_order_is_a_dead_letter(
    value: bytes | str | None, partition: int, reason: DeadReason
) -> None:
    """Junk, another version, and an order in a partition that is not its agency's: kept whole, the next one goes on."""
    agency = an_agency()
    hop = NotifierHop(Onboarded({agency.id: agency}), partitions=2, proofs="http://127.0.0.1:8105")
    good = AgencyOrdered(order=Order.RESUME, agency=agency.id, by=("duty-7",), at=START).model_dump_json(by_alias=True)
    body = good.encode() if value == "good" else value
    assert body is None or isinstance(body, bytes)
    named = [("ce_id", str(uuid4()).encode())]
    bad = Fed("agency-orders", body, agency.id.encode(), named, partition=partition)
    run = await run_in_memory(hop, [bad, Fed("agency-orders", good.encode(), b"hotline-nl", named)], now=lambda: START)

    assert [reason.value.encode()] == [each.header("vidare-dlq-reason") for each in run.records("agency-orders-dlq")]
    assert ["agency.ordered", "tip.parked"] == sorted(entry["kind"] for entry in run.json("custody"))


MOVES = st.lists(
    st.tuples(st.sampled_from(["refer", "pause", "resume", "redeliver", "crash", "pass"]), st.integers(0, 9)),
    max_size=30,
)


@given(moves=MOVES)
@settings(max_examples=100, deadline=None)
def test_in_any_history_a_pause_holds_and_nothing_is_lost_after_it(
    moves: list[tuple[str, int]],
) -> None:
    """Between pause and resume no attempt begins; in the end every referral is delivered, with one set of bytes."""
    world, paused, referred = OrderedWorld(takes=timedelta(seconds=3)), False, set()
    for what, number in moves:
        before = len(world.sent)
        if what == "refer":
            referred.add(a_referral(number).referral_id)
            world.refer(a_referral(number))
        elif what == "redeliver":
            world.order(what, referral=a_referral(number).referral_id)
        elif what == "crash":
            world.restart()
        elif what == "pass":
            world.run(timedelta(seconds=number))
        else:
            world.order(what)
            paused = what == "pause"
        assert not (paused and len(world.sent) > before)
    world.order("resume")
    world.run(timedelta(days=1))

    delivered = {UUID(row["referral_id"]) for row in world.rows("deliveries") if row["what"] == "delivered"}
    assert referred == delivered
    assert all(len(set(world.bytes_of(each))) == 1 for each in referred)


def test_close_of_a_notice_tells_nobody_outside() -> None:
    """A count that is not sent any more asks nothing of router or sender."""
    world = OrderedWorld()
    world.order("pause")
    world.refer(a_referral(1, action=Action.SIGHTINGS))
    world.order("close", referral=a_referral(1).referral_id)

    assert [] == world.rows("outcomes") + world.rows("tips-status-ecpat-se")
    assert "closed" == world.row(a_referral(1).referral_id)["life"]


def test_effects_say_the_feeds_number() -> None:
    """What a channel is asked to send names its place in the feed, for headers."""
    world = OrderedWorld()
    world.refer(a_referral(1))
    world.refer(a_referral(2))
    asked = [read_body(effect.body)[0] for _, effect in world.sent]

    assert [(1, None), (2, world.row(a_referral(1).referral_id)["digest"])] == [
        (one.number, one.previous) for one in asked
    ]
