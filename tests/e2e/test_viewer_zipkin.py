"""A tip's trace in a real viewer: Zipkin is started, fed with the spans that were kept, and asked what it has."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from contracts import topics
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.chassis.telemetry.localtraces import LocalSpan, spans_of
from services.chassis.telemetry.tracecontext import trace_of_tip
from services.cli.broker.java import OLDEST, find_java
from services.cli.commands.viewer import run
from services.cli.viewer import Running, Viewer
from services.cli.viewer.jar import ensure_jar, jar_path
from tests.support.canary import plant
from tests.support.chain import chain

pytestmark = pytest.mark.timeout(1200)
"""The jar may have to be fetched first."""

SHOWN_WITHIN_S = 20.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BLANK_BYTES = 40_000
"""An empty page, 1400 x 1000, is a PNG of 6 kB; the waterfall has 159 kB."""


@dataclass(frozen=True)
class Shown:
    """One tip's trace, kept here and sent to the viewer."""

    viewer: Running
    trace: str
    kept: list[LocalSpan]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A viewer that was sent the trace of a real tip with ``vidare viewer send``."""
    _need_jar()
    home = tmp_path_factory.mktemp("viewer")
    tip = asyncio.run(_one_tip(home))
    settings, viewer = Settings(home=home, otlp=None), Viewer(home)
    try:
        running = viewer.start()
        assert run(settings, "send", tip) == 0
        trace = trace_of_tip(tip).hex()
        yield Shown(running, trace, spans_of(home, trace))
    finally:
        viewer.stop()


def _need_jar() -> None:
    java = find_java()
    if java is None or java.major < OLDEST:
        pytest.skip(f"NOT TESTED: the trace viewer needs Java {OLDEST}")
    if not jar_path().is_file() and shutil.which("mvn") is None:
        pytest.skip("NOT TESTED: no Zipkin jar in the cache and no Maven to fetch it")
    try:
        ensure_jar(print)
    except Misconfigured as error:
        if "Maven Central reachable" not in str(error):
            raise
        pytest.skip(f"NOT TESTED: {error}")


async def _one_tip(home: Path) -> str:
    async with chain(home) as mesh:
        await mesh.send(plant(1).submissions)
        (tip,) = {entry["tip"] for entry in mesh.json(topics.CUSTODY)}
    return str(tip)


def asked(viewer: Running, path: str, **headers: str) -> tuple[Any, dict[str, str]]:
    """What the viewer's API answers, and the headers of the answer."""
    connection = HTTPConnection("127.0.0.1", viewer.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    told = {name.lower(): value for name, value in answer.getheaders()}
    return json.loads(body) if answer.status == 200 else [], told


def trace_shown(shown: Shown) -> list[dict[str, Any]]:
    """The trace as the viewer has it; it indexes after it has answered."""
    end = time.monotonic() + SHOWN_WITHIN_S
    found: list[dict[str, Any]] = []
    while len(found) < len(shown.kept) and time.monotonic() < end:
        found = asked(shown.viewer, f"/api/v2/trace/{shown.trace}")[0]
    return found


def test_every_span_is_there_below_its_parent(shown: Shown) -> None:
    """The viewer has each span once, with its name, kind, service and parent; none without its parent."""
    found = trace_shown(shown)

    kept = {(s.span_id, s.parent_id, s.name.lower(), s.service) for s in shown.kept}
    assert kept == {(s["id"], s.get("parentId"), s["name"], s["localEndpoint"]["serviceName"]) for s in found}
    assert len(kept) == len(found) >= 15
    assert {"intake", "geolocate", "router", "notifier"} == {service for *_, service in kept}
    known = {s["id"] for s in found}
    assert [s["name"] for s in found if s.get("parentId", s["id"]) not in known] == []
    for name in ("process tips-received", "process tips-located", "process referrals-routed"):
        span = next(s for s in found if s["name"] == name)
        sender = next(s for s in found if s["id"] == span["parentId"])
        assert ("CONSUMER", "PRODUCER") == (span["kind"], sender["kind"])
        assert name.replace("process", "send") == sender["name"]


def test_who_talks_to_whom_is_drawn(shown: Shown) -> None:
    """The map of dependencies leads from hop to broker to hop, and to the agency at the end."""
    trace_shown(shown)
    now, day = int(time.time() * 1000), 86_400_000

    drawn, _ = asked(shown.viewer, f"/api/v2/dependencies?endTs={now}&lookback={day}")

    links = {(link["parent"], link["child"]) for link in drawn}
    hops = ("intake", "geolocate", "router", "notifier")
    assert {(hop, "kafka") for hop in hops} | {("kafka", hop) for hop in hops} | {("notifier", "police-se")} <= links


def test_only_this_machine_may_ask(shown: Shown) -> None:
    """It listens on loopback alone, and lets no page of another origin read."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    ours = {row[1].rpartition(":")[0] for row in rows if row[1].endswith(f":{shown.viewer.port:04X}")}
    _, headers = asked(shown.viewer, f"/api/v2/trace/{shown.trace}", Origin="https://elsewhere.example")

    assert {"0100007F"} == ours
    assert "access-control-allow-origin" not in headers


def test_a_second_start_finds_the_first(shown: Shown) -> None:
    """Whoever starts it again is told the same process and page."""
    home = Path(f"/proc/{shown.viewer.pid}/cwd").resolve().parent

    assert Viewer(home).start() == shown.viewer == Viewer(home).running()


def test_the_page_shows_the_waterfall(shown: Shown, tmp_path: Path) -> None:
    """A browser draws the page of the trace: the hops' spans by name, and more than an empty page."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"NOT TESTED: no browser ({', '.join(BROWSERS)}) to look at the page with")
    trace_shown(shown)
    picture, page = tmp_path / "trace.png", shown.viewer.page(shown.trace)

    _browse(browser, tmp_path, f"--screenshot={picture}", page)
    text = _browse(browser, tmp_path, "--dump-dom", page)

    assert "process tips-located" in text
    assert "geolocate" in text
    raw = picture.read_bytes()
    assert raw.startswith(b"\x89PNG")
    assert len(raw) > BLANK_BYTES, "the page is empty"


def _browse(browser: str, folder: Path, what: str, page: str) -> str:
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000", "--virtual-time-budget=15000", what, page,
    ]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, cwd=folder).stdout
