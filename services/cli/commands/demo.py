"""``vidare demo``: a whole mesh on loopback, the demo tips through it, one row for each, the books at the end."""

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.chassis.broker.broker_port import Broker
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import load_agencies
from services.chassis.settings import Settings
from services.cli import output
from services.cli.broker.state import read_state
from services.cli.commands.reconcile import line_of
from services.cli.context import load_settings
from services.cli.demo.desk import Desk
from services.cli.demo.rows import HEADS, Story, refusals
from services.cli.demo.tips import DemoTip, read_tips
from services.cli.demo.watch import Watched, statuses_of, stories_of, until_accounted
from services.cli.kafka_io import connected, write
from services.cli.progress import progress
from services.cli.running import alone, interruptible, running, small_machine
from services.custody.books import Balance

DESKS = ("interpol-ncb-se", "police-fi", "police-dk", "hotline-gb", "hotline-fi", "europol")
"""Agencies without a webhook that answer by their topics; the others leave their referrals unanswered."""


TIP_IDS_SHOWN = 3
"""A few to try `vidare tip` with; ``--json`` has them all."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that the demo prints."""

    stories: Sequence[Story]
    refused: Sequence[tuple[str, str, str, str]]
    balance: Balance


def demo(*, json: bool = False) -> int:
    """Run the demo; 0 if every tip is accounted for, 1 if not."""
    started = time.monotonic()
    settings = demo_settings(small_machine(load_settings()))
    tips = read_tips()
    with interruptible():
        try:
            with running(settings, output.note) as mesh:
                shown = asyncio.run(_through(mesh.settings, tips))
        except KeyboardInterrupt:
            output.note("interrupted; nothing that was started here runs any more")
            return 1
    _print(shown, json=json)
    output.note(f"the demo took {time.monotonic() - started:.0f} s; to look at one tip again:")
    word = called()
    output.note(f"  export VIDARE_HOME={settings.home}; {word} broker start; {word} tip <tip id>; {word} broker stop")
    return 0 if shown.balance.balanced and shown.balance.in_flight == 0 else 1


def called(program: str | None = None) -> str:
    """How a person calls this command from here: by its name where the shell finds it, else by its path."""
    program = sys.argv[0] if program is None else program
    if shutil.which("vidare") or not os.access(program, os.X_OK):
        return "vidare"
    return os.path.relpath(program) if Path(program).is_relative_to(Path.cwd()) else program


def demo_settings(settings: Settings) -> Settings:
    """Return settings of a mesh of its own: a fresh home, and the synthetic databases for documentation networks."""
    return settings.model_copy(update={"home": fresh_home(settings.home), "test_networks": "on"})


def fresh_home(home: Path) -> Path:
    """Make the next folder ``demo-<n>`` in *home*, one for each demo; what earlier ones sent is removed."""
    home.mkdir(parents=True, exist_ok=True)
    earlier = [path for path in home.glob("demo-*") if path.name.removeprefix("demo-").isdigit()]
    for path in earlier:
        _forget(path)
    number = max((int(path.name.removeprefix("demo-")) for path in earlier), default=0) + 1
    while True:
        made = home / f"demo-{number}"
        with contextlib.suppress(FileExistsError):
            made.mkdir()
            return made
        number += 1


def _forget(home: Path) -> None:
    """Remove the records of an earlier demo, unless it runs or its broker does: a few of them fill a small disk."""
    if read_state(home) is not None:
        return
    with contextlib.suppress(Misconfigured), alone(home):
        shutil.rmtree(home / "broker" / "data", ignore_errors=True)


async def _through(settings: Settings, tips: Sequence[DemoTip]) -> Shown:
    """Send the tips through the mesh and wait for what becomes of them."""
    async with connected(settings.kafka or "") as broker:
        desk = asyncio.create_task(Desk(broker, _desks(settings)).run())
        try:
            await write(broker, [tip.record for tip in tips], writer="demo")
            output.note(f"published {len(tips)} submissions of {len({tip.partner for tip in tips})} partners")
            return await _watched(broker, tips)
        finally:
            desk.cancel()
            await asyncio.gather(desk, return_exceptions=True)


def _desks(settings: Settings) -> list[str]:
    agencies = load_agencies(settings)
    return [agency for agency in DESKS if agency in agencies]


async def _watched(broker: Broker, tips: Sequence[DemoTip]) -> Shown:
    books = Watched(broker)
    with progress("tips accounted for", len(tips)) as advance:
        balance = await until_accounted(books, len(tips), advance)
    stories = await stories_of(broker, books)
    statuses = await statuses_of(broker, sorted({tip.partner for tip in tips}))
    return Shown(stories.in_order((tip.partner, tip.reference) for tip in tips), refusals(statuses), balance)


def _print(shown: Shown, *, json: bool) -> None:
    if json:
        output.as_json(_as_json(shown))
        return
    output.table(HEADS, [story.row() for story in shown.stories])
    shown_tips = {story.tip: story.reference for story in shown.stories}
    output.line()
    output.line(
        "tip ids: "
        + ", ".join(f"{reference} {tip}" for tip, reference in list(shown_tips.items())[:TIP_IDS_SHOWN])
        + " ..."
    )
    output.line()
    output.table(("partner", "reference", "refused", "at"), shown.refused)
    output.line()
    output.line(line_of(shown.balance))


def _as_json(shown: Shown) -> dict[str, Any]:
    rows = [story.as_json() for story in shown.stories]
    refused = [dict(zip(("partner", "reference", "reason", "pointer"), row, strict=True)) for row in shown.refused]
    return {"tips": rows, "refused": refused, "reconciliation": shown.balance.as_json()}
