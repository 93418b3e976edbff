"""``vidare tip``: everything known about one tip: timeline, decision, deliveries, trace."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.chassis.settings import Settings
from services.chassis.telemetry.localtraces import LocalSpan, spans_of, traces_linked_to
from services.cli import output
from services.cli.context import with_broker
from services.cli.kafka_io import connected
from services.custody.tipview import TipView

NO_SUCH_TIP = 1
WRONG_USE = 2
MAX_LINKED = 20
"""Further traces that are looked up: late attempts; a busy tip may have many."""

Document = Mapping[str, Any]


def tip_command(settings: Settings, tip_id: str, *, json: bool = False) -> int:
    """Print everything about *tip_id*; 1 if there is no entry of it."""
    try:
        wanted = str(UUID(tip_id))
    except ValueError:
        output.note("a tip id is a UUID, such as the one that `tips-status-<partner>` gives for a reference")
        return WRONG_USE
    settings = with_broker(settings)
    found = asyncio.run(viewed(settings, wanted))
    if found is None:
        output.note(f"no entry of tip {wanted}: never accepted here, or another mesh's")
        return NO_SUCH_TIP
    traces = traces_of(settings, found)
    if json:
        output.as_json(
            {**found.as_json(), "spans": {trace: [as_json(s) for s in spans] for trace, spans in traces.items()}}
        )
    else:
        _print(settings, found, traces)
    return 0


async def viewed(settings: Settings, tip: str) -> TipView | None:
    """Read what the mesh that *settings* name holds about *tip*."""
    from services.custody.tipview import view_tip  # noqa: PLC0415 - keeps `vidare --help` quick

    async with connected(settings.kafka or "") as broker:
        return await view_tip(broker, tip)


def traces_of(settings: Settings, found: TipView) -> dict[str, list[LocalSpan]]:
    """Look up the kept spans of a tip's traces, and of those that link to them; empty where a collector has them."""
    if settings.otlp:
        return {}
    ids = list(found.traces)
    linked = [other for trace in ids for other in traces_linked_to(settings.home, trace)]
    traces = {trace: spans_of(settings.home, trace) for trace in dict.fromkeys([*ids, *linked[:MAX_LINKED]])}
    return {trace: spans for trace, spans in traces.items() if spans and (trace in ids or _delivers(spans))}


def _delivers(spans: Sequence[LocalSpan]) -> bool:
    """Keep late attempts; the commits of whole batches link here too and tell nothing of this tip."""
    return any(span.name.startswith("deliver ") for span in spans)


def as_json(span: LocalSpan) -> dict[str, Any]:
    """Render a span for programs."""
    return {name: getattr(span, name) for name in LocalSpan.__slots__}


def _print(settings: Settings, found: TipView, traces: Mapping[str, Sequence[LocalSpan]]) -> None:
    output.line(f"tip {found.tip_id}: {found.state.value}")
    output.line("\ntimeline")
    output.table(("at", "entry", "by", "what"), [(e["at"], e["kind"], e["actor"], said(e)) for e in found.timeline])
    if found.decisions:
        _decision(found.decisions[-1])
    if found.deliveries:
        output.line("\ndeliveries")
        heads = ("at", "agency", "what", "channel", "attempt", "reason", "next")
        names = ("at", "destination", "what", "channel", "attempt", "reason", "next_at")
        output.table(heads, [[d.get(name) for name in names] for d in found.deliveries])
    _traces(settings, found, traces)


def said(entry: Document) -> str:
    """Put what an entry tells into a few words."""
    told = [
        f"{key} {_words(value)}" for key, value in entry.get("tally", {}).items() if value not in (None, False, [], "")
    ]
    sent = [f"-> {out.get('to') or out['topic']}" for out in entry.get("out", ())]
    return "; ".join([*told, *sent])


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_words(item) for item in value)
    text = str(value)
    return text if len(text) <= len(str(UUID(int=0))) else f"{text[:19]}..."


def _decision(decision: Document) -> None:
    output.line(
        f"\ndecision, version {decision.get('version')}, "
        f"rulebook {str(decision.get('rulebook', {}).get('digest'))[:19]}"
    )
    reasons = ", ".join(decision.get("priority_reasons", ()))
    output.line(
        f"priority {decision.get('priority')} ({reasons or 'no reason codes'}), "
        f"actionability {decision.get('actionability')}"
    )
    rows = [
        (d["id"], ", ".join(d.get("rules", ())), d.get("priority"), d.get("region"))
        for d in decision.get("destinations", ())
    ]
    if rows:
        output.table(("destination", "rules", "priority", "region"), rows)
    if decision.get("px"):
        output.line(f"not referable: {decision['px']}")


def _traces(settings: Settings, found: TipView, traces: Mapping[str, Sequence[LocalSpan]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - keeps `vidare --help` quick

    from services.cli.commands.waterfall import waterfall  # noqa: PLC0415

    for trace in dict.fromkeys([*found.traces, *traces]):
        spans = traces.get(trace)
        if settings.otlp:
            output.line(f"\ntrace {trace} (at the collector, {settings.otlp})")
        elif not spans:
            output.line(f"\ntrace {trace}: no span was kept in {settings.home / 'traces'}")
        else:
            late = "" if trace in found.traces else ", linked: a late attempt"
            output.line(f"\ntrace {trace}, {len(spans)} spans{late}")
            Console(width=None if sys.stdout.isatty() else 160).print(waterfall(spans))
