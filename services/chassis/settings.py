"""
Settings every process shares: ``VIDARE_*`` in the environment, the same names in ``vidare.toml``.

Secrets are references (``env:NAME``, ``file:PATH``) and are resolved when used, not when loaded.
"""

from collections.abc import Collection, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from services.chassis.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[2]
"""Where contracts/, services/ and deploy/ lie."""

PREFIX = "VIDARE_"
Switch = Literal["on", "off"]


class _File(TomlConfigSettingsSource):
    """``vidare.toml``: the names of the environment or, shorter, without ``VIDARE_``; any other is a mistake."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        return named_as_settings(super()._read_file(file_path), Settings.model_fields)


def named_as_settings(given: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """
    Return what a ``vidare.toml`` gives, by the names of the settings.

    Raises:
        ValueError: A name is no setting, or one is given twice; a misspelt one would be passed over in silence.
    """
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = key.lower().removeprefix(PREFIX.lower())
        if name not in known or name in found:
            wrong = "is given twice" if name in found else "is no setting"
            msg = f"{key!r} {wrong}; `vidare config` lists the names"
            raise ValueError(msg)
        found[name] = value
    return found


class Settings(BaseSettings):
    """What a process is told from outside; ``vidare config`` prints it with the source of each value."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, toml_file="vidare.toml", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka: str | None = None
    """Bootstrap servers; unset: the local broker that ``vidare broker`` runs."""
    home: Path = Path(".vidare")
    country: str = Field(default="SE", pattern=r"^[A-Z]{2}$")
    otlp: str | None = None
    """OTLP/HTTP endpoint (``http://127.0.0.1:4318``); unset: traces are kept locally."""
    spans: Switch = "on"
    """``off``: hops measure but build no spans, for benchmarks and emergencies; traces end at the doors."""
    geodata: Path | None = None
    maxmind_url: str = "https://download.maxmind.com"
    """Where ``vidare geodata update --maxmind`` fetches; another one for those who keep a mirror."""
    partners: Path | None = None
    agencies: Path | None = None
    rulebook: Path | None = None
    registry: Path | None = None
    dns: Switch = "off"
    dns_server: str | None = None
    """``host:port`` of the name server that is asked where ``dns`` is on; unset: the system's."""
    group_key: str | None = None
    """Key of the group ids; unset: a random one kept in ``VIDARE_HOME/group.key``."""
    test_networks: Switch = "off"
    allow_loopback: Switch = "off"
    """Webhooks to loopback: for tests and the demo set, which is local by nature and needs no switch."""
    reporter_org: str | None = Field(default=None, min_length=1, max_length=200)
    """Who sends reports in a provider's own format (XARF, the form of a proxy operator); unset: the demo's name."""
    reporter_email: str | None = Field(
        default=None, max_length=254, pattern=r"^[A-Za-z0-9._+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$"
    )
    smtp: str | None = Field(default=None, pattern=r"^[^\s:\[\]/@]+:[0-9]{1,5}$|^\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}$")
    """``host:port`` of the mail server that notices leave by; an agency's record may name another."""
    smtp_username: str | None = Field(default=None, pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")
    smtp_password: str | None = Field(default=None, pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")
    """Both by reference; shown to that server only, and only behind TLS."""
    public_url: str | None = None
    """Address of the notifier's door as agencies reach it, for the links in mails; unset: the door on this machine."""
    custody_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    """Address of the custody service as agencies reach it, for the proof that a referral names; unset: port 8105."""
    link_key: str | None = None
    """Key of the links in mails; unset: a random one kept in ``VIDARE_HOME/link.key``."""
    partitions: int = Field(default=12, ge=1, le=256)
    host: str = "127.0.0.1"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the base class names it)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before the environment before ``vidare.toml``."""
        return init_settings, env_settings, _File(settings_cls)

    @property
    def partners_file(self) -> Path:
        """``partners.toml``: the given one, else the shipped demo set."""
        return self.partners or ROOT / "services" / "intake" / "partners.toml"

    @property
    def agencies_file(self) -> Path:
        """``agencies.toml``: the given one, else the shipped demo set."""
        return self.agencies or ROOT / "services" / "router" / "agencies.toml"

    @property
    def rulebook_file(self) -> Path:
        """The rulebook: the given one, else the shipped one."""
        return self.rulebook or ROOT / "services" / "router" / "rulebook.toml"

    @property
    def registry_file(self) -> Path:
        """The country registry: the given one, else the shipped one."""
        return self.registry or ROOT / "services" / "router" / "registry.csv"

    @property
    def geodata_folder(self) -> Path:
        """The folder of ``.mmdb`` files: the given one, an updated one under ``home``, else the shipped one."""
        updated = self.home / "geodata"
        return self.geodata or (updated if updated.is_dir() else ROOT / "services" / "geolocate" / "data")

    @property
    def demo_agencies(self) -> bool:
        """True while nobody real is onboarded: every channel of the shipped set stays on this machine."""
        return self.agencies is None


def load_settings(**arguments: object) -> Settings:
    """
    Read the settings; *arguments* go before the environment and ``vidare.toml``.

    Raises:
        Misconfigured: A value is wrong; names it and where it is read from, never the value.
    """
    try:
        return Settings.model_validate({name: value for name, value in arguments.items() if value is not None})
    except ValidationError as error:
        raise Misconfigured("; ".join(_said(each) for each in error.errors(include_input=False))) from None


def _said(error: ErrorDetails) -> str:
    if not error["loc"]:  # the file itself
        return f"vidare.toml cannot be read: {error['msg'].removeprefix('Value error, ')}"
    name = "_".join(map(str, error["loc"])).upper()
    return f"{PREFIX}{name}: {error['msg']} (from the environment or vidare.toml; `vidare config` shows which)"
