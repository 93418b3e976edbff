"""What every command begins with: the settings, and one clear line where they are wrong."""

from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings, load_settings

__all__ = ["load_settings", "with_broker"]


def with_broker(settings: Settings) -> Settings:
    """
    Return *settings* with the bootstrap servers of the broker that runs; starts none.

    Raises:
        Misconfigured: No broker runs for this home and ``VIDARE_KAFKA`` names none.
    """
    if settings.kafka:
        return settings
    from services.cli.broker import status  # noqa: PLC0415 - quick start of all other commands

    found = status(settings)
    if not found.running or found.bootstrap is None:
        msg = f"no broker runs for {settings.home}: `vidare up` or `vidare broker start`, or name one in VIDARE_KAFKA"
        raise Misconfigured(msg)
    return settings.model_copy(update={"kafka": found.bootstrap})
