"""``vidare viewer start|stop|status|send``: traces in the browser, from the spans that are kept on this machine."""

import re
from typing import Literal
from uuid import UUID

from services.chassis.settings import Settings
from services.chassis.telemetry.localtraces import FOLDER, spans_of, traces_naming
from services.cli import output
from services.cli.viewer.api import post_spans
from services.cli.viewer.process import Running, Viewer
from services.cli.viewer.zipkin import zipkin_spans

Action = Literal["start", "stop", "status", "send"]

NO = 1
WRONG_USE = 2
_TRACE = re.compile(r"[0-9a-f]{32}").fullmatch


def run(settings: Settings, action: Action, wanted: str | None = None, *, json: bool = False) -> int:
    """Do *action*; *wanted* is what to send: a tip id (with its dashes) or a trace id (32 hex digits)."""
    viewer = Viewer(settings.home, say=output.note)
    match action:
        case "start":
            return _told(viewer.start(), json=json)
        case "status":
            return _told(viewer.running(), json=json)
        case "stop":
            return _stopped(viewer, json=json)
        case "send":
            return _send(settings, viewer.running(), wanted or "", json=json)


def traces_wanted(settings: Settings, wanted: str) -> list[str]:
    """
    Find the traces that *wanted* names: itself, or every trace kept here that names that tip.

    Raises:
        ValueError: It is neither a tip id nor a trace id.
    """
    if _TRACE(wanted):
        return [wanted]
    return traces_naming(settings.home, str(UUID(wanted)))


def _send(settings: Settings, viewer: Running | None, wanted: str, *, json: bool) -> int:
    if settings.otlp:
        output.note(f"spans go to the collector at {settings.otlp}, not to this machine: look there")
        return NO
    if viewer is None:
        output.note("no trace viewer runs: `vidare viewer start`")
        return NO
    try:
        traces = traces_wanted(settings, wanted)
    except ValueError:
        output.note("a tip id is a UUID with its dashes, a trace id has 32 hex digits")
        return WRONG_USE
    spans = {trace: spans_of(settings.home, trace) for trace in traces}
    found = sorted((trace for trace in traces if spans[trace]), key=lambda trace: -len(spans[trace]))
    if not found:
        output.note(f"no span of it was kept in {settings.home / FOLDER}")
        return NO
    try:
        for trace in found:
            post_spans(viewer.port, zipkin_spans(spans[trace]))
    except OSError as error:
        output.note(f"the trace viewer at {viewer.address} did not take the spans: {error}")
        return NO
    pages = [viewer.page(trace) for trace in found]
    if json:
        output.as_json({"pages": pages, "spans": sum(len(spans[trace]) for trace in found)})
    else:
        for page in pages:
            output.line(page)
    return 0


def _told(viewer: Running | None, *, json: bool) -> int:
    if json:
        shown = {"address": viewer.address, "pid": viewer.pid, "port": viewer.port} if viewer else {}
        output.as_json({"running": viewer is not None, **shown})
    else:
        output.line(viewer.address if viewer else "no trace viewer runs")
    return 0 if viewer else NO


def _stopped(viewer: Viewer, *, json: bool) -> int:
    stopped = viewer.stop()
    if json:
        output.as_json({"stopped": stopped})
    else:
        output.line("stopped" if stopped else "no trace viewer was running")
    return 0
