"""Times as senders write them: RFC 3339, and without a zone where nobody knew it."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from contracts.vocabulary import Flag

CLOCKS_DIFFER = timedelta(minutes=5)
"""A time this far ahead is a clock that runs fast; beyond it the time is kept, flagged, and not used."""

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:[0-5]\d)?", re.ASCII
)
LEAP_SECOND = 60


class Read(NamedTuple):
    """A time as understood; *when* has no zone where the sender gave none, and is None where it cannot be used."""

    when: datetime | None
    flags: tuple[Flag, ...] = ()


NOTHING = Read(None)


def readable(text: str) -> bool:
    """Tell whether *text* is a time."""
    return parse_time(text) is not None


def parse_time(text: str) -> datetime | None:
    """Parse RFC 3339, zone optional; None where it is no time. A leap second counts as the second before it."""
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        return None
    date, minute, second, fraction, zone = match.groups()
    shown = LEAP_SECOND - 1 if int(second) == LEAP_SECOND else int(second)
    try:
        when = datetime.fromisoformat(f"{date}T{minute}:{shown:02d}.{(fraction or '0')[:6]:0<6}{(zone or '').upper()}")
        if when.tzinfo:
            when.astimezone(UTC)  # a zone may push the ends of the calendar over: OverflowError
    except (ValueError, OverflowError):
        return None
    return when


def read_time(text: str | None, now: datetime) -> Read:
    """Read when something was observed: never later than *now*, give or take a clock that runs fast."""
    when = parse_time(text) if text else None
    if when is None:
        return NOTHING
    flags = () if when.tzinfo else (Flag.TZ_UNKNOWN,)
    utc = when if when.tzinfo else when.replace(tzinfo=timezone(timedelta(hours=14)))
    if utc > now + CLOCKS_DIFFER:
        return Read(None, (*flags, Flag.FUTURE_TIME))
    return Read(when, flags)


def read_limit(text: str | None) -> Read:
    """Read until when something is kept; without a zone it is taken as UTC and flagged."""
    when = parse_time(text) if text else None
    if when is None or when.tzinfo:
        return Read(when)
    return Read(when.replace(tzinfo=UTC), (Flag.TZ_UNKNOWN,))
