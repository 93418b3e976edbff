"""The urgent budget of partners that are not vetted: every tip keeps its level, one notice a minute has the count."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Jurisdiction, TipLocated, TipReceived
from contracts.vocabulary import EntryKind
from services.chassis.hop import Input, Outcome, Timer, record_id
from services.intake.budget import BETWEEN, WINDOW, Spent, spend
from services.intake.hop import IntakeHop
from services.intake.rows import BUDGET
from tests.support.intake import KEY, NOW, PARTNERS, DictView, record, submission
from tests.support.router_world import Room, told

SECOND = timedelta(seconds=1)
URGENT = {"kind": "other", "urls": ..., "narrative": "Det pågår just nu"}


class Task:
    """One partner's task with a clock: records and due timers are decided in order, as the runner does."""

    def __init__(self, partner: str = "public", allowance: int = 3) -> None:
        given_partner = PARTNERS[partner].model_copy(update={"urgent_per_hour": allowance})
        self.hop, self.view = IntakeHop({partner: given_partner}, KEY), DictView()
        self.partner, self.now, self.sent = partner, NOW, 0
        self.timers: dict[str, Timer] = {}
        self.events: list[TipReceived] = []
        self.entries: list[str] = []

    def send(self, **changed: Any) -> TipReceived:
        """One more submission; the event that it became."""
        self.sent += 1
        value = submission(reference=f"P-{self.sent}", **{**URGENT, **changed})
        self._keep(Input(record_id("t", 0, self.sent), self.now, record(value, topic=f"tips-inbox-{self.partner}")))
        return self.events[-1]

    def wait(self, time: timedelta) -> list[TipReceived]:
        """Let *time* pass; the events that timers wrote meanwhile."""
        until, before = self.now + time, len(self.events)
        while (timer := self.timers.get(BUDGET)) is not None and timer.due <= until:
            self.now = timer.due
            del self.timers[BUDGET]
            self._keep(Input(record_id("timer", 0, len(self.events)), self.now, timer=timer))
        self.now = until
        return self.events[before:]

    def _keep(self, given_input: Input) -> Outcome:
        outcome = self.hop.decide(given_input, self.view)
        self.view.put(outcome.puts)
        self.timers |= {timer.key: timer for timer in outcome.timers}
        for emit in outcome.events:
            if emit.topic.startswith("tips-received"):
                assert emit.topic == "tips-received-urgent"
                assert emit.expects_entry
                self.events.append(TipReceived.model_validate_json(emit.body))
        self.entries += [entry.kind for entry in outcome.entries]
        return outcome


def counts(events: list[TipReceived]) -> list[int | None]:
    """What each event's notice speaks for."""
    return [event.notice.count if event.notice else None for event in events]


def test_each_tip_within_the_budget_is_a_notice_of_its_own() -> None:
    """The first ones call the desk at once, however fast they come; then silence, and the count a minute later."""
    task = Task(allowance=3)
    for _ in range(8):
        task.send()

    assert counts(task.events) == [1, 1, 1, 0, 0, 0, 0, 0]
    (late,) = task.wait(timedelta(minutes=10))
    assert late.notice is not None
    assert (late.notice.count, late.notice.late, late.notice.at) == (5, True, NOW + BETWEEN)
    assert (late.reference, late.revision) == ("P-8", 1)
    assert task.entries[-1] == EntryKind.TIP_NOTICED


def test_beyond_the_budget_every_tip_is_still_urgent_and_on_its_way() -> None:
    """A tip stays P0 in its own lane at once; the status says so; only the call is one for many."""
    task = Task(allowance=1)
    for _ in range(5):
        before = len(task.events)
        event = task.send()
        assert len(task.events) == before + 1
        assert event.urgent
        assert event.facts.text_signals == ("U1",)


def test_a_flood_is_one_notice_a_minute_that_carries_the_count() -> None:
    """Ten tips a minute for half an hour: after the budget one notice a minute, and nobody is uncounted."""
    task = Task(allowance=3)
    for _ in range(30):
        for _ in range(10):
            task.send()
            task.wait(6 * SECOND)
    task.wait(2 * BETWEEN)

    told_at = [event.notice.at for event in task.events if event.notice and event.notice.count]
    assert len(told_at) <= 3 + 31
    assert all(later - earlier >= BETWEEN for earlier, later in pairwise(told_at[3:]))
    assert sum(count or 0 for count in counts(task.events)) == 300


def test_the_budget_comes_back() -> None:
    """After an hour each tip calls again."""
    task = Task(allowance=1)
    task.send()
    task.send()
    task.wait(WINDOW)

    assert counts([task.send()]) == [1]


@pytest.mark.parametrize(
    ("partner", "changed"),
    [
        ("ecpat-se", {}),
        ("public", {"narrative": "A quiet remark.", "place": {"country": "SE"}, "urgency": {"immediate_danger": True}}),
        ("public", {"is_test": True}),
    ],
    ids=["vetted", "not-p0", "test-tip"],
)
def test_what_is_not_counted_has_no_notice(partner: str, changed: dict[str, Any]) -> None:
    """A vetted partner, a level below P0 and a test tip use no budget."""
    task = Task(partner, allowance=1)
    task.send(**changed)
    task.send(**changed)

    assert counts(task.events) == [None, None]
    assert BUDGET not in task.view.rows


@given(gaps=st.lists(st.integers(0, 200), min_size=1, max_size=60), allowance=st.integers(1, 5))
def test_no_tip_is_uncounted_and_no_minute_has_two_notices(gaps: list[int], allowance: int) -> None:
    """Whatever the rhythm: counts add up to the tips, and beyond the allowance notices lie a minute apart."""
    spent: Spent | None = None
    now, spoken = NOW, 0
    beyond: list[datetime] = []
    for gap in gaps:
        now += gap * SECOND
        spent, count = spend(spent, allowance, now)
        spoken += count
        if count and spent.tips > allowance:
            beyond.append(now)

    assert spent is not None
    assert spoken + spent.waiting == len(gaps)
    assert all(later - earlier >= BETWEEN for earlier, later in pairwise(beyond))


def located(event: TipReceived) -> TipLocated:
    """*event* as it leaves geolocate, without an address."""
    return TipLocated(located_at=NOW, jurisdiction=Jurisdiction(), received=event)


def test_the_police_get_every_tip_and_one_call_with_the_count() -> None:
    """Six P0 tips of the public: six referrals, two calls; the second is a notice for the last tip and says five."""
    task, room = Task(allowance=1), Room()
    for _ in range(6):
        task.send()
    firsts = [told(room.locate(located(event), urgent=True))["police-se"] for event in task.events]
    (late,) = task.wait(BETWEEN)
    notice = told(room.locate(located(late), urgent=True))["police-se"]

    assert [(one["priority"], one["action"]) for one in firsts] == [("P0", "new")] * 6
    assert [(one["duty"], one["duty_count"]) for one in firsts] == [(True, 1)] + [(False, None)] * 5
    assert (notice["action"], notice["duty"], notice["duty_count"]) == ("sightings", True, 5)
    assert notice["replaces"] == firsts[-1]["referral_id"]
    assert notice["content"] == {}
    assert room.entry("hop.routed").tally["referrals"] == [notice["referral_id"]]


def test_a_notice_read_twice_calls_once() -> None:
    """The notice's id is made of tip and minute, so that its receiver knows a replay."""
    task, room = Task(allowance=1), Room()
    task.send()
    room.locate(located(task.send()), urgent=True)
    (late,) = task.wait(BETWEEN)

    one, two = (told(room.locate(located(late), urgent=True))["police-se"]["referral_id"] for _ in range(2))
    assert one == two


def test_a_notice_for_a_tip_that_nobody_has_writes_its_entry_alone() -> None:
    """What the home police took back or never got rings nowhere; the books still balance."""
    task, room = Task(allowance=1), Room()
    task.send()
    first = task.send()
    (late,) = task.wait(BETWEEN)
    room.locate(located(first), urgent=True)
    gone = first.model_copy(
        update={"revision": 2, "facts": first.facts.model_copy(update={"withdrawn": True, "text_signals": ()})}
    )
    room.locate(located(gone), urgent=True)

    assert room.locate(located(late), urgent=True) == []
    assert room.entry("hop.routed").basis == {"repeat": True}


def test_the_row_is_readable_json() -> None:
    """What a task keeps of its budget is times and numbers, nothing of a tip."""
    task = Task(allowance=1)
    task.send()
    task.send()

    assert set(orjson.loads(task.view.rows[BUDGET])) == {"since", "tips", "noticed", "waiting"}
