"""
Evidence in, verdict out: where an address points, how sure, and why.

Pure: no clock, no look-up. Disagreement is a state of its own, never a silent
pick; age never changes a verdict, it only adds ``stale_geodata``.

Source: the confidence rule of the routing rules (three sources agree 0.95, two
of three 0.75, two of two 0.85, one 0.6, all disagree 0.4, edge or exit at most
0.3, a vetted analyst 0.99).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from contracts.events import Evidence, Network
from contracts.vocabulary import CountryBy, Flag
from services.geolocate.networks import Operator

STALE_AFTER = timedelta(days=35)
"""A warning: free databases come out monthly."""

ALARM_AFTER = timedelta(days=90)
"""A quarter without a build: somebody must act. Verdicts stay the same."""

NOT_COUNTRIES = frozenset({"EU", "AP", "A1", "A2", "O1", "XX", "ZZ", "T1", "??", "QM", "UK"})
"""Codes that databases give where they cannot say; ``XK`` is a country here, these are not."""

UNANIMOUS, MAJORITY, PAIR, SINGLE, DISAGREE, EDGE, ANALYST = 0.95, 0.75, 0.85, 0.6, 0.4, 0.3, 0.99
_ENOUGH = 3
"""Sources from which agreement counts as unanimous."""

_KIND_FLAGS = {
    "cdn": (Flag.CDN,),
    "anycast": (Flag.ANYCAST,),
    "tor_exit": (Flag.TOR_EXIT,),
    "vpn": (Flag.POSSIBLE_PROXY,),
}
_REMEMBERED = 16_384
"""Findings that a process keeps; about 8 MB at worst."""

_TOR_CODE = "T1"
_ANALYST_SOURCE = "analyst"
_SENDER_SOURCE = "sender"


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """
    What the databases and lists say of one address; the same whoever asks.

    Known by identity: addresses of which the same is said share one (`OpenSet`).
    """

    evidence: tuple[Evidence, ...] = ()
    network: Network | None = None
    operator: Operator | None = None
    reserved: str | None = None
    """Why nobody hosts at the address; no database is asked then."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A country that the sender gave with an address."""

    country: str
    by: CountryBy | None
    vetted: bool
    seen: str | None = None
    """The day the sender saw it (ISO 8601): what was so then may be told apart from what databases say now."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A verdict without its indicator; known by identity, as `weigh_alone` gives the same one again and again."""

    country: str | None = None
    confidence: float = 0.0
    candidates: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    flags: tuple[Flag, ...] = ()
    network: Network | None = None
    operator: str | None = None
    """Agency id of the operator's own desk."""


def is_country(code: str | None) -> bool:
    """True for two capital letters that name a country or territory."""
    return (
        code is not None
        and len(code) == 2
        and code.isascii()
        and code.isalpha()
        and code.isupper()
        and code not in NOT_COUNTRIES
    )


def weigh(
    looked: Sequence[Looked], *, claim: Claim | None = None, proxy: bool = False, today: date | None = None
) -> Found:
    """
    The country that the sources name for one host.

    Args:
        looked: One entry per address; several where a name resolved to several.
        claim: What the sender said; a vetted partner's analyst wins.
        proxy: The sender says that the address may be a proxy.
        today: Marks evidence that is older than `STALE_AFTER`; None leaves age out.
    """
    evidence = tuple(dict.fromkeys(item for one in looked for item in one.evidence))
    flags = [flag for one in looked for flag in _network_flags(one)]
    if proxy:
        flags.append(Flag.POSSIBLE_PROXY)
    voted = _voted(looked, flags)
    if _is_stale(evidence, today):
        flags.append(Flag.STALE_GEODATA)
    found = replace(
        voted,
        evidence=evidence,
        flags=tuple(dict.fromkeys(flags)),
        network=next((one.network for one in looked if one.network), None),
        operator=next((one.operator.agency for one in looked if one.operator and one.operator.agency), None),
    )
    return _with_claim(_capped(found), claim) if claim else _capped(found)


@lru_cache(maxsize=_REMEMBERED)
def weigh_alone(looked: Looked, today: date) -> Found:
    """`weigh` for one address of which nobody claims anything, as most are: worked out once a day."""
    found = _weighed(looked.evidence, looked.operator, looked.reserved, today)
    return replace(found, network=looked.network) if looked.network else found


@lru_cache(maxsize=_REMEMBERED)
def _weighed(evidence: tuple[Evidence, ...], operator: Operator | None, reserved: str | None, today: date) -> Found:
    """The network names itself and changes no verdict: tens of thousands of them share a few hundred findings."""
    return weigh((Looked(evidence, None, operator, reserved),), today=today)


def _network_flags(one: Looked) -> list[Flag]:
    flags = [Flag.UNROUTABLE] if one.reserved else []
    if one.operator is not None:
        flags += _KIND_FLAGS.get(one.operator.kind, ())
    says = {item.says for item in one.evidence if item.says is not None}
    if _TOR_CODE in says:
        flags.append(Flag.TOR_EXIT)
    if says and not any(is_country(code) for code in says):
        flags.append(Flag.NOT_A_COUNTRY)
    return flags


def _voted(looked: Sequence[Looked], flags: list[Flag]) -> Found:
    """One address: by its votes. Several: only what all of them say."""
    each = [
        _by_votes([item.says for item in one.evidence if item.says is not None and is_country(item.says)])
        for one in looked
    ]
    if any(len(set(votes.candidates)) > 1 or votes.confidence == MAJORITY for votes in each):
        flags.append(Flag.CONFLICT)
    if len(each) <= 1:
        return each[0] if each else Found()
    countries = tuple(
        dict.fromkeys(code for one in each for code in ((one.country,) if one.country else one.candidates))
    )
    if len(countries) == 1:
        return Found(countries[0], min(one.confidence for one in each if one.confidence))
    if countries:
        flags.append(Flag.CONFLICT)
        return Found(confidence=DISAGREE, candidates=countries)
    return Found()


def _by_votes(votes: Sequence[str]) -> Found:
    """The rule for one address; *votes* in the order of the sources."""
    if not votes:
        return Found()
    country, most = Counter(votes).most_common(1)[0]
    if most == len(votes):
        return Found(country, UNANIMOUS if most >= _ENOUGH else PAIR if most > 1 else SINGLE)
    if 2 * most > len(votes):
        return Found(country, MAJORITY)
    return Found(confidence=DISAGREE, candidates=tuple(dict.fromkeys(votes)))


def _is_stale(evidence: Sequence[Evidence], today: date | None) -> bool:
    if today is None:
        return False
    return any(item.built is not None and today - date.fromisoformat(item.built) > STALE_AFTER for item in evidence)


def _capped(found: Found) -> Found:
    """An edge has no hosting country; an exit or a proxy has one that means little."""
    flags = found.flags
    if Flag.CDN in flags or Flag.ANYCAST in flags:
        kept = tuple(flag for flag in flags if flag is not Flag.CONFLICT)
        return replace(found, country=None, confidence=min(found.confidence, EDGE), candidates=(), flags=kept)
    if Flag.TOR_EXIT in flags or Flag.POSSIBLE_PROXY in flags:
        return replace(found, confidence=min(found.confidence, EDGE))
    return found


def _with_claim(found: Found, claim: Claim) -> Found:
    """The sender's country beside the evidence; it decides only where a vetted partner's analyst looked."""
    source = _ANALYST_SOURCE if claim.by is CountryBy.ANALYST and claim.vetted else _SENDER_SOURCE
    evidence = (Evidence(source=source, says=claim.country, built=claim.seen), *found.evidence)
    if source == _SENDER_SOURCE or not is_country(claim.country):
        return replace(found, evidence=evidence)
    automatic = {found.country, *found.candidates} - {None, claim.country}
    flags = dict.fromkeys((*found.flags, Flag.CONFLICT)) if automatic else dict.fromkeys(found.flags)
    return replace(
        found, country=claim.country, confidence=ANALYST, candidates=(), evidence=evidence, flags=tuple(flags)
    )
