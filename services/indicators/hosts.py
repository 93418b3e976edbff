"""What sort of host a name is: onion, I2P, local, internationalised, and its registrable domain."""

import base64
import unicodedata
from functools import cache, lru_cache
from hashlib import sha3_256
from typing import TYPE_CHECKING

import ada_url
import idna

from contracts.vocabulary import Flag

if TYPE_CHECKING:
    from tldextract import TLDExtract

_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_ONION_V2, _ONION_V3 = 16, 56
_ONION_VERSION = 3
_LOCAL = frozenset({"localhost", "local", "internal", "lan", "home", "intranet", "corp", "localdomain"})
_LOOKALIKES = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
"""Scripts whose letters pass for Latin ones."""

_BASE32 = frozenset("abcdefghijklmnopqrstuvwxyz234567")


def ascii_host(text: str, flags: list[Flag]) -> str | None:
    """*text* as a lower-case ASCII name by UTS 46, without trailing dot; None where it has none."""
    try:
        host = str(ada_url.URL(f"http://{text}/").hostname)
    except ValueError:
        flags.append(Flag.IDNA if not text.isascii() or "xn--" in text.lower() else Flag.BAD_URL)
        return None
    dots = len(host) - len(host.rstrip("."))
    host = host.rstrip(".")
    if not host or host.startswith("["):
        flags.append(Flag.BAD_URL)
        return None
    if dots > 1 or not _well_formed(host):
        flags.append(Flag.IDNA)
    elif is_confusable(text, host):
        flags.append(Flag.CONFUSABLE)
    return host


def _well_formed(host: str) -> bool:
    labels = host.split(".")
    if len(host) > _LONGEST_NAME or any(not 0 < len(label) <= _LONGEST_LABEL for label in labels):
        return False
    return all(_decodes(label) for label in labels if label.startswith("xn--"))


def _decodes(label: str) -> bool:
    try:
        return bool(idna.decode(label, uts46=True))
    except (idna.IDNAError, UnicodeError, ValueError, IndexError):
        return False


def is_confusable(text: str, host: str) -> bool:
    """True where a person may read *text* as another name: mixed scripts, or letters that map to plain ones."""
    if not text.isascii() and "xn--" not in host:
        return True
    if "xn--" not in host:
        return False
    return any(_mixed(label) for label in ada_url.idna_to_unicode(host.encode()).split("."))


def _mixed(label: str) -> bool:
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in label if char.isalpha()}
    return "LATIN" in scripts and not scripts.isdisjoint(_LOOKALIKES)


def onion_flags(host: str) -> tuple[Flag, ...]:
    """Flags of an onion name: a valid address, an old one that no network serves any more, or no address at all."""
    label = host.removesuffix(".onion").rpartition(".")[2]
    if not _BASE32.issuperset(label):
        return (Flag.ONION_INVALID,)
    if len(label) == _ONION_V2:
        return Flag.ONION, Flag.ONION_V2
    if len(label) != _ONION_V3:
        return (Flag.ONION_INVALID,)
    body = base64.b32decode(label.upper())
    key, checksum, version = body[:32], body[32:34], body[34]
    valid = version == _ONION_VERSION and checksum == sha3_256(b".onion checksum" + key + bytes([version])).digest()[:2]
    return (Flag.ONION,) if valid else (Flag.ONION_INVALID,)


def is_local(host: str) -> bool:
    """True for names that mean something on one machine or network only."""
    head, dot, last = host.rpartition(".")
    return not dot or last in _LOCAL or host.endswith(".home.arpa") or not head


@cache
def _suffixes() -> "TLDExtract":
    """The public suffix list as the library ships it; loaded when first asked, never fetched."""
    from tldextract import TLDExtract  # noqa: PLC0415 - 27 MB: only processes that parse names pay for it

    return TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


@lru_cache(maxsize=8192)
def registrable_domain(host: str) -> str | None:
    """The domain that somebody registered, by the public suffix list and its default rule; None for a suffix."""
    found = _suffixes()(host, include_psl_private_domains=True)
    if found.suffix:
        return f"{found.domain}.{found.suffix}" if found.domain else None
    labels = host.split(".")
    return ".".join(labels[-2:]) if len(labels) > 1 and all(labels[-2:]) else None
