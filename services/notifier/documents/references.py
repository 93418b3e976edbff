"""
Which indicators are references to content, for those who may read nothing of a person; pure.

An odd indicator never refuses a tip, so anything may stand in one: a sentence
with a name where a hash should be, a local path with the reporter's user name,
a telephone number as a link. Police read them as sent. Nobody else does.
"""

import re
from collections.abc import Iterable
from typing import Any

from contracts.indicators import AddressIndicator, HashIndicator, UrlIndicator
from contracts.vocabulary import AddressRole, Flag, UrlKind
from services.notifier.documents.masking import without_credentials

PERSONAL_SCHEMES = frozenset(
    {"acct", "callto", "facetime", "facetime-audio", "im", "mailto", "mms", "pres", "sip", "sips", "sms", "smsto",
     "tel", "wtai"}
)  # fmt: skip
"""Links that name somebody, not a place where content lies; links of messengers without a host are the same."""

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]{0,31}):")
_ADDRESS = re.compile(r"[0-9A-Fa-fxX.:\[\]/ ]{2,64}")


def urls(found: Iterable[UrlIndicator]) -> tuple[str, ...]:
    """Links to content as sent, credentials masked."""
    return tuple(without_credentials(url.raw) for url in found if names_a_place(url))


def names_a_place(url: UrlIndicator) -> bool:
    """True for a link to content that others can reach: no free text, no local path, nobody's account."""
    if url.kind is UrlKind.LOCAL or (url.kind is UrlKind.MESSENGER and url.host is None):
        return False
    if url.kind is UrlKind.WEB and url.host is None:
        return False
    if Flag.OTHER_SCHEME in url.flags and url.canonical is None:
        return False
    scheme = _SCHEME.match(url.raw)
    return scheme is None or scheme[1].lower() not in PERSONAL_SCHEMES


def servers(found: Iterable[AddressIndicator]) -> tuple[dict[str, Any], ...]:
    """The servers' addresses; of one that was written with other words, the address alone."""
    shown = []
    for address in found:
        text = address.raw if _ADDRESS.fullmatch(address.raw) else address.ip
        if address.role is AddressRole.HOSTING and Flag.BAD_ADDRESS not in address.flags and text is not None:
            shown.append(as_sent(address) | {"ip": text})
    return tuple(shown)


def hashes(found: Iterable[HashIndicator]) -> tuple[dict[str, Any], ...]:
    """Hashes that are some."""
    return tuple(a_hash(each) for each in found if Flag.BAD_HASH not in each.flags)


def as_sent(found: AddressIndicator) -> dict[str, Any]:
    """An address in the form of ``tip-submission/1``, as sent."""
    shown = found.model_dump(mode="json", exclude={"raw", "ip", "flags", "readings"}, exclude_none=True)
    return {"ip": found.raw, **shown}


def a_hash(found: HashIndicator) -> dict[str, Any]:
    """A hash in the form of ``tip-submission/1``, as sent."""
    return {"algorithm": found.algorithm.value, "value": found.raw}
