"""Times as senders write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.vocabulary import Flag
from services.intake.times import parse_time, read_limit, read_time
from tests.support.intake import NOW


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-11-22T09:15:00Z", datetime(2026, 11, 22, 9, 15, tzinfo=UTC)),
        ("2026-11-22t09:15:00z", datetime(2026, 11, 22, 9, 15, tzinfo=UTC)),
        ("2026-11-22 09:15:00+01:00", datetime(2026, 11, 22, 8, 15, tzinfo=UTC)),
        ("2026-11-22T09:15:00.123456789Z", datetime(2026, 11, 22, 9, 15, 0, 123456, tzinfo=UTC)),
        ("2026-11-22T09:15:00-00:00", datetime(2026, 11, 22, 9, 15, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-03-29T02:30:00", datetime(2026, 3, 29, 2, 30)),  # noqa: DTZ001 - without zone on purpose
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_e14_rfc_3339_is_read(text: str, when: datetime) -> None:
    """E14: zones, fractions, leap seconds, a missing zone and a local time that does not exist are read."""
    assert parse_time(text) == when


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026-11-22", "09:15", "2026-11-22T09:15", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
        "2026-11-22T24:00:01Z", "2026-11-22T09:15:61Z", "2026-11-22T09:15:00+99:00", "2026-11-22T09:15:00+01:75",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "2026-11-22T09:15:00 Z",
        "\uff12\uff10\uff12\uff16-11-22T09:15:00Z", "1795252500", "2026-W47-7T09:15:00Z",
    ],
)  # fmt: skip
def test_everything_else_is_no_time(text: str) -> None:
    """What is not RFC 3339, or not on the calendar, is no time."""
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("text", "known", "flags"),
    [
        ("2026-11-22T09:15:00+01:00", True, ()),
        ("2026-11-22T09:15:00", True, (Flag.TZ_UNKNOWN,)),
        ("2026-11-22T12:04:00Z", True, ()),
        ("2026-11-22T14:00:00Z", False, (Flag.FUTURE_TIME,)),
        ("2026-11-23T01:00:00", True, (Flag.TZ_UNKNOWN,)),
        ("2026-11-23T03:00:00", False, (Flag.TZ_UNKNOWN, Flag.FUTURE_TIME)),
        (None, False, ()),
    ],
)
def test_e14_odd_times_are_kept_and_flagged(text: str | None, known: bool, flags: tuple[Flag, ...]) -> None:
    """E14: no zone is flagged; more than five minutes ahead everywhere on earth is flagged and not used."""
    found = read_time(text, NOW)
    assert (found.when is not None, found.flags) == (known, flags)


def test_a_limit_may_lie_ahead() -> None:
    """A time of preservation is in the future by nature; without a zone it is taken as UTC."""
    assert read_limit("2027-01-01T00:00:00Z").when == datetime(2027, 1, 1, tzinfo=UTC)
    assert read_limit("2027-01-01T00:00:00") == (datetime(2027, 1, 1, tzinfo=UTC), (Flag.TZ_UNKNOWN,))


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?", fullmatch=True))
def test_no_text_raises(text: str) -> None:
    """Whatever stands there is a time or none, and what is a time can be compared."""
    found = parse_time(text)
    if found is not None:
        assert read_time(text, NOW).when in (found, None)
        assert found.tzinfo is None or found - NOW < timedelta.max
