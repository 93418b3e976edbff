"""Read the published forms of the open databases as address ranges: text in, ranges out."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from services.geolocate.mmdb import Range
from services.indicators.reserved import as_number


def address_number(text: str) -> int:
    """The 128-bit number of an address; IPv4 lies at ``::/96``."""
    return as_number(text)[0]


def ipfire_ranges(v4: Iterable[str], v6: Iterable[str]) -> Iterator[Range]:
    """Ranges of Tor's text form of the IPFire database; ``??`` says nothing."""
    for line in v4:
        if not line.startswith("#"):
            first, last, country = line.rstrip().split(",")
            if country != "??":
                yield Range(int(first), int(last), country)
    for line in v6:
        if not line.startswith("#"):
            first, last, country = line.rstrip().split(",")
            if country != "??":
                yield Range(address_number(first), address_number(last), country)


def ipfire_date(lines: Iterable[str]) -> datetime:
    """
    When the IPFire database was generated, as its own header says.

    Raises:
        ValueError: There is no such header.
    """
    for line in lines:
        if line.startswith("# Generated:"):
            return parsedate_to_datetime(line.partition(":")[2].strip()).astimezone(UTC)
        if not line.startswith("#"):
            break
    raise ValueError("no '# Generated:' line at the top: not the geoip text of tor-geoipdb")


def country_ranges(*files: Iterable[str]) -> Iterator[Range]:
    """Ranges of ``first,last,country`` rows."""
    for lines in files:
        for first, last, country in csv.reader(lines):
            yield Range(address_number(first), address_number(last), country)


def network_ranges(*files: Iterable[str]) -> Iterator[Range]:
    """Ranges of ``first,last,asn,name`` rows."""
    for lines in files:
        for first, last, asn, name in csv.reader(lines):
            yield Range(address_number(first), address_number(last), {"asn": int(asn), "name": name})


def package_date(version: str) -> datetime:
    """
    The build date inside a package version such as ``2.3.2026061719``.

    Raises:
        ValueError: The version has no date.
    """
    return datetime.strptime(version.rpartition(".")[2][:10], "%Y%m%d%H").replace(tzinfo=UTC)


def without_overlaps(ranges: Iterable[Range]) -> Iterator[Range]:
    """
    *ranges* in order of address, a later start cutting the range that it lies in.

    Published files hold a few overlapping rows; the narrower statement is the newer one.
    """
    pending: list[Range] = []
    for row in sorted(ranges, key=lambda r: (r.first, -r.last)):
        yield from _closed_before(pending, row.first)
        if pending and pending[-1].first < row.first:
            outer = pending.pop()
            yield Range(outer.first, row.first - 1, outer.value)
            pending.append(Range(row.first, outer.last, outer.value))
        pending.append(row)
    yield from _closed_before(pending, 1 << 128)


def _closed_before(pending: list[Range], number: int) -> Iterator[Range]:
    """Take from *pending* what ends before *number*, and let the rest of an outer range go on behind an inner one."""
    while pending and pending[-1].last < number:
        done = pending.pop()
        if done.first <= done.last:
            yield done
        while pending and pending[-1].last <= done.last:
            pending.pop()
        if pending and pending[-1].first <= done.last:
            outer = pending.pop()
            pending.append(Range(done.last + 1, outer.last, outer.value))
