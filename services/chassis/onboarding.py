"""
Who may send and who receives, read strictly from ``partners.toml`` and ``agencies.toml``.

Every fault ends the process with exit 78 and file, line and reason. Secrets
stay references here: they are resolved when used, so a process that needs none
of them starts without them.
"""

import csv
import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from contracts.onboarding import AgenciesFile, Agency, Partner, PartnersFile
from contracts.vocabulary import AgencyKind, ChannelName
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.chassis.tomlfile import TomlFile, read_toml, validate

ENOUGH = ("high", "medium")
"""Registry certainties at which a hotline or police row is used."""

Certainties = Mapping[tuple[str, AgencyKind], str]
"""Certainty of the registry's row for a country's hotline or police."""


@dataclass(frozen=True, slots=True)
class Agencies:
    """Every onboarding record by its id, and the countries under legal hold."""

    records: Mapping[str, Agency]
    hold_countries: frozenset[str] = frozenset()

    def get(self, agency: str) -> Agency | None:
        """The record of *agency*, or None where it is not onboarded."""
        return self.records.get(agency)

    def __contains__(self, agency: object) -> bool:
        """Tell whether *agency* is onboarded."""
        return agency in self.records

    def __len__(self) -> int:
        """How many agencies are onboarded."""
        return len(self.records)

    def of_kind(self, kind: AgencyKind) -> tuple[Agency, ...]:
        """Records of one kind, in the order of the file."""
        return tuple(agency for agency in self.records.values() if agency.kind is kind)

    def leaving_loopback(self) -> tuple[str, ...]:
        """Ids of agencies with a channel that leaves this machine: a test tip or network never reaches them."""
        return tuple(agency.id for agency in self.records.values() if leaves(agency))

    def testing(self) -> frozenset[str]:
        """Ids of agencies that are being onboarded: they get test referrals and no others."""
        return frozenset(agency.id for agency in self.records.values() if agency.test)


def load_partners(settings: Settings) -> dict[str, Partner]:
    """
    Everyone who may send, by id.

    Raises:
        Misconfigured: File, line and reason.
    """
    file = read_toml(settings.partners_file)
    partners = validate(file, PartnersFile).partner
    _no_twins(file, "partner", [partner.id for partner in partners])
    return {partner.id: partner for partner in partners}


def load_agencies(settings: Settings, certainties: Certainties | None = None) -> Agencies:
    """
    Everyone who really receives.

    Args:
        settings: Names the files.
        certainties: Of the registry's rows; read from ``settings.registry_file`` where not given.

    Raises:
        Misconfigured: File, line and reason.
    """
    file = read_toml(settings.agencies_file)
    content = validate(file, AgenciesFile)
    _no_twins(file, "agency", [agency.id for agency in content.agency])
    known = certainties if certainties is not None else registry_certainties(settings.registry_file)
    for number, agency in enumerate(content.agency):
        _check_agency(file, number, agency, known)
    return Agencies({agency.id: agency for agency in content.agency}, frozenset(content.hold_countries))


def resolve_secret(ref: str) -> str:
    """
    The secret that *ref* (``env:NAME`` or ``file:PATH``) names.

    Raises:
        Misconfigured: The variable is unset or the file cannot be read.
    """
    kind, _, name = ref.partition(":")
    if kind == "env":
        value = os.environ.get(name)
        if not value:
            raise Misconfigured(f"secret {ref}: the environment variable is not set; set it and start again")
        return value
    if kind != "file":
        raise Misconfigured("a secret must be a reference: env:NAME or file:PATH")
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"secret {ref}: the file cannot be read; check its path and rights") from error


def registry_certainties(path: Path) -> dict[tuple[str, AgencyKind], str]:
    """
    Certainties of the registry *path*, for the check of onboarding records only.

    Raises:
        Misconfigured: The file cannot be read or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        return {
            (row["iso2"], kind): row[f"{kind.value}_certainty"]
            for row in rows
            for kind in (AgencyKind.HOTLINE, AgencyKind.POLICE)
        }
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured(f"{path}:1: the registry cannot be read") from error
    except KeyError as error:
        raise Misconfigured(f"{path}:1: the registry has no column {error}") from error


def _no_twins(file: TomlFile, table: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for number, name in enumerate(ids):
        if name in seen:
            raise file.refuse((table, number, "id"), f"two rows of {table} with the id {name!r}: remove or rename one")
        seen.add(name)


def _check_agency(file: TomlFile, number: int, agency: Agency, known: Certainties) -> None:
    if agency.kind not in (AgencyKind.HOTLINE, AgencyKind.POLICE):
        return
    if agency.country is None:
        raise file.refuse(("agency", number), f"{agency.id!r} is {agency.kind.value} and needs a country")
    certainty = known.get((agency.country, agency.kind), "none")
    if certainty not in ENOUGH:
        row = f"the registry's {agency.kind.value} row for {agency.country}"
        raise file.refuse(
            ("agency", number, "country"), f"{agency.id!r}: {row} has certainty {certainty!r}, below medium"
        )


def leaves(agency: Agency) -> bool:
    """Tell whether a channel of *agency* leaves this machine."""
    hosts = []
    if ChannelName.WEBHOOK in agency.channels and agency.webhook is not None:
        hosts.append(urlsplit(agency.webhook.url).hostname)
    if ChannelName.EMAIL in agency.channels and agency.email is not None:
        hosts.append(agency.email.host)
    return not all(_is_loopback(host) for host in hosts)


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
