"""What every command begins with: the settings, and one clear line where they are wrong."""

from pydantic import ValidationError

from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings


def load_settings(**arguments: object) -> Settings:
    """
    Read the settings; *arguments* go before the environment and ``vidare.toml``.

    Raises:
        Misconfigured: A value is wrong; names it and where it is read from, never the value.
    """
    try:
        return Settings.model_validate({name: value for name, value in arguments.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(f"VIDARE_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        msg = f"{wrong} (from the environment or vidare.toml; `vidare config` shows which)"
        raise Misconfigured(msg) from None
    except ValueError as error:
        msg = f"vidare.toml cannot be read: {error}"
        raise Misconfigured(msg) from None


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
