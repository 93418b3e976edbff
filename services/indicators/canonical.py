"""The form in which two URLs are compared: never for fetching, never shown instead of what was sent."""

import re
from urllib.parse import quote

import ada_url

from services.indicators.authority import WEB_SCHEMES
from services.indicators.lists import is_tracking
from services.indicators.refang import CONTROL, TRAILING

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})|%")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TOPIC = re.compile(r"xt(?:\.\d{1,3})?=urn:[a-z0-9]{2,8}:([A-Za-z0-9]{16,128})", re.IGNORECASE)


def web_form(scheme: str, host: str, port: int | None, tail: str) -> tuple[str, str] | None:
    """Comparison form and path of a web URL; None where the path cannot be read."""
    try:
        parts = ada_url.URL(f"http://h.test{_visible(tail)}")
    except ValueError:
        return None
    path = _escapes(str(parts.pathname))
    query = "&".join(
        part for part in _escapes(str(parts.search)[1:]).split("&") if not is_tracking(part.partition("=")[0])
    )
    at = f":{port}" if port and port != WEB_SCHEMES[scheme] else ""
    return _closed(f"{scheme}://{host}{at}{path}{'?' if query else ''}{query}"), path


def other_form(scheme: str, rest: str) -> str | None:
    """Comparison form of a link that names no server: the content's own id where it has one."""
    topics = sorted({topic.lower() for topic in _TOPIC.findall(rest)}) if scheme == "magnet" else []
    if topics:
        return "magnet:?" + "&".join(f"xt=urn:btih:{topic}" for topic in topics)
    if CONTROL.search(rest) or any(char.isspace() for char in rest):
        return None
    return _closed(f"{scheme}:{rest}") if rest else None


def _visible(tail: str) -> str:
    """*tail* with every character escaped that a parser would drop without a word."""
    return CONTROL.sub(lambda found: quote(found[0], errors="replace"), tail)


def _escapes(text: str) -> str:
    """RFC 3986, section 6: unneeded escapes are undone, the others are in upper case."""
    if "%" not in text:
        return text

    def one(found: re.Match[str]) -> str:
        if not found[1]:
            return "%25"
        char = chr(int(found[1], 16))
        return char if char in _UNRESERVED else found[0].upper()

    return _ESCAPE.sub(one, text)


def _closed(form: str) -> str:
    """*form* with a last character that trimming would take away escaped, so that reading it again changes nothing."""
    if form[-1] not in TRAILING:
        return form
    return f"{form[:-1]}%{ord(form[-1]):02X}"
