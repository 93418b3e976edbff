"""What a committed transaction counts for, and what stands for words that nobody listed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts import labels, telemetry
from contracts.vocabulary import DeadReason
from services.chassis.hop import Record
from services.chassis.running.ends import Ends
from services.chassis.settings import Settings
from services.chassis.telemetry.lag import READ_EVERY_S, Wait
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.recording import hop_recorder
from services.chassis.telemetry.spanmaker import Attempt
from services.chassis.telemetry.spans import SpanRecorder
from services.chassis.telemetry.telemetry_port import Processed
from services.notifier.delivering.verdicts import Fault
from tests.unit.test_telemetry_spans import BEGAN, some_processed

ACCEPTED = datetime.fromtimestamp(BEGAN / 1e9 - 2, UTC).isoformat()


def counted(hop: str, *processed: Processed) -> Metrics:
    """The metrics of *hop* after one transaction."""
    metrics = Metrics()
    SpanRecorder(None, metrics, hop=hop).committed(processed)
    return metrics


def submission(attributes: dict[str, object], headers: Sequence[tuple[str, bytes]] = ()) -> Processed:
    """One record of an inbox as the intake hop worked it."""
    done = some_processed(hop="intake", topic="tips-inbox-ecpat-se", attributes=attributes, sent=[])
    record = Record("tips-inbox-ecpat-se", 0, 1, None, b"{}", headers, 0)
    done.given = done.given.__class__(done.given.event_id, done.given.now, record=record)
    return done


def ages(metrics: Metrics, to: str, lane: str) -> float | None:
    """How many tips' ages were observed."""
    return metrics.registry.get_sample_value("vidare_tip_age_seconds_count", {"to": to, "lane": lane})


@pytest.mark.parametrize(
    ("headers", "via"),
    [([], "kafka"), ([("vidare-via", b"http")], "http"), ([("vidare-via", b"\xffa sender's words")], "kafka")],
)
def test_refusals_and_repeats_are_counted_by_the_way_they_came(headers: list[tuple[str, bytes]], via: str) -> None:
    """The header of an inbox record is anybody's: only listed words become a label."""
    metrics = counted(
        "intake",
        submission({telemetry.REFUSAL: "too_large"}, headers),
        submission({telemetry.REPEATED: True}, headers),
        submission({telemetry.PRIORITY: "P0"}, headers),
    )

    assert metrics.value(telemetry.REFUSALS, via=via, reason="too_large") == 1
    assert metrics.value(telemetry.REPEATS, via=via) == 1
    assert metrics.value(telemetry.CONSUMED, hop="intake", topic="tips-inbox-{partner}") == 3


def test_only_a_located_tip_is_routed() -> None:
    """An outcome that is decided again carries the time of a receipt: it is no tip's age."""
    located = some_processed(hop="router", topic="tips-located", accepted_at=ACCEPTED.encode())
    outcome = some_processed(hop="router", topic="outcomes", accepted_at=ACCEPTED.encode())

    assert ages(counted("router", located, outcome), "routed", "routine") == 1


def test_the_notifier_tells_ages_receipts_and_escalations_of_an_agency() -> None:
    """All of it is known from the attributes that its decision set."""
    attributes = {
        telemetry.AGENCY: "hotline-nl",
        telemetry.RECEIPT: "acknowledged",
        telemetry.DELIVERY: ["acknowledged", "escalated", "expired", "followed_up"],
        telemetry.REACHED: ["delivered", "acknowledged"],
        telemetry.ACCEPTED_AT: ACCEPTED,
        telemetry.PRIORITY: "P0",
    }
    metrics = counted("notifier", some_processed(hop="notifier", topic="receipts-checked", attributes=attributes))

    assert metrics.value(telemetry.RECEIPTS, agency="hotline-nl", status="acknowledged") == 1
    assert metrics.value(telemetry.ESCALATIONS, agency="hotline-nl") == 2
    assert ages(metrics, "delivered", "urgent") == ages(metrics, "acknowledged", "urgent") == 1


def test_what_is_written_to_a_feed_is_delivered_by_topic() -> None:
    """The agency's own topic counts as a channel; the metric of events names no agency."""
    done = some_processed(hop="notifier", topic="referrals-routed")
    done.sent[0].topic = "referrals-agency-police-se"

    metrics = counted("notifier", done)

    assert metrics.value(telemetry.ATTEMPTS, agency="police-se", channel="topic", end="delivered") == 1
    assert metrics.value(telemetry.SENT, hop="notifier", topic="referrals-agency-{agency}") == 1


def test_a_refused_receipt_is_counted_by_its_topic() -> None:
    """Whose inbox it is says who sent it."""
    attributes = {telemetry.AGENCY: "police-se", telemetry.RECEIPT: "refused"}
    done = some_processed(hop="receipts", topic="receipts-inbox-police-se", attributes=attributes, sent=[])

    assert counted("receipts", done).value(telemetry.RECEIPTS, agency="police-se", status="refused") == 1


def test_a_dead_letter_is_counted_and_nothing_else_of_it() -> None:
    """Its reason is a word of the list; its attributes count for nothing."""
    done = some_processed(hop="router", topic="tips-located", accepted_at=ACCEPTED.encode(), dead=DeadReason.NOT_JSON)
    metrics = counted("router", done)

    assert metrics.value(telemetry.DEAD_LETTERS, hop="router", topic="tips-located", reason="not_json") == 1
    assert ages(metrics, "routed", "routine") is None


@pytest.mark.parametrize(("error", "end"), [("http_503", "http_503"), ("http_777", "other"), (None, "delivered")])
def test_an_attempts_end_is_a_word_of_the_list(error: str | None, end: str) -> None:
    """A status that an agency made up is ``other``."""
    metrics = Metrics()
    recorder = SpanRecorder(None, metrics, hop="notifier")

    recorder.attempted(Attempt("webhook", "hotline-nl", "r", 1, BEGAN, BEGAN + 1, error=error))

    assert metrics.value(telemetry.ATTEMPTS, agency="hotline-nl", channel="webhook", end=end) == 1


def test_every_fault_is_a_listed_end() -> None:
    """The contract names what the notifier's channel can say."""
    assert {fault.value for fault in Fault} == set(labels.FAULTS)


def test_somebodys_words_never_become_a_label() -> None:
    """A value outside the list is ``other``, whatever it is."""
    metrics = Metrics()

    metrics.count(telemetry.REFUSALS, via="http", reason="https://host.example/a")
    metrics.count(telemetry.ESCALATIONS, agency="Somebody <a@mail.example>")

    assert b"host.example" not in metrics.render()
    assert b"mail.example" not in metrics.render()
    assert metrics.value(telemetry.REFUSALS, via="http", reason="other") == 1


def test_a_level_that_is_no_longer_ours_goes_away() -> None:
    """A process that lost a task tells nothing of it any more."""
    metrics = Metrics()
    metrics.levels(telemetry.PARKED, {("police-se",): 3, ("hotline-nl",): 1})

    metrics.levels(telemetry.PARKED, {("hotline-nl",): 2})

    assert metrics.value(telemetry.PARKED, agency="hotline-nl") == 2
    assert b"police-se" not in metrics.render()


async def test_without_spans_everything_is_measured_and_nothing_is_written(tmp_path: Path) -> None:
    """``VIDARE_SPANS=off`` keeps the metrics and leaves no trace behind."""
    recorder = hop_recorder(Settings(home=tmp_path, spans="off"), "geolocate")

    recorder.committed([some_processed(number) for number in range(200)])
    recorder.attempted(Attempt("webhook", "hotline-nl", "r", 1, BEGAN, BEGAN + 1))
    await asyncio.sleep(0)
    recorder.close()

    assert recorder.metrics.value(telemetry.CONSUMED, hop="geolocate", topic="tips-received") == 200
    assert recorder.metrics.value(telemetry.SPANS_DROPPED, reason="unmade") == 0
    assert not (tmp_path / "traces").exists()


def test_with_spans_what_was_written_is_counted(tmp_path: Path) -> None:
    """Two spans for a record and one for its transaction reach the local files."""
    recorder = hop_recorder(Settings(home=tmp_path), "notifier")

    recorder.committed([some_processed(hop="notifier", topic="referrals-routed")])
    recorder.close()

    assert recorder.metrics.value(telemetry.SPANS_EXPORTED, to="local") == 3


def test_a_record_waits_from_the_look_before_it_came() -> None:
    """With looks from before, no timestamp is asked; worked off, the wait moves on or ends."""
    wait = Wait()
    wait.look(100, 5, 7, lag=0)
    assert not wait.lag
    wait.look(105, 5, 8, lag=3)
    wait.look(110, 5, 9, lag=4)
    assert (wait.lag, wait.since()) == (True, 100)
    wait.look(115, 8, 12, lag=4)
    assert wait.since() == 105
    wait.look(120, 12, 12, lag=0)
    assert not wait.lag


def test_what_was_there_before_the_first_look_is_asked_for_its_timestamp() -> None:
    """Its time stands for a while, then it is asked again; a time to come is now."""
    wait = Wait()
    wait.look(100, 5, 50, lag=45)
    assert wait.since() is None
    wait.read(100, 40)
    assert wait.since() == 40
    wait.look(105, 20, 60, lag=40)
    assert wait.since() == 40
    wait.look(100 + READ_EVERY_S, 30, 60, lag=30)
    assert wait.since() is None
    wait.read(115, 9_999)
    assert wait.since() == 115


def test_crashes_are_counted_over_restarts(tmp_path: Path) -> None:
    """A start without an end before it counts; a good end does not, and a broken file begins anew."""
    path = tmp_path / "hop" / "0.ends.json"
    assert Ends(path).begin() == 0
    assert Ends(path).begin() == 1
    again = Ends(path)
    assert again.begin() == 2
    again.end()
    assert Ends(path).begin() == 2
    path.write_bytes(b"{")
    assert Ends(path).begin() == 0
