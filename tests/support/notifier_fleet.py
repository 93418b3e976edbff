"""
Agencies on loopback, each a listener of its own, which behave as badly as they are told to; all in this process.

What arrives is verified and booked by the reference receiver's own code
(deploy/receiver), so the effects that are counted are the ones an agency would have.
"""

import importlib.util
import socketserver
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

from services.chassis.settings import ROOT

SECRET = "test-secret-of-the-demo-set"
FILE = ROOT / "deploy" / "receiver" / "receiver.py"
SLOW_S = 5.0
TROUBLES = ("black hole", "busy", "failing", "slow", "closing")

AGENCY = """
[[agency]]
id = "{name}"
name = "Example agency (test endpoint)"
kind = "hotline"
country = "NL"
profile = "hotline"
basis = "test"
channels = {channels}
webhook = {{ url = "http://127.0.0.1:{port}/a", secret = "env:VIDARE_DEMO_WEBHOOK_SECRET", timeout_s = 8 }}
rate_per_minute = 6000
"""


def reference() -> ModuleType:
    """The reference receiver as a module: it imports nothing of ours."""
    spec = importlib.util.spec_from_file_location("vidare_reference_receiver", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Fleet:
    """The agencies: how each behaves, what each has booked, and when each referral came first."""

    def __init__(self, names: Iterable[str]) -> None:
        self.receiver = reference()
        self.keys = self.receiver.Keys.read(SECRET, None)
        self.inbox = self.receiver.Inbox(":memory:")
        self.modes: dict[str, str] = {}
        self.arrived: dict[str, float] = {}
        """Referral id to the time of its first booking (monotonic)."""
        self.calls: dict[str, int] = {}
        """Attempts that came, by agency, whatever became of them."""
        self.tries: dict[str, int] = {}
        """Attempts that came, by referral."""
        self.recovered = threading.Event()
        self.recovered.set()
        self.servers = {name: _Listener(self, name) for name in names}

    def trouble(self, modes: dict[str, str]) -> None:
        """From now on these agencies behave like this."""
        self.recovered.clear()
        self.modes = modes

    def recover(self) -> None:
        """Everybody behaves; calls that hang in a black hole are cut off."""
        self.modes = {}
        self.recovered.set()

    def booked(self, name: str) -> dict[str, int]:
        """Referral id to attempts, as the reference receiver's inbox has them."""
        return {row["referral_id"]: row["attempts"] for row in self.inbox.shown(name)["inbox"]}

    def toml(self, channels: tuple[str, ...] = ("webhook",)) -> str:
        """The onboarding records."""
        listed = "[" + ", ".join(f'"{channel}"' for channel in channels) + "]"
        return "".join(
            AGENCY.format(name=name, port=server.server_port, channels=listed) for name, server in self.servers.items()
        )


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fleet: Fleet, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.fleet, self.name = fleet, name

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed notifier leaves half a call behind; that is what these tests are about."""


class _Call(BaseHTTPRequestHandler):
    server: socketserver.BaseServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        """Take one referral, or do worse."""
        assert isinstance(self.server, _Listener)
        fleet, name = self.server.fleet, self.server.name
        body = self.rfile.read(int(self.headers["content-length"]))
        fleet.calls[name] = fleet.calls.get(name, 0) + 1
        mode = fleet.modes.get(name, "good")
        if mode == "black hole":
            fleet.recovered.wait(600)
            self.close_connection = True
        elif mode in ("busy", "failing") or (mode == "failing once" and self._first(fleet)):
            self._answer(429 if mode == "busy" else 500, {"Retry-After": "3600"} if mode == "busy" else {})
        else:
            if mode == "slow":
                time.sleep(SLOW_S)
            first = self._first(fleet)
            self._book(fleet, name, body)
            if mode == "closing" or (mode == "closing once" and first):
                self.close_connection = True
            else:
                self._answer(202, {})

    def _first(self, fleet: Fleet) -> bool:
        """True for the first attempt of every fourth referral: too few in a row for a breaker to open."""
        name = self.headers["webhook-id"]
        fleet.tries[name] = fleet.tries.get(name, 0) + 1
        return fleet.tries[name] == 1 and int(name[:8], 16) % 4 == 0

    def _book(self, fleet: Fleet, name: str, body: bytes) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        referral = fleet.receiver.verify(fleet.keys, headers, body, time.time())
        fleet.inbox.take(name, referral, body)
        fleet.arrived.setdefault(str(referral), time.monotonic())

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            for key, value in {"content-length": "0", **headers}.items():
                self.send_header(key, value)
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing."""


@contextmanager
def at_work(names: Iterable[str]) -> Iterator[Fleet]:
    """Listen until the end of the block."""
    fleet = Fleet(names)
    threads = [
        threading.Thread(target=each.serve_forever, args=(0.05,), daemon=True) for each in fleet.servers.values()
    ]
    for thread in threads:
        thread.start()
    try:
        yield fleet
    finally:
        fleet.recover()
        for server in fleet.servers.values():
            server.shutdown()
            server.server_close()
