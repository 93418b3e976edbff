"""Which processes make a mesh, and on which ports: the fixed ones, or free ones where those are taken."""

import importlib.util
import sys
from collections.abc import Callable, Sequence

from services.chassis.settings import ROOT, Settings
from services.cli.child import Place

DOORS = {"intake": 8101, "geolocate": 8102, "router": 8103, "notifier": 8104, "custody": 8105}
HOPS = ("intake", "geolocate", "router", "notifier")
RECEIVER_PORT = 8190
RECEIVER = ROOT / "deploy" / "receiver" / "receiver.py"
MAIL_PORT, SMTP_PORT = 8191, 8125
"""Of the demo agencies' mailboxes: where they can be looked at, and where they take mail."""
MAILSINK = ROOT / "deploy" / "receiver" / "mailsink.py"

WHAT = {
    "intake": "submissions: POST /v1/tips and /v1/tips/batch",
    "geolocate": "one address: GET /v1/locate?ip=",
    "router": "explain a decision: POST /v1/explain",
    "notifier": "pull channel: GET /v1/referrals",
    "custody": "the entries of a tip: GET /v1/tips/{tip_id}",
}

PortOf = Callable[[int | None], int]
"""Takes the port that is wanted (None: any) and returns one that is free."""


def mesh_places(workers: int, port: PortOf, *, receiver: bool = True) -> list[Place]:
    """List every process of a mesh with *workers* processes per hop; *receiver* adds the demo agencies' end."""
    places = [_receiver(port(RECEIVER_PORT))] if receiver and RECEIVER.exists() else []
    places += [_mailsink(port(MAIL_PORT), port(SMTP_PORT))] if receiver and MAILSINK.exists() else []
    places += [_service(name, "door", port(wanted), WHAT[name]) for name, wanted in DOORS.items() if _exists(name)]
    places += [
        _service(name, mode, port(None), "metrics: /metrics", number)
        for name in HOPS
        if _exists(name)
        for mode in _modes(name)
        for number in range(workers)
    ]
    return places


def _modes(name: str) -> tuple[str, ...]:
    return ("hop", "receipts") if name == "notifier" else ("hop",)


def _exists(name: str) -> bool:
    return importlib.util.find_spec(f"services.{name}.__main__") is not None


def _service(name: str, mode: str, port: int, what: str, number: int = 0) -> Place:
    label = f"{name}-{mode}" + (f"-{number}" if number else "")
    argv = (sys.executable, "-m", f"services.{name}", mode, *(() if mode == "door" else ("--id", str(number))))
    return Place(label, argv, port, what, {"VIDARE_PORT": str(port)})


def _receiver(port: int) -> Place:
    argv = (sys.executable, str(RECEIVER), "--port", str(port))
    return Place("receiver", argv, port, "the demo agencies' webhooks: /agencies/<id>", ready="/live")


def _mailsink(port: int, smtp: int) -> Place:
    argv = (sys.executable, str(MAILSINK), "--port", str(port), "--smtp-port", str(smtp))
    return Place("mailsink", argv, port, "the demo agencies' mailboxes: /messages")


def own_addresses(settings: Settings, places: Sequence[Place]) -> dict[str, str]:
    """Return the environment that tells the notifier where its door and the custody service are, unless that is set."""
    ports = {place.name: place.port for place in places}
    wanted = {
        "VIDARE_PUBLIC_URL": (settings.public_url, "notifier-door"),
        "VIDARE_CUSTODY_URL": (settings.custody_url, "custody-door"),
    }
    return {
        variable: f"http://{settings.host}:{ports[name]}"
        for variable, (given, name) in wanted.items()
        if given is None and name in ports
    }


def moved_receiver(settings: Settings, places: Sequence[Place]) -> dict[str, str]:
    """
    Return the environment that leads the shipped demo agencies to their ends where a usual port is taken.

    Their records name the usual ports, so a copy of the file that names the others is written into the home.
    """
    port = next((place.port for place in places if place.name == "receiver"), RECEIVER_PORT)
    smtp = next((int(place.argv[-1]) for place in places if place.name == "mailsink"), SMTP_PORT)
    if (port, smtp) == (RECEIVER_PORT, SMTP_PORT):
        return {}
    settings.home.mkdir(parents=True, exist_ok=True)
    copy = settings.home.resolve() / "agencies.toml"
    text = settings.agencies_file.read_text().replace(f"127.0.0.1:{RECEIVER_PORT}/", f"127.0.0.1:{port}/")
    copy.write_text(text.replace(f"port = {SMTP_PORT},", f"port = {smtp},"))
    return {"VIDARE_AGENCIES": str(copy), "VIDARE_ALLOW_LOOPBACK": "on"}
