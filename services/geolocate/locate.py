"""
Where a tip points: one verdict per host and per person's address.

A hosting address serves every URL that has no address of its own; several are
several hosts. An address literal in a URL is a host itself. Roles never mix: a
person's address says nothing of where content lies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from contracts.events import Evidence, Jurisdiction, Verdict
from contracts.indicators import AddressIndicator, Indicators, UrlIndicator
from contracts.vocabulary import AddressRole, Flag, UrlKind
from services.geolocate.decision import Claim, Found, Looked, weigh, weigh_alone
from services.geolocate.reading import Address, Url
from services.geolocate.resolver import Resolver

AnyUrl: TypeAlias = UrlIndicator | Url
AnyAddress: TypeAlias = AddressIndicator | Address
"""As the contract has it, or as the hop reads it: the same fields of the same types, as far as they are used here."""

_HOSTING = AddressRole.HOSTING
_PERSONS = frozenset({AddressRole.UPLOAD, AddressRole.LOGIN, AddressRole.REGISTRATION, AddressRole.PEER})
_RANKS = {AddressRole.UPLOAD: 0, AddressRole.PEER: 0, AddressRole.LOGIN: 1, AddressRole.REGISTRATION: 2}
"""What a person did there tells more than where they signed up; within one role the newest comes first."""

_PLACELESS = frozenset({Flag.ONION, Flag.ONION_V2, Flag.ONION_INVALID, Flag.I2P})
"""Names that no address belongs to: they have a route of their own."""

_NOTHING = Looked()
_NO_ADDRESS, _NO_PLACE = Found(flags=(Flag.NO_ADDRESS,)), Found()
_SHARED = "shared address space"


class World(NamedTuple):
    """What a verdict may ask: look-ups by address, names where that is switched on, and the day."""

    look_up: Callable[[str], Looked]
    today: date
    resolver: Resolver | None = None


class Point(msgspec.Struct, frozen=True, gc=False):
    """Where one indicator points: the contract's verdict as a plain value, which a hop makes for every record."""

    target: str
    role: AddressRole
    canonical: str | None
    found: Found
    domain: str | None
    flags: tuple[Flag, ...]
    observed_at: datetime | None = None


class Points(msgspec.Struct, frozen=True, gc=False):
    """Every point of a tip; the flags are those of all indicators."""

    hosting: Sequence[Point]
    persons: Sequence[Point]
    flags: tuple[Flag, ...]


def jurisdiction(indicators: Indicators, world: World, *, vetted: bool, builds: Mapping[str, str]) -> Jurisdiction:
    """
    `points` of a tip's *indicators* as contract values; *builds*: source to date of the databases that *world* asks.

    Raises:
        Unavailable: A name is still being resolved.
    """
    found = points(indicators.urls, indicators.addresses, world, vetted=vetted)
    return Jurisdiction(
        hosting=tuple(_verdict(point) for point in found.hosting),
        persons=tuple(_verdict(point) for point in found.persons),
        flags=found.flags,
        builds=dict(builds),
    )


def _verdict(point: Point) -> Verdict:
    found = point.found
    return Verdict(
        target=point.target,
        role=point.role,
        canonical=point.canonical,
        country=found.country,
        confidence=found.confidence,
        candidates=found.candidates,
        evidence=found.evidence,
        network=found.network,
        operator=found.operator,
        domain=point.domain,
        observed_at=point.observed_at,
        flags=point.flags,
    )


def points(urls: Sequence[AnyUrl], addresses: Sequence[AnyAddress], world: World, *, vetted: bool) -> Points:
    """
    Where the *urls* and *addresses* of a tip point.

    Args:
        urls: As intake understood them.
        addresses: Likewise.
        world: What is known of addresses.
        vetted: The sender's analysts are believed.

    Raises:
        Unavailable: A name is still being resolved.
    """
    domain = _served_domain(urls)
    hosting: list[Point] = []
    persons: list[Point] = []
    for index, address in enumerate(addresses):
        if address.role is _HOSTING:
            hosting.append(_of_address(index, address, domain, world, vetted=vetted))
        elif address.role in _PERSONS:
            persons.append(_of_address(index, address, None, world, vetted=vetted))
    hosting += _of_urls(urls, world, served=bool(hosting))
    if len(persons) > 1:
        persons.sort(key=_telling)
    told = [one.flags for one in (*hosting, *persons, *urls, *addresses) if one.flags]
    return Points(_once(hosting), persons, _union(told))


def _union(told: list[tuple[Flag, ...]]) -> tuple[Flag, ...]:
    """Each flag once, in the order in which they were told; most tips have one finding and nothing else."""
    if len(told) == 1:
        return _distinct(told[0])
    return tuple(dict.fromkeys(flag for flags in told for flag in flags))


def _telling(point: Point) -> tuple[int, float]:
    """Smaller for what tells more: by role, then the newest, then what has no time."""
    seen = point.observed_at
    if seen is None:
        return _RANKS[point.role], 0.0
    return _RANKS[point.role], -(seen if seen.tzinfo else seen.replace(tzinfo=UTC)).timestamp()


def _served_domain(urls: Sequence[AnyUrl]) -> str | None:
    """Domain of the first URL that a hosting address serves."""
    for url in urls:
        if url.ip is None and (name := url.domain or url.host):
            return name
    return None


def _of_address(index: int, address: AnyAddress, domain: str | None, world: World, *, vetted: bool) -> Point:
    looked = world.look_up(address.ip) if address.ip else _NOTHING
    seen = address.observed_at.date().isoformat() if address.country and address.observed_at else None
    claim = Claim(address.country, address.country_by, vetted, seen) if address.country else None
    if claim or address.possible_proxy:
        found = weigh((looked,), claim=claim, proxy=address.possible_proxy, today=world.today)
    else:
        found = weigh_alone(looked, world.today)
    flags = _joined(address.flags, found.flags)
    if address.port is None and address.role in _PERSONS and _is_shared(looked):
        flags = _joined(flags, (Flag.NEEDS_PORT,))
    return Point(
        f"/addresses/{index}", address.role, address.ip, found, domain or address.ip, flags, address.observed_at
    )


def _joined(own: tuple[Flag, ...], found: tuple[Flag, ...]) -> tuple[Flag, ...]:
    """Each flag once; most indicators have none of their own."""
    return _distinct(own + found) if own else found


@lru_cache(maxsize=256)
def _distinct(flags: tuple[Flag, ...]) -> tuple[Flag, ...]:
    return tuple(dict.fromkeys(flags))


def _is_shared(looked: Looked) -> bool:
    """True where one address stands for many people: without a port nobody can say which."""
    return looked.reserved == _SHARED or (looked.operator is not None and looked.operator.kind == "cgnat")


def _of_urls(urls: Sequence[AnyUrl], world: World, *, served: bool) -> list[Point]:
    made = []
    for index, url in enumerate(urls):
        if url.ip is not None:
            made.append(_of_url(index, url, weigh_alone(world.look_up(url.ip), world.today)))
        elif not served or not _PLACELESS.isdisjoint(url.flags):
            made.append(_named(index, url, world))
    return made


def _named(index: int, url: AnyUrl, world: World) -> Point:
    """A URL without an address: resolved where that is switched on and makes sense."""
    if world.resolver is None or not _resolvable(url) or url.host is None:
        return _of_url(index, url, _NO_ADDRESS if _PLACELESS.isdisjoint(url.flags) else _NO_PLACE)
    answer = world.resolver.resolve(url.host)
    found = weigh([world.look_up(ip) for ip in answer.addresses], today=world.today)
    heard = Evidence(
        source=f"dns:{answer.failure}" if answer.failure else "dns", says=None, built=world.today.isoformat()
    )
    flags = dict.fromkeys(found.flags)
    if answer.refused:
        flags[Flag.UNROUTABLE] = None
    if not answer.addresses:
        flags[Flag.NO_ADDRESS] = None
    made = replace(found, evidence=(*found.evidence, heard), flags=tuple(flags))
    return _of_url(index, url, made, at=answer.addresses[0] if len(answer.addresses) == 1 else None)


def _resolvable(url: AnyUrl) -> bool:
    """True for an ordinary name; a shortener's own address is not where the content lies."""
    odd = {Flag.REDIRECTOR, Flag.AMBIGUOUS_HOST, Flag.NONSTANDARD_IP, Flag.IDNA, Flag.CONTROL_CHARS}
    return url.kind is UrlKind.WEB and odd.isdisjoint(url.flags)


def _of_url(index: int, url: AnyUrl, found: Found, *, at: str | None = None) -> Point:
    return Point(
        f"/urls/{index}",
        AddressRole.HOSTING,
        url.ip or at or url.host,
        found,
        url.domain or url.host or url.ip,
        _joined(url.flags, found.flags),
    )


def _once(hosts: Sequence[Point]) -> Sequence[Point]:
    """One point per host: the surest where it is named twice, with the flags of both."""
    if len(hosts) <= 1:
        return hosts
    best: dict[str, Point] = {}
    for host in hosts:
        key = host.canonical or host.target
        known = best.get(key)
        if known is None:
            best[key] = host
        else:
            first, second = (known, host) if known.found.confidence >= host.found.confidence else (host, known)
            best[key] = msgspec.structs.replace(first, flags=_joined(first.flags, second.flags))
    return tuple(best.values())
