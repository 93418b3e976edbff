"""
URLs as sent and as understood. Nothing here is ever fetched or looked up.

One WHATWG parser (ada), our own rules before it for what people and attackers
write, and flags where programs would disagree. Never raises; linear time.
"""

from contracts.indicators import UrlIndicator
from contracts.vocabulary import Flag, UrlKind
from services.indicators.addresses import nonstandard_readings, parse_address
from services.indicators.authority import WEB_SCHEMES, Authority, split_authority, split_scheme
from services.indicators.canonical import other_form, web_form
from services.indicators.extract import pieces
from services.indicators.hosts import ascii_host, is_local, onion_flags, registrable_domain
from services.indicators.lists import is_messenger, is_redirector
from services.indicators.refang import CONTROL, tidy

__all__ = ["extract_urls", "parse_url", "registrable_domain"]

_KINDS = {
    "magnet": UrlKind.P2P,
    "ed2k": UrlKind.P2P,
    "dchub": UrlKind.P2P,
    "ipfs": UrlKind.IPFS,
    "ipns": UrlKind.IPFS,
} | dict.fromkeys(
    (
        "tg",
        "whatsapp",
        "signal",
        "sgnl",
        "viber",
        "discord",
        "skype",
        "threema",
        "line",
        "matrix",
        "xmpp",
        "kik",
        "snapchat",
    ),
    UrlKind.MESSENGER,
)
_NO_FORM = frozenset({"about", "blob", "chrome", "data", "file", "javascript", "vbscript", "view-source"})
"""Schemes whose text is kept but which name nothing that two tips could share."""


def parse_url(text: str) -> UrlIndicator:
    """Understand *text* as one URL, whatever it is."""
    flags: list[Flag] = []
    plain = tidy(text, flags)
    if CONTROL.search(plain):
        flags.append(Flag.CONTROL_CHARS)
    scheme, rest = split_scheme(plain, flags)
    if scheme not in WEB_SCHEMES:
        return _other(text, scheme, rest, flags)
    return _web(text, scheme, split_authority(rest, flags), flags)


def extract_urls(text: str) -> tuple[UrlIndicator, ...]:
    """Every URL in *text*: one alone is parsed as it is, several or one inside prose are flagged ``extracted``."""
    found = pieces(text)
    if not found:
        return (parse_url(text),)
    parsed = [parse_url(piece) for piece in found]
    return tuple(url.model_copy(update={"flags": (*url.flags, Flag.EXTRACTED)}) for url in parsed)


def _indicator(raw: str, flags: list[Flag], **understood: object) -> UrlIndicator:
    return UrlIndicator.model_validate({"raw": raw, "flags": tuple(dict.fromkeys(flags)), **understood})


def _other(raw: str, scheme: str, rest: str, flags: list[Flag]) -> UrlIndicator:
    kind = _KINDS.get(scheme, UrlKind.OTHER)
    if kind is UrlKind.OTHER:
        flags.append(Flag.OTHER_SCHEME)
    return _indicator(raw, flags, kind=kind, canonical=None if scheme in _NO_FORM else other_form(scheme, rest))


def _web(raw: str, scheme: str, authority: Authority, flags: list[Flag]) -> UrlIndicator:
    host = authority.host
    if not host or CONTROL.search(host):
        if Flag.CONTROL_CHARS not in flags:
            flags.append(Flag.BAD_URL)
        return _indicator(raw, flags, kind=UrlKind.WEB, port=authority.port, readings=authority.readings)
    if host.startswith("["):
        return _literal(raw, scheme, authority, flags)
    readings = nonstandard_readings(host.removesuffix("."))
    if readings is not None:
        flags.append(Flag.NONSTANDARD_IP)
        authority.readings = readings
        return _named(raw, scheme, authority, host.lower(), flags)
    name = ascii_host(host, flags)
    if name is None:
        return _indicator(raw, flags, kind=UrlKind.WEB, port=authority.port, readings=authority.readings)
    if name[-1].isdigit() and parse_address(name).ip == name:
        authority.host = name
        return _literal(raw, scheme, authority, flags)
    return _named(raw, scheme, authority, name, flags)


def _literal(raw: str, scheme: str, authority: Authority, flags: list[Flag]) -> UrlIndicator:
    """A host that is an address: located itself, unless parsers disagree whether it is the host."""
    parsed = parse_address(authority.host)
    flags.extend(parsed.flags)
    if parsed.ip is None:
        return _indicator(raw, flags, kind=UrlKind.WEB, port=authority.port, readings=authority.readings)
    shown = f"[{parsed.ip}]" if ":" in parsed.ip else parsed.ip
    form = web_form(scheme, shown, authority.port, authority.tail)
    return _indicator(
        raw,
        flags if form else [*flags, Flag.BAD_URL],
        kind=UrlKind.WEB,
        canonical=form[0] if form else None,
        host=parsed.ip,
        ip=None if Flag.AMBIGUOUS_HOST in flags else parsed.ip,
        port=authority.port,
        readings=(*authority.readings, *parsed.readings),
    )


def _named(raw: str, scheme: str, authority: Authority, host: str, flags: list[Flag]) -> UrlIndicator:
    form = web_form(scheme, host, authority.port, authority.tail)
    if form is None:
        flags.append(Flag.BAD_URL)
    kind = _kind(host, form[1] if form else "/", flags)
    return _indicator(
        raw,
        flags,
        kind=kind,
        canonical=form[0] if form else None,
        host=host,
        domain=registrable_domain(host) if kind in (UrlKind.WEB, UrlKind.MESSENGER) and not _nameless(flags) else None,
        port=authority.port,
        readings=authority.readings,
    )


def _nameless(flags: list[Flag]) -> bool:
    return Flag.NONSTANDARD_IP in flags or Flag.IDNA in flags


def _kind(host: str, path: str, flags: list[Flag]) -> UrlKind:
    if host.endswith(".onion"):
        flags.extend(onion_flags(host))
        return UrlKind.ONION
    if host.endswith(".i2p"):
        flags.append(Flag.I2P)
        return UrlKind.I2P
    if Flag.NONSTANDARD_IP in flags:
        return UrlKind.WEB
    if is_local(host):
        return UrlKind.LOCAL
    if is_messenger(host, path):
        return UrlKind.MESSENGER
    if is_redirector(host):
        flags.append(Flag.REDIRECTOR)
    return UrlKind.WEB
