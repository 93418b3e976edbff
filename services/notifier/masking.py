"""Credentials in URLs: for police as sent, for everybody else masked; pure."""

import re

MASK = "***"

_AUTHORITY = re.compile(r"^(\s*[^\s:/\\?#@]+\s*:?\s*[\[\]():]*\s*[/\\][/\\\s]*|[/\\\s]*)([^/\\?#]*)", re.ASCII)
"""A scheme with its slashes, in any spelling that a browser or a careless hand accepts; then all up to the path."""

_AT = re.compile("[@\N{FULLWIDTH COMMERCIAL AT}\N{SMALL COMMERCIAL AT}]")


def without_credentials(url: str) -> str:
    """
    *url* with ``user:password@`` masked and nothing else changed.

    Errs on the safe side: where it is unclear whether something before an
    ``@`` is a user name (``mailto:``, a missing scheme), it is masked too.
    """
    found = _AUTHORITY.match(url)
    if found is None:
        return url
    authority = found[2]
    ats = [at.end() for at in _AT.finditer(authority)]
    if not ats:
        return url

    return f"{found[1]}{MASK}@{authority[ats[-1] :]}{url[found.end() :]}"
