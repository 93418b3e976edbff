"""A trace in the terminal: spans nested by parent, a bar each on one time line."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from services.chassis.telemetry.localtraces import LocalSpan

BAR = 40
"""Columns of the time line."""
FULL, THIN = "█", "▏"


@dataclass(frozen=True, slots=True)
class Row:
    """One span where it stands in the tree."""

    span: LocalSpan
    depth: int
    orphan: bool
    """Its parent was not kept: a span of outside, or lost."""


def tree(spans: Sequence[LocalSpan]) -> list[Row]:
    """Put *spans* in order, each below its parent, by begin; those without their parent stand at the top."""
    known = {span.span_id for span in spans}
    below: dict[str | None, list[LocalSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.start_ns, span.end_ns)):
        below[span.parent_id if span.parent_id in known and span.parent_id != span.span_id else None].append(span)
    return list(_walk(below, None, 0))


def _walk(below: dict[str | None, list[LocalSpan]], parent: str | None, depth: int) -> Iterator[Row]:
    for span in below.pop(parent, ()):
        yield Row(span, depth, orphan=depth == 0 and span.parent_id is not None)
        yield from _walk(below, span.span_id, depth + 1)


def bar(span: LocalSpan, begin_ns: int, end_ns: int, width: int = BAR) -> str:
    """Draw *span* on a line from *begin_ns* to *end_ns*."""
    total = max(end_ns - begin_ns, 1)
    left = min(int((span.start_ns - begin_ns) / total * width), width - 1)
    length = round((span.end_ns - span.start_ns) / total * width)
    return (" " * left + (FULL * min(length, width - left) if length else THIN)).ljust(width)


def duration(nanoseconds: int) -> str:
    """Say how long, in the unit that fits."""
    for unit, size in (("h", 3_600_000_000_000), ("min", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.1f} {unit}"
    return f"{nanoseconds / 1_000:.0f} us"


def waterfall(spans: Sequence[LocalSpan]) -> Table:
    """Draw *spans* of one trace."""
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for head in ("span", "service", "starts", "lasts", ""):
        table.add_column(head, no_wrap=True, justify="right" if head in ("starts", "lasts") else "left")
    rows = tree(spans)
    begin, end = min(s.start_ns for s in spans), max(s.end_ns for s in spans)
    for row in rows:
        span = row.span
        style = "red" if span.failed else ""
        name = Text("  " * row.depth + span.name + (" (parent not kept)" if row.orphan else ""), style=style)
        starts, lasts = duration(span.start_ns - begin), duration(span.end_ns - span.start_ns)
        table.add_row(name, Text(span.service), f"+{starts}", lasts, Text(bar(span, begin, end), style=style or "cyan"))
    return table
