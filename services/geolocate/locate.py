"""
Where a tip points: one verdict per host and per person's address.

A hosting address serves every URL that has no address of its own; several are
several hosts. An address literal in a URL is a host itself. Roles never mix: a
person's address says nothing of where content lies.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from contracts.events import Evidence, Jurisdiction, Verdict
from contracts.indicators import AddressIndicator, Indicators, UrlIndicator
from contracts.vocabulary import AddressRole, Flag, UrlKind
from services.geolocate.decision import Claim, Found, Looked, weigh, weigh_alone
from services.geolocate.resolver import Resolver

_PERSONS = frozenset({AddressRole.UPLOAD, AddressRole.LOGIN, AddressRole.REGISTRATION, AddressRole.PEER})
_PLACELESS = frozenset({Flag.ONION, Flag.ONION_V2, Flag.ONION_INVALID, Flag.I2P})
"""Names that no address belongs to: they have a route of their own."""

_NOTHING = Looked()
_SHARED = "shared address space"


@dataclass(frozen=True, slots=True)
class World:
    """What a verdict may ask: look-ups by address, names where that is switched on, and the day."""

    look_up: Callable[[str], Looked]
    today: date
    resolver: Resolver | None = None


def jurisdiction(indicators: Indicators, world: World, *, vetted: bool, builds: Mapping[str, str]) -> Jurisdiction:
    """
    Every verdict of a tip's *indicators*.

    Args:
        indicators: As intake understood them.
        world: What is known of addresses.
        vetted: The sender's analysts are believed.
        builds: Source to date of the databases that *world* asks.

    Raises:
        Unavailable: A name is still being resolved.
    """
    addresses = list(enumerate(indicators.addresses))
    servers = [(i, a) for i, a in addresses if a.role is AddressRole.HOSTING]
    persons = tuple(_of_address(i, a, None, world, vetted=vetted) for i, a in addresses if a.role in _PERSONS)
    domain = _served_domain(indicators.urls)
    hosting = [_of_address(i, a, domain, world, vetted=vetted) for i, a in servers]
    hosting += _of_urls(indicators.urls, world, served=bool(servers))
    rest = (a.flags for a in indicators.addresses if a.role is AddressRole.OTHER)
    flags = chain((v.flags for v in hosting), (v.flags for v in persons), (u.flags for u in indicators.urls), rest)
    return Jurisdiction(
        hosting=tuple(_once(hosting)),
        persons=persons,
        flags=tuple(dict.fromkeys(flag for some in flags for flag in some)),
        builds=dict(builds),
    )


def _served_domain(urls: Sequence[UrlIndicator]) -> str | None:
    """Domain of the first URL that a hosting address serves."""
    return next((url.domain or url.host for url in urls if url.ip is None and (url.domain or url.host)), None)


def _of_address(index: int, address: AddressIndicator, domain: str | None, world: World, *, vetted: bool) -> Verdict:
    looked = world.look_up(address.ip) if address.ip else _NOTHING
    claim = Claim(address.country, address.country_by, vetted) if address.country else None
    if claim or address.possible_proxy:
        found = weigh((looked,), claim=claim, proxy=address.possible_proxy, today=world.today)
    else:
        found = weigh_alone(looked, world.today)
    extra = (Flag.NEEDS_PORT,) if address.port is None and address.role in _PERSONS and _is_shared(looked) else ()
    return Verdict(
        target=f"/addresses/{index}",
        role=address.role,
        canonical=address.ip,
        country=found.country,
        confidence=found.confidence,
        candidates=found.candidates,
        evidence=found.evidence,
        network=looked.network,
        operator=looked.operator.agency if looked.operator else None,
        domain=domain or address.ip,
        observed_at=address.observed_at,
        flags=tuple(dict.fromkeys((*address.flags, *found.flags, *extra))),
    )


def _is_shared(looked: Looked) -> bool:
    """True where one address stands for many people: without a port nobody can say which."""
    return looked.reserved == _SHARED or (looked.operator is not None and looked.operator.kind == "cgnat")


def _of_urls(urls: Sequence[UrlIndicator], world: World, *, served: bool) -> Iterable[Verdict]:
    for index, url in enumerate(urls):
        if url.ip is not None:
            looked: tuple[Looked, ...] = (world.look_up(url.ip),)
            yield _of_url(index, url, looked, weigh_alone(looked[0], world.today))
        elif not served or not _PLACELESS.isdisjoint(url.flags):
            yield _named(index, url, world)


def _named(index: int, url: UrlIndicator, world: World) -> Verdict:
    """A URL without an address: resolved where that is switched on and makes sense."""
    if world.resolver is None or not _resolvable(url) or url.host is None:
        return _of_url(index, url, (), Found(flags=(Flag.NO_ADDRESS,) if _PLACELESS.isdisjoint(url.flags) else ()))
    answer = world.resolver.resolve(url.host)
    looked = tuple(world.look_up(ip) for ip in answer.addresses)
    found = weigh(looked, today=world.today)
    heard = Evidence(
        source=f"dns:{answer.failure}" if answer.failure else "dns", says=None, built=world.today.isoformat()
    )
    flags = dict.fromkeys(found.flags)
    if answer.refused:
        flags[Flag.UNROUTABLE] = None
    if not looked:
        flags[Flag.NO_ADDRESS] = None
    made = Found(found.country, found.confidence, found.candidates, (*found.evidence, heard), tuple(flags))
    return _of_url(index, url, looked, made, at=answer.addresses[0] if len(answer.addresses) == 1 else None)


def _resolvable(url: UrlIndicator) -> bool:
    """True for an ordinary name; a shortener's own address is not where the content lies."""
    odd = {Flag.REDIRECTOR, Flag.AMBIGUOUS_HOST, Flag.NONSTANDARD_IP, Flag.IDNA, Flag.CONTROL_CHARS}
    return url.kind is UrlKind.WEB and odd.isdisjoint(url.flags)


def _of_url(index: int, url: UrlIndicator, looked: Sequence[Looked], found: Found, *, at: str | None = None) -> Verdict:
    operators = [one.operator.agency for one in looked if one.operator and one.operator.agency]
    return Verdict(
        target=f"/urls/{index}",
        role=AddressRole.HOSTING,
        canonical=url.ip or at or url.host,
        country=found.country,
        confidence=found.confidence,
        candidates=found.candidates,
        evidence=found.evidence,
        network=next((one.network for one in looked if one.network), None),
        operator=operators[0] if operators else None,
        domain=url.domain or url.host or url.ip,
        flags=tuple(dict.fromkeys((*url.flags, *found.flags))),
    )


def _once(verdicts: Iterable[Verdict]) -> Iterable[Verdict]:
    """One verdict per host: the surest where it is named twice, with the flags of both."""
    best: dict[str, Verdict] = {}
    for verdict in verdicts:
        key = verdict.canonical or verdict.target
        known = best.get(key)
        if known is None:
            best[key] = verdict
        else:
            first, second = (known, verdict) if known.confidence >= verdict.confidence else (verdict, known)
            best[key] = first.model_copy(update={"flags": tuple(dict.fromkeys((*first.flags, *second.flags)))})
    return best.values()
