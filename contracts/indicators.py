"""
An indicator in the form in which the mesh carries it: as sent, and as understood.

An odd indicator never refuses a tip: ``raw`` is always what was sent, the
understood form is absent or flagged, and a person looks if nothing else routes.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from contracts.vocabulary import AddressRole, CountryBy, Flag, HashAlgorithm, UrlKind


class Frozen(BaseModel):
    """A contract value: cannot change, ignores fields of a newer version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UrlIndicator(Frozen):
    """One URL. ``canonical`` is for comparing and grouping, never for fetching."""

    raw: str
    canonical: str | None = None
    kind: UrlKind = UrlKind.OTHER
    host: str | None = None
    domain: str | None = None
    """Registrable domain by the public suffix list; None for addresses and onion names."""
    ip: str | None = None
    """Canonical address where the host is an address literal."""
    port: int | None = None
    flags: tuple[Flag, ...] = ()
    readings: tuple[str, ...] = ()
    """What else the host could be read as, where parsers disagree; never located."""


class AddressIndicator(Frozen):
    """One address. ``ip`` is the canonical form that is located (the inner IPv4 of a mapped or tunnelled one)."""

    raw: str
    ip: str | None = None
    role: AddressRole
    port: int | None = None
    observed_at: datetime | None = None
    possible_proxy: bool = False
    country: str | None = None
    country_by: CountryBy | None = None
    flags: tuple[Flag, ...] = ()
    readings: tuple[str, ...] = ()
    """What an odd spelling may mean, or the outer address of an embedded one; never located."""


class HashIndicator(Frozen):
    """One hash. ``value`` is lower-case hex where it was understood, else what was sent."""

    algorithm: HashAlgorithm
    value: str
    raw: str
    flags: tuple[Flag, ...] = ()


class AccountIndicator(Frozen):
    """One account: a name on a service."""

    service: str | None = None
    handle: str


class Indicators(Frozen):
    """Everything in a tip that points at something."""

    urls: tuple[UrlIndicator, ...] = ()
    addresses: tuple[AddressIndicator, ...] = ()
    hashes: tuple[HashIndicator, ...] = ()
    accounts: tuple[AccountIndicator, ...] = ()
