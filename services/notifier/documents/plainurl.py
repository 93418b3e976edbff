"""A URL as other systems' forms take it: one spelling, ASCII, no credentials; pure."""

import ada_url

from services.indicators.refang import tidy

SCHEMES = frozenset({"http:", "https:"})


def plain(url: str) -> str | None:
    """
    *url* in the spelling that a browser would send it in, without any user name; None for what is no web address.

    Path, query and fragment stay as they are: they name the content.
    """
    try:
        parts = ada_url.URL(tidy(url, []))
    except ValueError:
        return None
    if parts.protocol not in SCHEMES or not parts.hostname:
        return None
    parts.username = parts.password = ""
    return str(parts.href)


def host_of(url: str) -> str | None:
    """The host of a `plain` URL: a name in ASCII, or an address without brackets."""
    try:
        name = str(ada_url.URL(url).hostname)
    except ValueError:
        return None
    return name.removeprefix("[").removesuffix("]").removesuffix(".") or None
