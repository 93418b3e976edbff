"""What ``vidare tip`` and ``vidare reconcile`` print."""

import io
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from services.chassis.settings import Settings
from services.chassis.telemetry.localtraces import LocalSpan
from services.cli.commands import reconcile, tip
from services.cli.commands.waterfall import bar, duration, tree, waterfall
from services.custody.books import Balance, State
from services.custody.tipview import TipView
from tests.support.custody_story import Story

BALANCE = Balance(accepted=64, refused=6, ended=20, parked=44, in_flight=0, unaccounted=(), duplicates=0, repeated=3)
MS = 1_000_000


def some_span(name: str, number: int, parent: int | None, start: int, end: int, **changes: object) -> LocalSpan:
    """A kept span; ids are numbers."""
    made: dict[str, Any] = {
        "trace_id": "ab" * 16, "span_id": f"{number:016x}", "parent_id": None if parent is None else f"{parent:016x}",
        "name": name, "kind": "internal", "service": "router",
        "start_ns": start * MS, "end_ns": end * MS, "attributes": {},
        "links": (), "failed": False,
    }  # fmt: skip
    return LocalSpan(**{**made, **changes})


SPANS = [
    some_span("send referrals-routed", 3, 2, 30, 40),
    some_span("process tips-located", 2, 1, 10, 40),
    some_span("send tips-located", 1, None, 0, 10, service="geolocate"),
    some_span("deliver webhook", 9, 8, 40, 90, service="notifier", failed=True),
]


def test_the_reconciliation_line() -> None:
    """The sum and what stands beside it, in the agreed words."""
    assert reconcile.line_of(BALANCE) == (
        "accepted 64 = ended 20 + parked 44 + in flight 0; refused 6, repeated 3, unaccounted 0, duplicates 0"
    )


@pytest.mark.parametrize(("lost", "code"), [((), 0), ((str(UUID(int=7)),), 1)])
def test_an_unaccounted_tip_is_a_no(
    lost: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code says whether the books balance; a lost tip is named."""
    found = Balance(**{**BALANCE.as_json(), "unaccounted": lost})  # type: ignore[arg-type]

    async def balanced(_settings: Settings) -> tuple[Balance, int]:
        return found, 0

    monkeypatch.setattr(reconcile, "reconciled", balanced)

    assert reconcile.reconcile_command(Settings(kafka="127.0.0.1:1")) == code
    assert all(one in capsys.readouterr().out for one in lost)


def test_spans_stand_below_their_parents() -> None:
    """The tree follows parents, not times; a span whose parent was not kept is marked."""
    rows = [(row.span.name, row.depth, row.orphan) for row in tree(SPANS)]

    assert rows == [
        ("send tips-located", 0, False),
        ("process tips-located", 1, False),
        ("send referrals-routed", 2, False),
        ("deliver webhook", 0, True),
    ]


def test_a_span_that_is_its_own_parent_is_still_shown_once() -> None:
    """A damaged trace neither hangs nor hides anything."""
    loop = [some_span("a", 1, 1, 0, 1), some_span("b", 2, 1, 0, 1)]

    assert [row.span.name for row in tree(loop)] == ["a", "b"]


def test_bars_share_one_time_line() -> None:
    """A bar begins where its span began and is as long as it lasted; the shortest is still seen."""
    assert bar(some_span("x", 1, None, 0, 50), 0, 100 * MS, 10) == "█████     "
    assert bar(some_span("x", 1, None, 50, 100), 0, 100 * MS, 10) == "     █████"
    assert bar(some_span("x", 1, None, 100, 100), 0, 100 * MS, 10) == "         ▏"


@pytest.mark.parametrize(
    ("ns", "words"), [(12_000, "12 us"), (1_500_000, "1.5 ms"), (61 * 10**9, "1.0 min"), (9 * 10**12, "2.5 h")]
)
def test_a_duration_has_the_unit_that_fits(ns: int, words: str) -> None:
    """Microseconds to hours."""
    assert duration(ns) == words


def test_the_waterfall_names_services_and_orphans() -> None:
    """Every span, its service, its begin and its length are in the picture."""
    console = Console(file=io.StringIO(), width=160)
    console.print(waterfall(SPANS))

    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "    send referrals-routed" in drawn
    assert "deliver webhook (parent not kept)" in drawn
    assert "notifier" in drawn
    assert "+40.0 ms" in drawn


def test_a_tip_is_told_from_timeline_to_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """State, entries with their agencies, decision with its rules, deliveries, and the trace's id."""
    story = Story(1, "acknowledged")
    decision = {
        "tip_id": str(story.tip), "version": 1, "rulebook": {"digest": "sha256:00ff"}, "priority": "P2",
        "priority_reasons": ["M1"], "actionability": 55,
        "destinations": [{"id": "police-0", "rules": ["R04"], "priority": "P2"}],
    }  # fmt: skip
    delivery = {
        "at": "2026-11-22T09:15:00Z",
        "destination": "police-0",
        "what": "delivered",
        "channel": "webhook",
        "attempt": 1,
    }
    view = TipView(str(story.tip), State.ENDED, tuple(story.entries), (decision,), (delivery,))

    async def viewed(_settings: Settings, _tip: str) -> TipView | None:
        return view

    monkeypatch.setattr(tip, "viewed", viewed)
    settings = Settings(kafka="127.0.0.1:1", home=tmp_path)

    assert tip.tip_command(settings, str(story.tip)) == 0
    said = capsys.readouterr().out
    for word in ("ended", "hop.geolocated", "-> police-0", "R04", "priority P2 (M1)", "webhook", "ab" * 16):
        assert word in said
    assert tip.tip_command(settings, str(story.tip), json=True) == 0
    assert tip.tip_command(settings, "not-an-id") == 2


def test_a_tip_nobody_knows_is_a_no(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 and one line that says so."""

    async def nothing(_settings: Settings, _tip: str) -> TipView | None:
        return None

    monkeypatch.setattr(tip, "viewed", nothing)

    assert tip.tip_command(Settings(kafka="127.0.0.1:1"), str(UUID(int=7))) == 1
    assert "no entry" in capsys.readouterr().err
