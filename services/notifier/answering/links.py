"""
Signed links: what a mail offers an agency to answer one referral with; pure.

A link is a secret that one agency can answer one referral with, until a day. It
opens nothing else and shows nothing of the tip.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import UUID

from services.chassis.errors import Misconfigured
from services.chassis.localkey import local_key
from services.chassis.settings import Settings

FILE = "link.key"
NOTIFIER_PORT = 8104

VALID = timedelta(days=90)
"""As long as an ended delivery is remembered; each message that is sent again brings a link that is valid anew."""

LONGEST = 256
"""Characters of a token; ours have about 120. Longer ones are not looked at."""

ADDRESS_NEEDED = "VIDARE_PUBLIC_URL must be the address of the notifier's door, such as https://mesh.example"

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")
_PURPOSE = b"vidare/receipt-link/1\n"


@dataclass(frozen=True, slots=True)
class Answerable:
    """What a link lets its holder do: answer this referral as this agency."""

    agency: str
    referral: UUID


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links under *base* and reads their tokens."""

    key: bytes
    base: str

    def link(self, of: Answerable, now: datetime) -> str:
        """The link, valid for 90 days from the day of *now*: attempts of one day send the same message."""
        until = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), tzinfo=UTC) + VALID
        return f"{self.base}/receipts/{self.token(of, until)}"

    def token(self, of: Answerable, until: datetime) -> str:
        """The token of a link that is valid until then."""
        said = f"{of.agency} {of.referral.hex} {int(until.timestamp())}".encode("ascii")
        return f"{_text(said)}.{_text(self._signature(said))}"

    def read(self, token: str, now: datetime) -> Answerable | None:
        """What *token* lets its holder do; None for one that is not ours, was changed, or is too old."""
        if len(token) > LONGEST or not _TOKEN.fullmatch(token):
            return None
        head, _, tail = token.partition(".")
        said, signature = _bytes(head), _bytes(tail)
        # The text is compared too: base64 has several spellings of the same bytes, and one link has one.
        if not hmac.compare_digest(signature, self._signature(said)) or (_text(said), _text(signature)) != (head, tail):
            return None
        agency, referral, until = said.decode("ascii").split(" ")
        return Answerable(agency, UUID(hex=referral)) if now.timestamp() < int(until) else None

    def _signature(self, said: bytes) -> bytes:
        return hmac.new(self.key, _PURPOSE + said, sha256).digest()


def links_of(settings: Settings) -> Links:
    """
    The links of this mesh: key and public address as set, else a key of its own and the door on this machine.

    Raises:
        Misconfigured: The key is too short or cannot be kept, or the address is none.
    """
    key = local_key(settings.home / FILE, settings.link_key, setting="VIDARE_LINK_KEY", what="the key of links")
    base = (settings.public_url or f"http://{settings.host}:{NOTIFIER_PORT}").rstrip("/")
    try:
        parts = urlsplit(base)
    except ValueError as error:
        raise Misconfigured(ADDRESS_NEEDED) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Misconfigured(
            "VIDARE_PUBLIC_URL must be the address of the notifier's door, such as https://mesh.example"
        )
    if not base.isascii() or any(character.isspace() for character in base):
        raise Misconfigured("VIDARE_PUBLIC_URL has characters that no address has; write it in ASCII, without spaces")
    return Links(key, base)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""
