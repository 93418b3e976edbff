"""
Undo what people do to links so that nobody clicks them, and trim what prose left around them.

A closed list of rules, each bounded, applied before the URL parser; the text
as sent is never changed.
"""

import re

from contracts.vocabulary import Flag

_PADDING = frozenset(" \t\r\n\v\f\u00a0\u200b\u200c\u200d\u2060\ufeff<>\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb")
TRAILING = frozenset(".,;:!)]}'")
_OPENING = {")": "(", "]": "[", "}": "{"}

_SCHEME = re.compile(
    r"(?P<name>h(?:xx|tt|tx|xt|\*\*|\+\+|__)p(?P<s>s?)|fxp|ftp)\s{0,3}"
    r"(?:\[:\]|\(:\)|:|\[(?=://\])|\((?=://\)))\s{0,3}(?:\[//\]|\(//\)|://[\])]|//)",
    re.IGNORECASE,
)
_DOT = re.compile(r"\s{0,3}(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|\{dot\})\s{0,3}|\s{1,3}dot\s{1,3}", re.IGNORECASE)
_HEAD_END = re.compile(r"[/?#]")

CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that show as nothing, turn the line round or are dropped silently by parsers."""


def tidy(text: str, flags: list[Flag]) -> str:
    """*text* without what surrounds a link and with defanged parts restored; says so in *flags*."""
    inner = trimmed(text)
    if inner != text:
        flags.append(Flag.TRIMMED)
    plain = refanged(inner)
    if plain != inner:
        flags.append(Flag.REFANGED)
    return plain


def trimmed(text: str) -> str:
    """*text* without padding, quotes, angle brackets and the punctuation of a sentence around it."""
    low, high = 0, len(text)
    while low < high and (text[low] in _PADDING or _unclosed(text, low)):
        low += 1
    spare = {close: text.count(close, low, high) - text.count(start, low, high) for close, start in _OPENING.items()}
    while high > low and (text[high - 1] in _PADDING or text[high - 1] in TRAILING):
        last = text[high - 1]
        if last in spare:
            if spare[last] <= 0:
                break
            spare[last] -= 1
        high -= 1
    return text[low:high]


def _unclosed(text: str, low: int) -> bool:
    """True where *text* opens with a bracket of the prose around it: ``(http://...``."""
    return (
        text[low] in "({"
        and text[low + 1 : low + 2].isalpha()
        and text[low + 1 : low + 8].lower() not in ("dot)", "dot}")
    )


def refanged(text: str) -> str:
    """*text* with a working scheme and host; the path and the query are left as they are."""
    scheme = _SCHEME.match(text)
    head, rest = "", text
    if scheme:
        name = scheme["name"].lower()
        head = ("ftp" if name in ("ftp", "fxp") else "http" + scheme["s"].lower()) + "://"
        if scheme[0].lower() == head:
            head = scheme[0]
        rest = text[scheme.end() :]
    if "[/]" in rest:
        rest = rest.replace("[/]", "/")
    end = _HEAD_END.search(rest, len(rest) - len(rest.lstrip("/")))
    cut = end.start() if end else len(rest)
    return head + _plain_host(rest[:cut]) + rest[cut:]


def _plain_host(host: str) -> str:
    if "[:]" in host:
        host = host.replace("[:]", ":")
    return _DOT.sub(".", host)
