"""
Where each country stands for this mesh: its police, hotlines and bureau, as far as they are onboarded.

Made once from registry, agencies and home country; a decision only looks up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from contracts.onboarding import Agency
from contracts.vocabulary import AgencyKind
from services.chassis.onboarding import Agencies
from services.router.geography.countries import EU
from services.router.geography.registry import Reach, Registry, hotline_ids

At = Literal["home", "abroad", "unknown"]
HotlineState = Literal["available", "passed_over", "none"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What rules may know of one country, for content (*hotlines*) or for people (*police*)."""

    country: str | None = None
    at: At = "unknown"
    eu: bool = False
    police: str | None = None
    """Agency id of its police where they are onboarded and active."""
    hotlines: tuple[Agency, ...] = ()
    """Its hotlines that may be chosen now."""
    passed_over: tuple[str, ...] = ()
    """Hotlines of the registry that may not: not onboarded, inactive, or they said that it is not theirs."""
    interpol: Reach = "none"
    hold: bool = False

    @property
    def has_police(self) -> bool:
        """Tell whether its police receive from us."""
        return self.police is not None

    @property
    def hotline(self) -> HotlineState:
        """Whether a hotline may be chosen."""
        return "available" if self.hotlines else "passed_over" if self.passed_over else "none"

    @property
    def hotline_country(self) -> str:
        """Country whose hotlines they are: a territory's may be its parent's."""
        return (self.hotlines[0].country or "") if self.hotlines else ""

    @property
    def hotline_count(self) -> int:
        """Among how many hotlines to choose."""
        return len(self.hotlines)


NOWHERE = Standing()
"""Of an address without a country."""


def takes(agency: Agency) -> bool:
    """Tell whether *agency* takes referrals: active ones do, and those being onboarded take tests."""
    return agency.active or agency.test


class Atlas:
    """Standings of every country, seen from *home*."""

    def __init__(self, home: str, registry: Registry, agencies: Agencies, *, sealed: bool = False) -> None:
        """Make it; *sealed* says that nothing leaves this machine, so that test tips may go everywhere."""
        self.home = home
        self.registry = registry
        self.agencies = agencies
        self.testing = agencies.testing()
        """Agencies that are being onboarded: for any tip but a test they are as good as inactive."""
        self.live = frozenset() if sealed else frozenset(agencies.leaving_loopback()) - self.testing
        self.police_home = f"police-{home.lower()}"
        self.bureau = f"interpol-ncb-{home.lower()}"
        self.takedown = f"takedown-{home.lower()}"
        self._hosts = {iso2: self._host(iso2) for iso2 in registry.rows}
        self._people = {iso2: self._person(iso2) for iso2 in registry.rows}
        self.several = frozenset(iso2 for iso2, standing in self._hosts.items() if standing.hotline_count > 1)
        """Countries in which one of several hotlines is chosen (R10)."""

    def host(self, iso2: str | None, without: Iterable[str] = ()) -> Standing:
        """How content in *iso2* is answered for, leaving out the agencies *without*."""
        standing = self._hosts.get(iso2 or "", NOWHERE)
        return self._without(standing, frozenset(without)) if without else standing

    def person(self, iso2: str | None, without: Iterable[str] = ()) -> Standing:
        """How people in or of *iso2* are answered for, leaving out the agencies *without*."""
        standing = self._people.get(iso2 or "", NOWHERE)
        return self._without(standing, frozenset(without)) if without else standing

    def usable(self, agency: str) -> bool:
        """Tell whether *agency* is onboarded and active."""
        record = self.agencies.get(agency)
        return record is not None and takes(record)

    def home_hotlines(self) -> frozenset[str]:
        """Ids that the home country's hotlines have, onboarded or not."""
        row = self.registry[self.home]
        return frozenset(hotline_ids(self.home, row.hotlines))

    def _host(self, iso2: str) -> Standing:
        answering = self.registry.hotline_country(iso2)
        found = [a for a in self.agencies.of_kind(AgencyKind.HOTLINE) if a.country == answering]
        usable = tuple(a for a in found if takes(a))
        named = hotline_ids(answering, self.registry[answering].hotlines)
        taken = {a.id for a in usable}
        passed = tuple(dict.fromkeys([*(a.id for a in found if not takes(a)), *(n for n in named if n not in taken)]))
        return replace(
            self._person(iso2),
            at="home" if self.home in (iso2, answering) else "abroad",
            hotlines=tuple(a for a in usable if not a.hold) or usable,
            passed_over=passed,
        )

    def _person(self, iso2: str) -> Standing:
        answering = self.registry.police_country(iso2)
        row = self.registry[iso2]
        police = [a for a in self.agencies.of_kind(AgencyKind.POLICE) if a.country == answering and takes(a)]
        held = self.agencies.hold_countries
        return Standing(
            country=iso2,
            at="home" if self.home in (iso2, answering) else "abroad",
            eu=iso2 in EU,
            police=police[0].id if police else None,
            interpol=row.interpol,
            hold=iso2 in held or row.parent in held,
        )

    def _without(self, standing: Standing, without: frozenset[str]) -> Standing:
        left = tuple(a for a in standing.hotlines if a.id not in without)
        gone = tuple(a.id for a in standing.hotlines if a.id in without)
        return replace(
            standing,
            hotlines=left,
            passed_over=standing.passed_over + gone,
            police=None if standing.police in without else standing.police,
        )
