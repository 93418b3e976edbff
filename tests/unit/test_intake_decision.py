"""New, repeat, correction or refused: the decision and the hop over a store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.hop import Input, Outcome, Record, Timer, record_id, tip_id
from services.intake.hop import IntakeHop
from services.intake.outcomes import REMEMBERED
from tests.support.intake import KEY, NOW, PARTNERS, DictView, record, submission


class Sender:
    """One partner's task: what it wrote is decided in order, as the runner does."""

    def __init__(self) -> None:
        self.hop = IntakeHop(PARTNERS, KEY)
        self.view = DictView()
        self.timers: dict[str, Timer] = {}

    def send(self, value: bytes | None = None, *, topic: str = "tips-inbox-ecpat-se", **changed: Any) -> Outcome:
        """Put one record before the hop."""
        given_record = record(submission(**changed) if value is None else value, topic=topic)
        return self.work(given_record)

    def work(self, given_record: Record, now: datetime = NOW) -> Outcome:
        """Decide on a record and keep what is to be kept."""
        outcome = self.hop.decide(Input(record_id("t", 0, 0), now, given_record), self.view)
        return self._keep(outcome)

    def fire(self, key: str) -> Outcome:
        """Let a timer go off."""
        timer = self.timers.pop(key)
        return self._keep(self.hop.decide(Input(record_id("t", 0, 1), timer.due, timer=timer), self.view))

    def _keep(self, outcome: Outcome) -> Outcome:
        self.view.put(outcome.puts)
        self.timers |= {timer.key: timer for timer in outcome.timers}
        return outcome


def status(outcome: Outcome) -> dict[str, Any]:
    """The one status of an outcome."""
    told = [event for event in outcome.events if event.topic.startswith("tips-status-")]
    assert len(told) == 1
    assert len(outcome.entries) == 1
    found: dict[str, Any] = orjson.loads(told[0].body)
    return found


def tips(outcome: Outcome) -> list[dict[str, Any]]:
    """What went on to the next hop."""
    return [orjson.loads(event.body) for event in outcome.events if event.topic.startswith("tips-received")]


def test_a_new_submission_is_a_tip() -> None:
    """Accepted: one event keyed by group, one status keyed by reference, one entry, rows, a timer, a trace seed."""
    sender = Sender()
    outcome = sender.send(reference="E-1")
    (event,) = [event for event in outcome.events if event.topic == "tips-received"]
    expected = str(tip_id("ecpat-se", "E-1"))
    assert (event.tip, outcome.tip, outcome.trace_seed) == (expected, expected, expected)
    assert event.expects_entry
    assert event.key == tips(outcome)[0]["group_id"]
    told = status(outcome)
    assert (told["status"], told["tip_id"], told["revision"], told["repeated"]) == ("accepted", expected, 1, False)
    assert told["priority"] == "P3"
    assert outcome.events[1].key == "E-1"
    assert outcome.entries[0].kind == "tip.accepted"
    assert outcome.entries[0].tally["revision"] == 1
    assert outcome.timers[0].due == NOW + REMEMBERED
    assert len(outcome.puts) == 2


def test_e15_the_same_again_is_a_repeat() -> None:
    """E15: same reference and content, whatever order, spacing or nulls: same tip, no second event."""
    sender = Sender()
    sender.send(reference="E-1", narrative="x")
    again = [
        submission(narrative="x", reference="E-1"),
        submission(reference="E-1", narrative="x", people=None, schema="tip-submission/1"),
        submission(reference="E-1", narrative="x", reporter={"contact": None}, hashes=[], assessment={"labels": []}),
        submission(reference="E-1", narrative="x").replace(b", ", b" ,\n ").replace(b'"x"', b'"\\u0078"'),
    ]
    for value in again:
        outcome = sender.send(value)
        told = status(outcome)
        assert (told["status"], told["repeated"], told["revision"]) == ("accepted", True, 1)
        assert told["tip_id"] == str(tip_id("ecpat-se", "E-1"))
        assert (tips(outcome), outcome.entries[0].kind, outcome.puts) == ([], "tip.repeated", {})


def test_e15_a_reference_is_used_once() -> None:
    """E15: same reference, other content, no supersedes: refused, and the tip stays as it was."""
    sender = Sender()
    sender.send(reference="E-1", narrative="x")
    outcome = sender.send(reference="E-1", narrative="y")
    told = status(outcome)
    assert told["refusal"]["reason"] == "reference_reused"
    assert told["refusal"]["pointer"] == "/reference"
    assert told["tip_id"] == str(tip_id("ecpat-se", "E-1"))
    assert (tips(outcome), outcome.puts, outcome.tip) == ([], {}, None)


def test_e07_a_correction_is_the_next_revision_of_the_same_tip() -> None:
    """E07: a chain of corrections keeps tip id and group, whichever earlier reference each names."""
    sender = Sender()
    first = tips(sender.send(reference="E-1"))[0]
    second = tips(sender.send(reference="E-2", supersedes="E-1", urls=["https://other.example/"]))[0]
    third = tips(sender.send(reference="E-3", supersedes="E-1", urls=["https://third.example/"]))[0]
    assert [tip["revision"] for tip in (first, second, third)] == [1, 2, 3]
    assert {tip["tip_id"] for tip in (first, second, third)} == {str(tip_id("ecpat-se", "E-1"))}
    assert {tip["group_id"] for tip in (first, second, third)} == {first["group_id"]}
    assert third["facts"]["url_count"] == 1


def test_e07_a_draft_is_completed_under_its_own_reference() -> None:
    """E07: a reference that supersedes itself is a correction; the first text again is a repeat of revision 1."""
    sender = Sender()
    sender.send(reference="E-1", narrative="x")
    outcome = sender.send(reference="E-1", supersedes="E-1", narrative="x and more")
    assert tips(outcome)[0]["revision"] == 2
    again = status(sender.send(reference="E-1", narrative="x"))
    assert (again["repeated"], again["revision"]) == (True, 1)


def test_a_correction_repeated_is_a_repeat() -> None:
    """The same correction again is the same revision, also after the next one."""
    sender = Sender()
    sender.send(reference="E-1")
    sender.send(reference="E-2", supersedes="E-1", narrative="x")
    sender.send(reference="E-3", supersedes="E-2", narrative="y")
    told = status(sender.send(reference="E-2", supersedes="E-1", narrative="x"))
    assert (told["repeated"], told["revision"]) == (True, 2)


def test_a_correction_may_not_take_over_another_tips_reference() -> None:
    """A reference of one tip cannot become a correction of another."""
    sender = Sender()
    sender.send(reference="E-1")
    sender.send(reference="E-2", narrative="another tip")
    told = status(sender.send(reference="E-2", supersedes="E-1", narrative="x"))
    assert told["refusal"]["reason"] == "reference_reused"


@pytest.mark.parametrize("changed", [{"narrative": "x"}, {"urls": ..., "withdrawn": True}])
def test_an_unknown_reference_cannot_be_corrected(changed: dict[str, Any]) -> None:
    """``supersedes`` that names nothing of this sender is refused at its pointer, with the id that the door told."""
    told = status(Sender().send(reference="E-2", supersedes="E-1", **changed))
    assert (told["refusal"]["reason"], told["refusal"]["pointer"]) == ("unknown_reference", "/supersedes")
    assert told["tip_id"] == str(tip_id("ecpat-se", "E-1"))


def test_e66_a_tip_is_withdrawn() -> None:
    """E66: a withdrawal is the next revision, says so, and carries nothing else."""
    sender = Sender()
    sender.send(reference="E-1", narrative="x")
    event = tips(sender.send(reference="E-2", supersedes="E-1", urls=..., withdrawn=True))[0]
    assert (event["revision"], event["facts"]["withdrawn"]) == (2, True)
    assert "narrative" not in event["content"]


def test_e16_senders_do_not_share_references() -> None:
    """E16: the sender is the topic; the same reference of another partner is another tip."""
    sender = Sender()
    one, two = (sender.hop.decide(Input(record_id("t", 0, 0), NOW, record(submission(), topic=topic)), DictView())
                for topic in ("tips-inbox-ecpat-se", "tips-inbox-public-urgent"))  # fmt: skip
    assert tips(one)[0]["tip_id"] != tips(two)[0]["tip_id"]
    assert tips(two)[0]["partner"] == "public"
    assert tips(one)[0]["group_id"] == tips(two)[0]["group_id"]


def test_triage_chooses_the_lane_whatever_the_inbox() -> None:
    """A routine tip in the urgent inbox goes on as routine, an urgent one in the routine inbox as urgent."""
    sender = Sender()
    routine = sender.send(reference="E-1", topic="tips-inbox-ecpat-se-urgent")
    urgent = sender.send(reference="E-2", signals=["crisis"])
    assert (routine.events[0].topic, urgent.events[0].topic) == ("tips-received", "tips-received-urgent")
    assert status(urgent)["priority"] == "P0"


def test_a_tip_that_was_urgent_stays_in_its_lane() -> None:
    """A correction without the danger sign still takes the urgent lane: it must not arrive before its tip."""
    sender = Sender()
    sender.send(reference="E-1", signals=["crisis"])
    later = sender.send(reference="E-2", supersedes="E-1", urls=..., withdrawn=True)
    assert later.events[0].topic == "tips-received-urgent"


@pytest.mark.parametrize(
    "value", [b"", b"\xff\xfe", b"null", b"x" * 600_000, submission(urls=["data:image/png;base64,AA"])]
)
def test_e01_every_bad_record_gets_exactly_one_refusal(value: bytes) -> None:
    """E01: one status with reason, digest and size, one entry, nothing on any other topic, nothing remembered."""
    outcome = Sender().send(value)
    told = status(outcome)
    assert (told["status"], told["refusal"]["size"]) == ("refused", len(value))
    assert len(outcome.events) == 1
    assert (outcome.puts, outcome.timers, outcome.entries[0].kind) == ({}, [], "tip.refused")
    assert outcome.entries[0].tally == {"reason": told["refusal"]["reason"]}


def test_a_null_value_is_refused_in_words() -> None:
    """A tombstone in an inbox is no JSON."""
    told = status(Sender().work(record(None)))
    assert (told["refusal"]["reason"], told["refusal"]["size"]) == ("not_json", 0)


def test_a_record_that_cannot_be_worked_is_refused_without_being_read() -> None:
    """A record that ended the process, or whose event is too large, gets its one refusal whatever its time stamp."""
    hop = IntakeHop(PARTNERS, KEY)
    small = hop.refuse_crashed(record(submission()))
    large = hop.refuse_crashed(record(b"x" * 200_000))
    wild = hop.refuse_crashed(Record("tips-inbox-public", 0, 0, None, None, (), 2**62))
    reasons = [status(outcome)["refusal"]["reason"] for outcome in (small, large, wild)]
    assert reasons == ["invalid_field", "too_large", "invalid_field"]
    assert status(wild)["at"] == "1970-01-01T00:00:00Z"


def test_references_are_forgotten_after_their_time() -> None:
    """When a tip's timer fires, its rows and those of all its references go; the reference may be used again."""
    sender = Sender()
    sender.send(reference="E-1")
    sender.send(reference="E-2", supersedes="E-1", narrative="x")
    (key,) = sender.timers
    assert sender.timers[key].due == NOW + timedelta(days=400)
    sender.fire(key)
    assert sender.view.rows == {}
    assert status(sender.send(reference="E-1", narrative="new"))["revision"] == 1


def test_nothing_of_a_tip_is_in_keys_or_attributes() -> None:
    """Keys of rows, timers and events but the sender's own status tell nothing, nor do the span's attributes."""
    outcome = Sender().send(reference="E-secret", urls=["https://secret.example/"], narrative="secret words")
    ours = [event.key for event in outcome.events if not event.topic.startswith("tips-status-")]
    said = [
        *ours,
        *outcome.puts,
        *(timer.key for timer in outcome.timers),
        str(outcome.attributes),
        str(outcome.entries),
    ]
    assert not [text for text in said if "secret" in text]


def test_tasks_are_partners() -> None:
    """Each partner is a task: urgent inbox first, routine inbox, a changelog of its own."""
    first = IntakeHop(PARTNERS, KEY).tasks()[0]
    assert first.id == "ecpat-se"
    assert first.inputs == (("tips-inbox-ecpat-se-urgent", 0, True), ("tips-inbox-ecpat-se", 0, False))
    assert first.changelog == ("changelog-intake-ecpat-se", 0)


steps = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from([None, "A", "B", "C"]), st.sampled_from(["x", "y"])), max_size=12
)


@given(steps)
def test_any_history_keeps_its_promises(history: list[tuple[str, str | None, str]]) -> None:
    """Doing any history twice gives nothing new; revisions of a tip count 1, 2, 3; one status each time."""
    sender = Sender()
    revisions: dict[str, list[int]] = {}
    for reference, supersedes, text in history:
        outcome = sender.send(reference=reference, supersedes=supersedes, narrative=text)
        told = status(outcome)
        for event in tips(outcome):
            revisions.setdefault(event["tip_id"], []).append(event["revision"])
        again = sender.send(reference=reference, supersedes=supersedes, narrative=text)
        assert tips(again) == []
        assert status(again).get("repeated", False) is (told["status"] == "accepted")
    assert all(counted == list(range(1, len(counted) + 1)) for counted in revisions.values())


def test_the_clock_of_the_input_is_the_clock() -> None:
    """The same record at another time differs in its times only."""
    one, two = (Sender().work(record(submission()), now) for now in (NOW, NOW.astimezone(UTC) + timedelta(hours=1)))
    assert tips(one)[0] | {"received_at": ""} == tips(two)[0] | {"received_at": ""}
