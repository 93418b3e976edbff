"""Credentials in URLs: for police as sent, for everybody else masked; pure."""

import re

MASK = "***"

_AUTHORITY = re.compile(r"^(\s*[^\s:/\\?#@]+\s*:?\s*[\[\]():]*\s*[/\\][/\\\s]*|[/\\\s]*)([^/\\?#]*)", re.ASCII)
"""A scheme with its slashes, in any spelling that a browser or a careless hand accepts; then all up to the path."""

_AT = re.compile("[@\N{FULLWIDTH COMMERCIAL AT}\N{SMALL COMMERCIAL AT}]")

_INNER = re.compile(r"((?::|%3a)(?:/|%2f){2})((?:(?!%2f|%3f|%23)[^/\\?#&\s])*)(@|%40)", re.IGNORECASE)
"""A URL within path, query or fragment, escaped or not, up to the last sign that ends its user name and password."""

_LOGIN = re.compile(
    r"([?&;#/](?:[a-z0-9_.\[\]-]{0,40}(?:password|passwd|passwort|passphrase)"
    r"|(?:[a-z0-9_.\[\]-]{0,40}[_.\[-])?(?:pwd|pass|access_?token|auth_?token|id_?token|refresh_?token|session_?id"
    r"|phpsessid|aspsessionid[a-z]{0,8}|api_?key|client_?secret|secret))\]?=)([^&;#]+)",
    re.IGNORECASE,
)
"""
A parameter whose name says that its value opens an account. A bare ``token``,
``key`` or ``user`` is left: on sharing services it is the content's own name.
"""

_SESSION = re.compile(r"(;jsessionid=)[^;?#/&]+", re.IGNORECASE)
"""The one that stands in the path; what follows it is the content's."""


def without_credentials(url: str) -> str:
    """
    *url* with user names and passwords masked and nothing else changed.

    They stand before an ``@`` (``user:password@``, of the URL itself or of one
    within it) or in a parameter that is named for them. Errs on the safe side:
    where it is unclear whether something before an ``@`` is a user name
    (``mailto:``, a missing scheme), it is masked too.
    """
    found = _AUTHORITY.match(url)
    if found is None:
        return url
    authority = found[2]
    ats = [at.end() for at in _AT.finditer(authority)]
    shown = f"{MASK}@{authority[ats[-1] :]}" if ats else authority

    return f"{found[1]}{shown}{_within(url[found.end() :])}"


def _within(rest: str) -> str:
    """Path, query and fragment."""
    plain = _INNER.sub(rf"\g<1>{MASK}\g<3>", rest)
    return _LOGIN.sub(rf"\g<1>{MASK}", _SESSION.sub(rf"\g<1>{MASK}", plain))
