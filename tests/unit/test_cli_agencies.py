"""``vidare agencies``: how every agency is, folded from what the notifier really stores."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.topics import ROUTED
from contracts.vocabulary import Action, Order, Priority
from services.chassis.broker.memory import MemoryBroker
from services.chassis.codec import partition_of
from services.chassis.hop import Effect, Told
from services.chassis.running.memory_run import Fed, MemoryRun
from services.cli.commands import agencies_orders
from services.cli.commands.agencies import age, folded, unknown
from services.cli.commands.agencies_rows import Row, pack
from services.cli.commands.agencies_state import Fold, State
from services.cli.commands.agencies_wish import Wish, order_of
from services.cli.wronguse import WrongUse
from services.notifier.delivering.attempt import AttemptEnd, tell
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.notifier_orders import OrderedWorld
from tests.support.notifier_world import START, a_referral, an_agency

DOWN, REFUSES = AttemptEnd(status=503), AttemptEnd(status=404)


def state_of(world: OrderedWorld, *, only: str | None = None) -> State:
    """How the hotline of *world* is, read from its store as it would be from the changelog."""
    fold = Fold(world.now, only)
    for key, value in world.store.items():
        fold.add(key, value)
    fold.end_partition()
    return next(state for state in fold.states([an_agency()]) if state.id == "hotline-nl")


def test_an_agency_that_takes_everything() -> None:
    """Delivered, not acknowledged, nothing waits."""
    world = OrderedWorld()
    for number in range(3):
        world.refer(a_referral(number))
    world.run(timedelta(minutes=5))
    state = state_of(world)

    assert ("active", 3, 3, {}) == (state.word, state.feed, state.unanswered, +state.backlog)
    said = state.as_json(world.now)
    assert 1.0 == said["delivery_median_s"]
    assert START + timedelta(seconds=1) == said["last_delivered"]
    assert "closed" == said["lanes"]["webhook"]["breaker"]


def test_an_agency_that_is_down() -> None:
    """The breaker is open, what waits is counted once each, and the oldest is the first that came."""
    world = OrderedWorld(plays=lambda _effect, _now: DOWN)
    for number in range(14):
        world.refer(a_referral(number))
        world.run(timedelta(seconds=1))
    state = state_of(world)

    assert 14 == sum(state.backlog.values())
    assert 0 == state.unanswered
    assert START == state.as_json(world.now)["oldest_waiting"]
    assert "open" == state.as_json(world.now)["lanes"]["webhook"]["breaker"]


def test_what_is_only_offered_again_is_no_backlog() -> None:
    """A reminder that waits in the queue is of a referral that the agency has had: it is unanswered, not waiting."""
    world = OrderedWorld()
    world.refer(a_referral(1, priority=Priority.P3))
    world.run(timedelta(days=1))
    world.order("pause")
    world.run(timedelta(days=14))
    state = state_of(world)

    assert "queued" == world.row(a_referral(1).referral_id).get("push", "queued")
    assert ({}, 1) == (+state.backlog, state.unanswered)


def test_parked_referrals_of_one_agency_are_named_with_their_reason() -> None:
    """What an operator needs to take one up: id, priority, why, attempts; only where one agency was asked for."""
    world = OrderedWorld(plays=lambda _effect, _now: REFUSES)
    world.refer(a_referral(1, priority=Priority.P1))
    world.run(timedelta(minutes=1))
    (parked,) = state_of(world, only="hotline-nl").parked

    assert (str(a_referral(1).referral_id), "P1", "http_404", 1) == (
        parked.referral,
        parked.priority,
        parked.reason,
        parked.attempts,
    )
    assert START == parked.since
    assert [] == state_of(world).parked
    assert 1 == state_of(world).backlog["parked"]


def test_how_the_last_attempts_failed_is_told_while_they_are_made_again() -> None:
    """A wrong certificate is to be seen in the first minute, not once everything is parked."""
    world = OrderedWorld(plays=lambda _effect, _now: AttemptEnd(fault="pin"))
    world.refer(a_referral(1))
    world.run(timedelta(seconds=3))

    assert {"pin": 1} == state_of(world, only="hotline-nl").as_json(world.now)["reasons"]


def test_what_is_kept_for_a_removed_agency_is_parked() -> None:
    """E83: an agency without a record is shown as long as something waits for it."""
    world = OrderedWorld(an_agency(id="hotline-de"))
    world.refer(a_referral(1))
    fold = Fold(world.now, "hotline-nl")
    for key, value in world.store.items():
        fold.add(key, value)
    fold.end_partition()
    (state,) = fold.states([])

    assert ("removed", 1, "recipient_removed") == (state.word, state.backlog["parked"], state.parked[0].reason)


def test_a_pause_is_shown_with_name_and_reason() -> None:
    """Who looks at the table sees that nothing is pushed, by whom and why."""
    world = OrderedWorld()
    world.order("pause", reason="an invented move")
    state = state_of(world)

    assert "paused" == state.word
    assert {"by": ("duty-7",), "reason": "an invented move", "at": START} == state.as_json(world.now)["paused"]


def test_the_record_of_acknowledgements() -> None:
    """Within its time, late, not at all, still open; notices and what was taken back count for nothing."""
    world = OrderedWorld()
    within, late, none, still_open, notice, taken_back = range(6)
    for number in (within, late, none, taken_back):
        world.refer(a_referral(number, priority=Priority.P1))
    world.refer(a_referral(notice, action=Action.SIGHTINGS))
    world.run(timedelta(hours=1))
    world.answer(a_referral(within).referral_id, "acknowledged", reference="NL-1")
    world.refer(a_referral(9, action=Action.WITHDRAWN, replaces=a_referral(taken_back).referral_id))
    world.run(timedelta(hours=30))
    world.answer(a_referral(late).referral_id, "acknowledged", reference="NL-2")
    world.refer(a_referral(still_open, priority=Priority.P3))
    state = state_of(world)

    assert {"P1": {"within": 1, "late": 1, "none": 1}, "P3": {"open": 1}} == {
        level: dict(counts) for level, counts in state.record.items()
    }
    assert pytest.approx(1 / 3) == state.in_time
    assert START + timedelta(hours=31) == state.as_json(world.now)["last_acknowledged"]


@pytest.mark.parametrize(
    ("changes", "word"), [({"active": False}, "inactive"), ({"hold": True}, "hold"), ({}, "active")]
)
def test_an_agency_says_why_it_gets_nothing(changes: dict[str, Any], word: str) -> None:
    """Its record alone decides, as in the notifier."""
    fold = Fold(START)

    assert [word] == [state.word for state in fold.states([an_agency(**changes)])]
    assert ["hold"] == [state.word for state in Fold(START).states([an_agency()], {"NL"})]


class Endpoint:
    """An agency that ends every second attempt badly."""

    def __init__(self) -> None:
        self.calls = 0

    async def perform(self, effect: Effect) -> Told:
        """End it."""
        self.calls += 1
        return tell(effect.key, REFUSES if self.calls % 2 else AttemptEnd(status=200))


async def test_the_changelog_says_the_same_as_the_stores() -> None:
    """Every version of every row is read; the newest counts, and of one agency its partition alone is read."""
    agencies = [an_agency(id=f"hotline-{code}") for code in ("nl", "de", "fr", "it")]
    records = {agency.id: agency for agency in agencies}
    hop = NotifierHop(Onboarded(records), partitions=3, proofs="http://p", effects=Endpoint())
    broker = MemoryBroker(auto_partitions=3)
    async with MemoryRun(hop, broker=broker, now=lambda: START) as run:
        for number in range(24):
            event = a_referral(number, destination=agencies[number % 4].id)
            named = [("ce_id", str(uuid4()).encode())]
            body = event.model_dump_json(by_alias=True).encode()
            await run.feed(Fed(ROUTED, body, b"k", named, partition_of(event.destination, 3)))
        await run.settle()
    whole = (await folded(broker, START)).states(agencies)
    alone = [(await folded(broker, START, agency.id)).states(agencies)[0] for agency in agencies]

    assert 24 == sum(state.feed for state in whole)
    assert 12 == sum(state.backlog["parked"] for state in whole)
    shown = [
        state.as_json(START) | {"parked": [], "reasons": {}} for state in sorted(alone, key=lambda state: state.id)
    ]
    assert [state.as_json(START) for state in whole] == shown


def test_a_row_that_is_forgotten_is_not_counted() -> None:
    """A tombstone takes back what the row said."""
    world = OrderedWorld()
    world.refer(a_referral(1))
    key = f"r/hotline-nl/{a_referral(1).referral_id}"
    fold = Fold(START)
    fold.add(key, world.store[key])
    fold.add(key, None)
    fold.end_partition()

    assert [0] == [state.unanswered + sum(state.backlog.values()) for state in fold.states([an_agency()])]


def test_a_row_of_the_time_with_one_channel_is_read() -> None:
    """Changelogs are kept for ever: the older form counts as it did."""
    world = OrderedWorld(plays=lambda _effect, _now: REFUSES)
    world.refer(a_referral(1))
    world.run(timedelta(minutes=1))
    stored = orjson.loads(world.store[f"r/hotline-nl/{a_referral(1).referral_id}"])
    (way,) = stored.pop("ways")
    older = Row.unpack(pack(orjson.dumps(stored | {name: way[name] for name in way if name != "channel"})))

    assert Row.unpack(pack(orjson.dumps(stored | {"ways": [way]}))) == older
    assert ("parked", 1) == (older.place, older.attempts)


@given(seconds=st.integers(0, 10**8))
@settings(max_examples=200)
def test_an_age_is_a_number_and_one_unit(seconds: int) -> None:
    """Never more than a person would say, never less than half of it."""
    sizes = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    number, unit = age(1.0, datetime.fromtimestamp(1 + seconds, UTC)).split(" ")

    assert seconds - sizes[unit] < int(number) * sizes[unit] <= seconds


def test_an_unknown_agency_is_answered_with_those_that_read_alike() -> None:
    """A slip of the finger is mended at once."""
    assert "did you mean hotline-nl" in str(unknown("hotline-ln", ["hotline-nl", "police-se"]))
    assert "--all" in str(unknown("zzzz", ["hotline-nl"]))


@pytest.mark.parametrize(
    ("what", "wish", "says"),
    [
        (Order.PAUSE, Wish(("a",)), "needs a reason"),
        (Order.REDELIVER, Wish(("a",)), "either a referral or since"),
        (Order.REDELIVER, Wish(("a",), referral="not one"), "UUID"),
        (Order.REDELIVER, Wish(("a",), since="yesterday"), "90m, 12h or 7d"),
        (Order.REDELIVER, Wish(("a",), since="31d"), "last 30 days"),
        (Order.REDELIVER, Wish(("a",), since="2999-01-01T00:00:00Z"), "last 30 days"),
        (Order.CLOSE, Wish(("a",), referral=str(uuid4())), "needs a reason"),
    ],
)
def test_an_order_that_says_too_little_is_wrong_use(what: Order, wish: Wish, says: str) -> None:
    """Said before anything is written, in words."""
    with pytest.raises(WrongUse, match=says):
        order_of(what, "hotline-nl", wish, datetime.now(UTC))


async def test_a_referral_is_found_with_what_a_replay_must_know() -> None:
    """Agency, attempts so far, priority: two who look at the same time see the same number."""
    hop = NotifierHop(Onboarded({"hotline-nl": an_agency()}), partitions=1, proofs="http://p", effects=Endpoint())
    async with MemoryRun(hop, now=lambda: START) as run:
        for number in (1, 2):
            event = a_referral(number, priority=Priority.P1, destination=("hotline-nl", "hotline-away")[number - 1])
            body = event.model_dump_json(by_alias=True).encode()
            await run.feed(Fed(ROUTED, body, b"k", [("ce_id", str(uuid4()).encode())]))
        await run.settle()
    here = await agencies_orders.find(run.broker, a_referral(1).referral_id)
    kept = await agencies_orders.find(run.broker, a_referral(2).referral_id)

    assert ("hotline-nl", 1, Priority.P1, False) == here
    assert ("hotline-away", None, Priority.P1, False) == kept
    assert await agencies_orders.find(run.broker, uuid4()) is None
    assert await agencies_orders.find(run.broker, a_referral(1).referral_id, "hotline-away") is None
