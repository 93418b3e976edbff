"""
Edge cases of delivery by their number: E68-E74 and E79-E83 of the domain notes, 72-92 of the hostile corpus.

`PROOFS` is the table; a number without a test fails here. Where several levels
prove a case, the one that runs the real thing is named first.
"""

import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from contracts.vocabulary import Action, Priority
from services.chassis.broker.broker_port import Out, TransactionFailed
from services.chassis.broker.memory import MemoryBroker
from services.chassis.hop import Effect, Told
from services.chassis.running.memory_run import Fed, MemoryRun, run_in_memory
from services.chassis.running.tuning import Tuning
from services.notifier.delivering.attempt import AttemptEnd, read_body, read_key, tell
from services.notifier.delivering.breaker import Breaker
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.notifier_world import START, World, a_referral, an_agency

TESTS = Path(__file__).parents[1]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OK = AttemptEnd(status=200)

PROOFS = {
    "E68": ("chaos/test_notifier_killed.py", "unit/test_notifier_edges.py"),
    "E69": ("e2e/test_notifier_edges_http.py", "unit/test_notifier_edges.py", "unit/test_notifier_simulated.py"),
    "E70": ("e2e/test_notifier_isolation.py", "unit/test_notifier_edges.py", "unit/test_notifier_simulated.py"),
    "E71": ("unit/test_notifier_edges.py", "unit/test_notifier_orders.py"),
    "E72": ("unit/test_notifier_edges.py", "unit/test_router_hop.py"),
    "E73": ("unit/test_notifier_edges.py",),
    "E74": ("unit/test_notifier_edges.py",),
    "E79": ("chaos/test_notifier_killed.py", "unit/test_notifier_edges.py"),
    "E80": ("unit/test_notifier_edges.py",),
    "E81": ("unit/test_notifier_orders.py", "unit/test_notifier_edges.py"),
    "E82": ("unit/test_router_hop.py", "unit/test_router_properties.py"),
    "E83": ("unit/test_notifier_edges.py", "unit/test_router_hop.py"),
    "E84": ("unit/test_notifier_orders.py",),
    "E85": ("unit/test_notifier_bytes.py",),
    "E86": ("integration/test_notifier_export_cli.py",),
    "t72": ("unit/test_notifier_edges.py",),
    "t73": ("unit/test_notifier_edges.py",),
    "t74": ("unit/test_notifier_edges.py",),
    "t78": ("e2e/test_notifier_edges_http.py",),
    "t79": ("unit/test_notifier_edges.py",),
    "t80": ("e2e/test_notifier_edges_http.py",),
    "t81": ("e2e/test_notifier_receiver.py",),
    "t86": ("unit/test_notifier_orders.py",),
    "t88": ("unit/test_notifier_edges.py",),
    "t91": ("chaos/test_notifier_killed.py",),
    "t92": ("unit/test_notifier_edges.py", "unit/test_notifier_orders.py"),
}
"""Number to where it is proven; ``docs/edge-cases.md`` has all of them, those of broker, ledger and telemetry too."""


@pytest.mark.parametrize("number", sorted(PROOFS))
def test_every_number_has_a_test_of_its_name(number: str) -> None:
    """The table names files; in each stands a test with that number in its name."""
    words = {number.lower(), number.replace("t", "case_")} if number.startswith("t") else {number.lower()}
    for place in PROOFS[number]:
        text = (TESTS / place).read_text("utf-8")
        assert any(re.search(rf"def test_(?:\w+_)?{word}_", text) for word in words), f"{number}: none in {place}"


class Endpoint:
    """The outside: remembers what came and answers as told."""

    def __init__(self, *ends: AttemptEnd) -> None:
        self.ends = list(ends)
        self.got: list[tuple[str, bytes]] = []

    async def perform(self, effect: Effect) -> Told:
        """Take the document."""
        self.got.append((str(read_key(effect.key).id), read_body(effect.body)[1]))
        return tell(effect.key, self.ends.pop(0) if self.ends else OK)


class Dies(Endpoint):
    """The process ends in the middle of the first attempt, after the agency got it."""

    async def perform(self, effect: Effect) -> Told:
        """Take the document and end the process."""
        await super().perform(effect)
        raise RuntimeError("the process dies here")


def a_hop(endpoint: Endpoint, **changes: Any) -> NotifierHop:
    """The hop with one partition and one agency."""
    agency = an_agency(**changes)
    return NotifierHop(Onboarded({agency.id: agency}), partitions=1, proofs="http://127.0.0.1:8105", effects=endpoint)


def routed(number: int = 1, topic: str = "referrals-routed", **changes: Any) -> Fed:
    """A routed referral as the router writes it."""
    body = a_referral(number, **changes).model_dump_json(by_alias=True).encode()
    return Fed(topic, body, b"hotline-nl", [("ce_id", str(uuid4()).encode())])


def always(end: AttemptEnd) -> Any:
    """An agency that always ends attempts like this."""
    return lambda _effect, _now: end


def told(world: World) -> list[str]:
    """What the router was told."""
    return [row["what"] for row in world.rows("outcomes")]


def referrals(world: World) -> list[str]:
    """Referrals of the attempts, in their order."""
    return [str(read_key(effect.key).id) for _, effect in world.sent]


async def test_e68_after_a_crash_urgent_goes_first_and_nothing_is_lost(tmp_path: Path) -> None:
    """E68: a process dies with three hundred routine referrals before it; the P0 that came last goes out first."""
    first, second = Dies(), Endpoint()
    async with MemoryRun(a_hop(first), now=lambda: START, home=tmp_path / "one") as run:
        await run.feed(routed(0))
        with pytest.raises(RuntimeError):
            await run.settle()
    urgent = a_referral(999, priority=Priority.P0)
    broker = run.broker
    async with MemoryRun(a_hop(Endpoint()), broker=broker, now=lambda: START, home=tmp_path / "idle"):
        pass
    again = MemoryRun(a_hop(second, rate_per_minute=60_000), now=lambda: START, home=tmp_path / "two", broker=broker)
    await again.feed(*(routed(number, priority=Priority.P3) for number in range(1, 301)))
    await again.feed(routed(999, "referrals-routed-urgent", priority=Priority.P0))
    async with again:
        await again.settle()

    order = [name for name, _ in second.got]
    assert order.index(str(urgent.referral_id)) <= 1  # only the attempt that was under way is before it
    assert {str(a_referral(number).referral_id) for number in range(301)} | {str(urgent.referral_id)} == set(order)
    assert 302 == len(set(order)) == len(order)
    assert first.got[0] in second.got
    feed = [orjson.loads(record.value or b"")["referral_id"] for record in again.records("referrals-agency-hotline-nl")]
    assert 302 == len(feed) == len(set(feed))


@pytest.mark.parametrize(
    "end",
    [AttemptEnd(status=500), AttemptEnd(fault="timeout"), AttemptEnd(status=429, retry_after_s=7)],
    ids=["500", "timeout after accept", "429"],
)
def test_e69_what_time_may_heal_is_tried_again_with_the_same_id_and_bytes(end: AttemptEnd) -> None:
    """E69: backoff with jitter, never earlier than asked, and the receiver sees one id and one body."""
    world, event = World(plays=always(end)), a_referral()
    world.refer(event)
    world.run(HOUR)
    moments = [moment for moment, _ in world.sent]
    waits = [later - sooner - world.takes for sooner, later in pairwise(moments)]

    assert [str(event.referral_id)] * 4 == referrals(world)
    assert 1 == len({effect.body for _, effect in world.sent})
    steps = [max(timedelta(seconds=5), timedelta(seconds=end.retry_after_s or 0)), timedelta(minutes=5), HOUR / 2]
    assert all(step * 0.9 <= wait <= step * 1.1 for step, wait in zip(steps, waits, strict=True))


def test_e69_a_200_with_an_unreadable_body_is_delivered_and_acknowledges_nothing() -> None:
    """E69: the status is the answer; without a receipt the clock runs on."""
    world, event = World(plays=always(AttemptEnd(status=200, answer="<html>welcome</html>"))), a_referral()
    world.refer(event)
    world.run(4 * DAY)

    assert 1 == world.words().count("delivered")
    assert {"escalated"} <= set(world.words())
    assert "acknowledged" not in world.words()


def test_e69_a_p0_does_not_wait_for_a_busy_agency() -> None:
    """E69: 429 is respected by webhook, while the feed has the P0 in the very transaction that took it."""
    world = World(plays=always(AttemptEnd(status=429, retry_after_s=3600)))
    outcome = world.refer(a_referral(priority=Priority.P0))
    world.run(timedelta(minutes=4))

    assert ["referrals-agency-hotline-nl"] == [each.topic for each in outcome.events if each.to == "hotline-nl"]
    assert 1 == len(world.sent)


def test_e69_a_410_goes_to_the_router_and_the_referral_stays() -> None:
    """E69: the address is no more: another destination is found (R11), and nothing is deleted."""
    world, event = World(plays=always(AttemptEnd(status=410))), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.plays = always(OK)
    world.run(2 * DAY)

    assert ["agency_removed"] == told(world)
    assert ["parked", "delivered"] == [word for word in world.words() if word in ("parked", "delivered")]
    assert {str(event.referral_id)} == set(referrals(world))


def test_e70_an_agency_that_is_down_for_days_holds_up_nobody_and_gets_everything() -> None:
    """E70: its circuit opens, others get theirs at once, the ladder climbs, and after five days all of it goes out."""
    back = START + 5 * DAY

    def plays(effect: Effect, now: datetime) -> AttemptEnd:
        return OK if effect.lane == "hotline-de" or now >= back else AttemptEnd(status=503)

    world = World(an_agency(), an_agency(id="hotline-de"), plays=plays)
    events = [a_referral(number) for number in range(50)]
    for number, event in enumerate(events):
        world.refer(event)
        world.refer(a_referral(1000 + number, destination="hotline-de"))
    world.run(timedelta(minutes=1))
    assert 50 == sum(row["what"] == "delivered" for row in world.rows("deliveries"))
    world.run(5 * DAY)
    told_of = [row for row in world.rows("deliveries") if row["destination"] == "hotline-nl"]
    assert {"resend"} == {row["reason"] for row in told_of if row["what"] == "escalated"}
    assert 50 == sum(row["what"] == "expired" for row in told_of)
    world.run(2 * HOUR)

    assert 100 == world.words().count("delivered")
    assert 50 == sum(row["what"] == "expired" for row in world.rows("outcomes") if row["destination"] == "hotline-nl")


async def test_e71_an_urgent_poison_record_is_parked_visibly_and_blocks_nobody() -> None:
    """E71: original bytes, reason and origin; the referral behind it goes out; the dead letter is in the books."""
    endpoint, raw = Endpoint(), b'{"schema": "referral-routed/9"}'
    bad = Fed("referrals-routed-urgent", raw, b"hotline-nl", [("ce_id", str(uuid4()).encode())])
    good = routed(1, "referrals-routed-urgent", priority=Priority.P0)
    run = await run_in_memory(a_hop(endpoint), [bad, good], now=lambda: START)
    dead = run.records("referrals-routed-urgent-dlq")

    assert [(raw, b"unknown_version")] == [(record.value, record.header("vidare-dlq-reason")) for record in dead]
    assert [str(a_referral(1).referral_id)] == [name for name, _ in endpoint.got]
    assert "tip.parked" in [entry["kind"] for entry in run.json("custody")]


def _refusing_custody(_id: str, outs: Any) -> None:
    if any(out.topic == "custody" for out in outs):
        raise TransactionFailed("the custody topic takes nothing")


@pytest.mark.parametrize("priority", [Priority.P0, Priority.P3])
async def test_e79_without_the_custody_log_nothing_leaves(priority: Priority, tmp_path: Path) -> None:
    """E79: feed, webhook and status wait for the entry, P0 as well; when the log is back, each goes out once."""
    topic = "referrals-routed-urgent" if priority is Priority.P0 else "referrals-routed"
    broker, closed = MemoryBroker(auto_partitions=1), Endpoint()
    broker.before_commit = _refusing_custody
    async with MemoryRun(a_hop(closed), now=lambda: START, broker=broker, home=tmp_path / "one") as run:
        await run.feed(routed(1, topic, priority=priority))
        with pytest.raises(TransactionFailed):
            await run.settle()
    assert ([], [], []) == (closed.got, run.records("referrals-agency-hotline-nl"), run.records("deliveries"))
    assert [] == run.records("tips-status-ecpat-se")

    broker.before_commit = lambda _id, _outs: None
    opened = Endpoint()
    async with MemoryRun(a_hop(opened), now=lambda: START, broker=broker, home=tmp_path / "two") as again:
        await again.settle()
    assert 1 == len(opened.got) == len(again.records("referrals-agency-hotline-nl"))
    assert "hop.queued" == again.json("custody")[0]["kind"]


def test_e72_not_ours_ends_here_and_the_router_decides_anew() -> None:
    """E72: one report with the reason; no attempt, no clock and no second report follows."""
    world, event = World(plays=always(AttemptEnd(status=503))), a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(timedelta(seconds=2))
    world.answer(event.referral_id, "nack", nack="not_ours")
    sent = len(world.sent)
    world.answer(event.referral_id, "nack", nack="not_ours")
    world.run(2 * DAY)

    assert [("nack", "not_ours")] == [(row["what"], row["nack"]) for row in world.rows("outcomes")]
    assert sent == len(world.sent)
    assert "escalated" not in world.words()


@pytest.mark.parametrize("who", ["hotline-nl", "police-se"])
def test_e73_a_receipt_for_what_an_agency_never_got_changes_nothing(who: str) -> None:
    """E73: an unknown referral, or another agency's, is refused in the custody log and nowhere else."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    before = dict(world.store)
    world.answer(uuid4() if who == "hotline-nl" else event.referral_id, "acknowledged", who, reference="C-1")

    assert before == world.store
    assert ("receipt.refused", "unknown_referral") == (world.entries[-1].kind, world.entries[-1].tally["reason"])


def test_t79_and_e73_a_second_acknowledgement_keeps_the_first_reference() -> None:
    """E73, 79: recorded, and the case number, the clock and the router hear of the first one only."""
    world, event = World(), a_referral()
    world.refer(event)
    world.run(HOUR)
    world.answer(event.referral_id, "acknowledged", reference="C-1")
    world.answer(event.referral_id, "acknowledged", reference="C-2")

    assert ["acknowledged"] == told(world)
    assert {"C-1"} == {row["reference"] for row in world.rows("deliveries") if row.get("reference")}
    assert "receipt_ignored" == world.words()[-1]


def test_e74_a_late_acknowledgement_stands_the_escalation_down() -> None:
    """E74: expired and acknowledged both stand in the books; no further rung, no further report, no third copy."""
    world, event = World(), a_referral(priority=Priority.P0)
    world.refer(event)
    world.run(3 * HOUR)
    sent = len(world.sent)
    world.answer(event.referral_id, "acknowledged", reference="C-9")
    world.run(100 * DAY)

    assert ["expired", "acknowledged"] == told(world)
    after = world.words()[world.words().index("acknowledged") :]
    assert "expired" not in after
    followed = [row["reason"] for row in world.rows("deliveries") if row.get("reason", "").startswith("follow_up")]
    assert len(followed) == len(world.sent) - sent


def test_e80_times_of_other_services_order_nothing_and_no_age_is_negative() -> None:
    """E80: a router whose clock is ten minutes ahead: order by arrival, rungs by our clock, ages from zero up."""
    world = World(plays=always(AttemptEnd(fault="timeout")), takes=timedelta(seconds=15))
    ahead, behind = START + timedelta(minutes=10), START - timedelta(minutes=10)
    for number, moment in enumerate((ahead, behind)):
        world.refer(a_referral(number, received_at=moment, routed_at=moment, priority=Priority.P0))
    levels = list(world.hop.levels(world, "0", world.now - timedelta(minutes=10)))

    assert min(level.value for level in levels) >= 0
    assert [str(a_referral(number).referral_id) for number in range(2)] == [
        each.key for each in world.events if each.to == "hotline-nl"
    ]
    world.run(timedelta(minutes=14))
    assert "second_channel" not in [row.get("reason") for row in world.rows("deliveries")]
    world.run(timedelta(minutes=2))
    assert 2 == [row.get("reason") for row in world.rows("deliveries")].count("second_channel")


def test_t72_and_e81_a_replayed_record_is_a_repeat_and_nothing_else() -> None:
    """E81, 72: the same referral again after delivery, after withdrawal and after its agency went: no second copy."""
    world, event = World(), a_referral()
    newer = a_referral(referral_id=uuid4(), version=2, action=Action.UPDATE, replaces=event.referral_id)
    for each in (event, newer):
        world.refer(each)
        world.run(HOUR)
    sent, fed = len(world.sent), len(world.rows("referrals-agency-hotline-nl"))
    for each in (event, newer, event):
        world.refer(each)
        world.run(HOUR)

    assert (sent, fed) == (len(world.sent), len(world.rows("referrals-agency-hotline-nl")))
    assert [True] * 3 == [entry.tally["repeat"] for entry in world.entries[-3:]]


async def test_t73_offsets_decide_where_times_contradict_them() -> None:
    """73: two versions whose record times are reversed: the later offset is the later version."""
    newer = a_referral(
        2, tip_id=a_referral(1).tip_id, version=2, action=Action.UPDATE, replaces=a_referral(1).referral_id
    )
    endpoint = Endpoint(AttemptEnd(status=503))
    broker = MemoryBroker(auto_partitions=1)
    for moment, event in ((2_000, a_referral(1)), (1_000, newer)):
        body = event.model_dump_json(by_alias=True).encode()
        broker.append([Out("referrals-routed", 0, b"hotline-nl", body, [("ce_id", str(uuid4()).encode())], moment)])
    run = await run_in_memory(a_hop(endpoint), [], now=lambda: START, broker=broker)

    words = [(row["referral_id"], row["what"]) for row in run.json("deliveries")]
    assert (str(a_referral(1).referral_id), "withdrawn") in words
    assert (str(newer.referral_id), "delivered") in words


async def test_t74_a_document_that_grows_over_the_limit_parks_alone() -> None:
    """74: a referral whose document is too large for the agency's topic is dead-lettered; its neighbours go out."""
    endpoint = Endpoint()
    large = a_referral().content.model_copy(update={"narrative": "x" * 20_000})
    records = [routed(1), routed(2, content=large), routed(3)]
    tuning = Tuning(limits={"referrals-agency-hotline-nl": 16_000})
    run = await run_in_memory(
        a_hop(endpoint, kind="police", profile="police"), records, now=lambda: START, tuning=tuning
    )

    assert [b"too_large"] == [record.header("vidare-dlq-reason") for record in run.records("referrals-routed-dlq")]
    assert {str(a_referral(number).referral_id) for number in (1, 3)} == {name for name, _ in endpoint.got}


@pytest.mark.parametrize("hours", [-1, 1])
def test_t88_a_clock_that_jumps_makes_no_burst_and_no_stall(hours: int) -> None:
    """88: stored times stand; a fresh P0 goes at once, the agreed rate is kept, and after the hour all is delivered."""
    back = START + timedelta(minutes=20)
    world = World(
        an_agency(rate_per_minute=60, concurrency=2),
        plays=lambda _effect, now: OK if now >= back or now < START else AttemptEnd(status=503),
    )
    for number in range(30):
        world.refer(a_referral(number, priority=Priority.P3))
    world.run(timedelta(minutes=10))
    world.now += hours * HOUR
    jumped, urgent = world.now, a_referral(99, priority=Priority.P0)
    world.run(timedelta(seconds=2))
    world.refer(urgent)
    world.run(timedelta(seconds=2))
    soon = [moment for moment, effect in world.sent if read_key(effect.key).id == urgent.referral_id]
    assert soon
    assert soon[0] - jumped <= timedelta(seconds=4)
    world.run(3 * HOUR)

    moments = [moment for moment, _ in world.sent if moment >= jumped]
    assert max(sum(0 <= (each - first).total_seconds() < 60 for each in moments) for first in moments) <= 67
    assert 31 == world.words().count("delivered")


def test_t88_a_breaker_does_not_stay_open_for_the_hour_that_the_clock_went_back() -> None:
    """88: a pause that is longer than any we make is over; within the longest one it stands."""
    breaker = Breaker()
    for _ in range(10):
        breaker = breaker.failed(START)

    assert ("open", "half_open") == (breaker.state(START), breaker.state(START - HOUR))
    assert START - HOUR + timedelta(minutes=1) == breaker.failed(START - HOUR).until
    assert "open" == Breaker().gone(START).state(START)


def removed(world: World) -> None:
    """The next release of the onboarding records has no such agency."""
    world.onboard(an_agency(id="hotline-de"))


def test_t92_and_e83_rows_that_wait_in_the_lane_of_a_removed_agency_park_and_go_to_the_router() -> None:
    """E83, 92: queued, waiting and under way: each reported once, kept, and delivered if the agency returns."""
    world = World(an_agency(rate_per_minute=60), plays=always(AttemptEnd(status=503)))
    events = [a_referral(number, priority=Priority.P3) for number in range(40)]
    for event in events:
        world.refer(event)
    world.run(timedelta(minutes=3))
    removed(world)
    world.restart()
    world.run(2 * HOUR)
    assert 40 == told(world).count("agency_removed") == len(told(world))
    assert 40 == len({row["referral_id"] for row in world.rows("deliveries") if row["what"] == "parked"})
    sent = len(world.sent)
    world.plays = always(OK)
    world.onboard(an_agency())
    world.restart()
    world.run(2 * DAY)

    assert 40 == world.words().count("delivered") == len({str(key) for key in referrals(world)[sent:]})
    assert 40 == len(told(world))


@pytest.mark.parametrize("end", [AttemptEnd(fault="internal"), OK], ids=["not sent", "sent"])
def test_e83_what_is_under_way_when_its_agency_is_removed_is_passed_on_as_it_ends(end: AttemptEnd) -> None:
    """E83: the router is told with the end of the attempt, not a day later when the next one would be due."""
    world = World(plays=always(AttemptEnd(status=503)), takes=timedelta(minutes=1))
    event = a_referral(priority=Priority.P2)
    world.refer(event)
    while len(world.sent) < 6:
        world.run(timedelta(minutes=1))
    world.plays = always(end)
    removed(world)
    world.restart()
    assert [] == told(world)
    world.run(timedelta(minutes=2))

    assert ["agency_removed"] == told(world)


def test_e83_a_lane_that_fell_asleep_while_its_agency_was_away_wakes_with_it() -> None:
    """E83: its timer goes off while nobody is onboarded; after the return nothing waits for another to come."""
    world = World(plays=always(AttemptEnd(status=503)))
    for number in range(12):
        world.refer(a_referral(number, priority=Priority.P4))
    world.run(timedelta(minutes=1))
    removed(world)
    world.run(timedelta(minutes=30))
    world.plays = always(OK)
    world.onboard(an_agency())
    world.run(DAY + HOUR)

    assert 12 == world.words().count("delivered")


def test_e83_what_was_kept_for_an_absent_agency_asks_for_another_destination_once() -> None:
    """E83: reported when it came, not a second time when it goes unanswered after the agency's return."""
    world, event = World(an_agency(id="hotline-de")), a_referral(priority=Priority.P0)
    world.refer(event)
    world.onboard(an_agency())
    world.run(10 * DAY)

    assert ["agency_removed"] == told(world)
    assert 1 == world.words().count("delivered")


@pytest.mark.parametrize("action", [Action.UPDATE, Action.WITHDRAWN])
def test_e83_what_was_replaced_while_its_agency_was_away_is_never_sent(action: Action) -> None:
    """E83: the version that is kept, or that waited when the agency went, ends when a later one comes for it."""
    waited, kept = a_referral(1), a_referral(2)
    world = World(plays=always(AttemptEnd(status=503)))
    world.refer(waited)
    world.run(timedelta(seconds=2))
    removed(world)
    world.refer(kept)
    later = [
        a_referral(number, referral_id=uuid4(), version=2, action=action, replaces=event.referral_id)
        for number, event in ((1, waited), (2, kept))
    ]
    sent = len(world.sent)
    for event in later:
        world.refer(event)
    world.plays = always(OK)
    world.onboard(an_agency())
    world.run(3 * DAY)

    assert {str(event.referral_id) for event in later} == set(referrals(world)[sent:])
    assert 2 == world.words().count("withdrawn")


def test_e83_a_count_of_sightings_does_not_replace_what_is_kept() -> None:
    """E83: the lead referral of an absent agency survives the notice that others saw it too."""
    world, lead = World(an_agency(id="hotline-de")), a_referral(1)
    world.refer(lead)
    world.refer(a_referral(2, action=Action.SIGHTINGS, replaces=lead.referral_id))
    world.onboard(an_agency())
    world.run(2 * DAY)

    assert str(lead.referral_id) in referrals(world)


@pytest.mark.parametrize("action", [Action.UPDATE, Action.WITHDRAWN])
def test_e68_a_correction_that_overtakes_its_referral_ends_it(action: Action) -> None:
    """E68: urgent goes first, so the later version may come before the earlier one; that is not sent after it."""
    world, earlier = World(), a_referral(1, priority=Priority.P3)
    later = a_referral(
        1, referral_id=uuid4(), version=2, action=action, replaces=earlier.referral_id, priority=Priority.P0
    )
    for event in (later, earlier, earlier):
        world.refer(event)
        world.run(HOUR)

    assert {str(later.referral_id)} == set(referrals(world))
    assert 1 == len(world.rows("referrals-agency-hotline-nl"))
    ends = [entry.kind for entry in world.entries if entry.tally.get("referral") == str(earlier.referral_id)]
    assert ["hop.queued", "delivery.closed", "hop.queued"] == ends
