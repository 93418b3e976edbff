"""``vidare broker start|stop|status``: the broker that belongs to this home."""

from services.chassis.settings import Settings
from services.cli import output
from services.cli.broker import Status, ensure_broker, status
from services.cli.broker.ensure import stop_broker
from services.cli.context import load_settings


def start(*, json: bool = False) -> int:
    """Start the broker unless one answers, and print its address."""
    settings = load_settings()
    broker = ensure_broker(settings, say=output.note)
    if json:
        output.as_json(_fields(settings, status(settings)))
    else:
        output.line(broker.bootstrap)
    return 0


def stop(*, json: bool = False) -> int:
    """Stop it; its records stay."""
    settings = load_settings()
    stopped = stop_broker(settings)
    if json:
        output.as_json({"stopped": stopped})
    else:
        output.line("stopped" if stopped else f"no broker of {settings.home} was running")
    return 0


def state(*, json: bool = False) -> int:
    """Say whether a broker answers; 1 if not."""
    settings = load_settings()
    found = status(settings)
    if json:
        output.as_json(_fields(settings, found))
    elif found.running:
        output.line(f"{found.bootstrap} ({found.how}, process {found.pid or '-'}, container {found.container or '-'})")
    else:
        output.line(f"no broker answers{f' at {found.bootstrap}' if found.bootstrap else f' for {settings.home}'}")
    return 0 if found.running else 1


def _fields(settings: Settings, found: Status) -> dict[str, object]:
    return {
        "running": found.running, "bootstrap": found.bootstrap, "how": found.how, "pid": found.pid,
        "container": found.container, "data": found.data, "home": str(settings.home),
    }  # fmt: skip
