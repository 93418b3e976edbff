"""How commands answer: one JSON value for programs, words and tables for people."""

import sys
from collections.abc import Iterable, Sequence

import orjson


def as_json(value: object, *, pretty: bool = True) -> None:
    """Write *value* as JSON on standard output."""
    options = (orjson.OPT_INDENT_2 if pretty else 0) | orjson.OPT_NON_STR_KEYS
    sys.stdout.buffer.write(orjson.dumps(value, option=options, default=str) + b"\n")
    sys.stdout.buffer.flush()


def line(text: str = "") -> None:
    """Write one line on standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write one line for the person at the terminal; standard output stays free for the answer."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table: drawn on a terminal, columns with two blanks between them elsewhere."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _drawn(heads, cells)
        return
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for row in (heads, *cells):
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _drawn(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415 - only terminals need it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=box.SIMPLE_HEAD)
    for head in heads:
        drawn.add_column(head, overflow="fold")  # ids are for copying: never cut
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)
