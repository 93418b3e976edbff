"""``vidare reconcile``: every accepted tip, and where it ended."""

import asyncio

from services.chassis.settings import Settings
from services.cli import output
from services.cli.context import with_broker
from services.cli.kafka_io import connected
from services.custody.books import Balance

SHOWN = 20
"""Tip ids listed in words; ``--json`` has them all."""


def reconcile_command(settings: Settings, *, json: bool = False) -> int:
    """Print the books; 1 if a tip is unaccounted for or a referral doubled."""
    found, unreadable = asyncio.run(reconciled(with_broker(settings)))
    if unreadable:
        output.note(f"{unreadable} records in the topic custody are no entries: somebody writes there who must not")
    if json:
        output.as_json(found.as_json())
    else:
        _print(found)
    return 0 if found.balanced else 1


async def reconciled(settings: Settings) -> tuple[Balance, int]:
    """
    Balance the books of the mesh that *settings* name; return them and how many records were no entries.

    Raises:
        Misconfigured: The mesh has no topics yet.
        Unavailable: The broker does not answer.
    """
    from services.custody.reconcile import Ledger  # noqa: PLC0415 - keeps `vidare --help` quick

    async with connected(settings.kafka or "") as broker:
        ledger = Ledger(broker)
        return await ledger.balance(), ledger.books.unreadable


def line_of(found: Balance) -> str:
    """The reconciliation line: the sum that must be right, and what stands beside it."""
    return (
        f"accepted {found.accepted} = ended {found.ended} + parked {found.parked} + in flight {found.in_flight}"
        f"{f' + unaccounted {len(found.unaccounted)}' if found.unaccounted else ''}"
        f"; refused {found.refused}, repeated {found.repeated}, unaccounted {len(found.unaccounted)}"
        f", duplicates {found.duplicates}"
    )


def _print(found: Balance) -> None:
    rows: list[tuple[str, int, str]] = [
        ("accepted", found.accepted, "tips with an entry tip.accepted"),
        ("ended", found.ended, "acknowledged by all, not referable, a sighting, superseded, withdrawn, closed"),
        ("parked", found.parked, "waiting for a receipt, a person or an agency; each has an owner and a clock"),
        ("in flight", found.in_flight, "between two hops"),
        ("unaccounted", len(found.unaccounted), "lost; must be 0"),
        ("refused", found.refused, "submissions that were refused in words"),
        ("repeated", found.repeated, "submissions received again"),
        ("duplicates", found.duplicates, "referrals doubled; must be 0"),
    ]
    output.table(("state", "count", "what"), rows)
    for tip in found.unaccounted[:SHOWN]:
        output.line(f"unaccounted: {tip}  (vidare tip {tip})")
    output.line(line_of(found))
