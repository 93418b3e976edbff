"""When attempts are made, what their ends mean, when a breaker opens: values only."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.hop import NAMESPACE
from services.notifier.delivering.attempt import AttemptEnd
from services.notifier.delivering.breaker import LONGEST_PAUSE, OPENS_AFTER, Breaker
from services.notifier.delivering.schedule import STEPS, attempt_delay, retry_after
from services.notifier.delivering.verdicts import RETRIED_4XX, Fault, Verdict, of_end, of_status
from tests.support.notifier_world import START, World, a_referral

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
DELIVERY = UUID("00000000-0000-4000-8000-000000000001")


def test_steps_are_those_of_standard_webhooks() -> None:
    """Ten attempts over 75 h 35 min 5 s."""
    assert (10, timedelta(hours=75, minutes=35, seconds=5)) == (len(STEPS), sum(STEPS, timedelta()))


@pytest.mark.parametrize("seed", range(500))
def test_every_delivery_keeps_the_schedule_and_none_is_discarded(seed: int) -> None:
    """On a simulated clock, 500 deliveries to a dead agency make ten attempts within 10 % of the steps, then park."""
    delivery = uuid5(NAMESPACE, f"seed {seed}")
    delays: list[timedelta] = []
    while (delay := attempt_delay(len(delays), delivery)) is not None:
        delays.append(delay)

    assert len(delays) == len(STEPS)
    assert all(abs(delay - step) <= step * 0.1 for delay, step in zip(delays, STEPS, strict=True))
    assert delays == [attempt_delay(made, delivery) for made in range(len(STEPS))]


@pytest.mark.parametrize("seed", range(2))
def test_a_dead_agency_discards_nothing_in_the_whole_hop(seed: int) -> None:
    """E70: an agency that is down for a fortnight gets its referral when it returns, with the same id."""
    back = START + timedelta(days=14)
    world = World(plays=lambda _effect, now: AttemptEnd(status=200 if now >= back else 503))
    event = a_referral(seed)
    world.refer(event)
    world.run(timedelta(days=16))

    assert "done" == world.row(event.referral_id)["push"]
    assert {str(event.referral_id)} == {effect.key.split("/")[1] for _, effect in world.sent}
    assert 1 == world.words().count("delivered")


@given(made=st.integers(0, 20), seconds=st.integers(-(10**6), 10**9))
def test_retry_after_is_honoured_and_capped(made: int, seconds: int) -> None:
    """What an agency asks for is waited for, never longer than the next step, never shorter than this one."""
    plain = attempt_delay(made, DELIVERY)
    asked = attempt_delay(made, DELIVERY, asked=timedelta(seconds=seconds))

    if plain is None:
        assert asked is None
        return
    longest = STEPS[min(made + 1, len(STEPS) - 1)]
    assert asked == max(plain, min(timedelta(seconds=seconds), longest))


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 7 ", timedelta(seconds=7)),
        ("Sun, 22 Nov 2026 09:16:00 GMT", timedelta(minutes=1)),
        ("Sun, 22 Nov 2026 09:00:00 GMT", None),
        ("-1", None),
        ("1e9", None),
        ("9" * 40, None),
        ("Wed", None),
        ("junk \x00", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_junk_in_retry_after_is_ignored(value: str | None, wait: timedelta | None) -> None:
    """Numbers and dates are read; anything else asks for nothing."""
    assert wait == retry_after(value, NOW)


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_its_verdict(status: int) -> None:
    """2xx is delivered, 410 gone, other 3xx and 4xx permanent but for four, everything else is tried again."""
    if status // 100 == 2:
        expected = Verdict.DELIVERED
    elif status == 410:
        expected = Verdict.GONE
    elif status // 100 in (3, 4) and status not in RETRIED_4XX:
        expected = Verdict.PERMANENT
    else:
        expected = Verdict.TRANSIENT

    assert expected is of_status(status)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NO_CHANNEL])
def test_a_fault_is_always_tried_again(fault: Fault) -> None:
    """E69: nobody knows what arrived before a fault, so the same id is sent again, even where a 200 had begun."""
    assert Verdict.TRANSIENT is of_end(200, fault)


def test_breaker_opens_after_ten_failures_in_a_row() -> None:
    """Nine do nothing; a success in between starts the count again."""
    breaker = Breaker()
    for _ in range(OPENS_AFTER - 1):
        breaker = breaker.failed(NOW)

    assert breaker.closed
    assert not breaker.failed(NOW).closed
    assert breaker.succeeded().failed(NOW).closed


def test_an_open_breaker_sends_one_probe_and_never_gives_up() -> None:
    """A year of failed probes: always another one within five minutes, always only one."""
    breaker, now, probes = Breaker(), NOW, 0
    for _ in range(OPENS_AFTER):
        breaker = breaker.failed(now)
    while probes < 1000:
        assert breaker.until is not None
        assert breaker.room(now, sending=0, concurrency=4) == 0
        assert breaker.until - now <= LONGEST_PAUSE
        now = breaker.until
        assert (1, 0) == (breaker.room(now, sending=0, concurrency=4), breaker.room(now, sending=1, concurrency=4))
        breaker, probes = breaker.failed(now), probes + 1

    assert breaker.succeeded().closed


def test_a_late_failure_does_not_prolong_an_open_breaker() -> None:
    """Attempts that were under way when it opened end without moving the next probe."""
    breaker = Breaker()
    for _ in range(OPENS_AFTER):
        breaker = breaker.failed(NOW)

    assert breaker.until == breaker.failed(NOW + timedelta(seconds=1)).until
