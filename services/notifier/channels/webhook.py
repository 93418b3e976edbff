"""
The webhook channel: one signed POST, its end read within bounds.

Never follows a redirect, never goes to a private address, never reads more
than a receipt may hold, never waits longer than the agency's time-out, never
raises for the outside's faults: every end is a value.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import aiohttp

from contracts.onboarding import Agency, WebhookChannel
from contracts.vocabulary import ChannelName
from services.chassis.errors import Misconfigured
from services.chassis.hop import Effect, Told
from services.chassis.telemetry.logs import logger
from services.notifier.answering.receipts import LARGEST_BYTES
from services.notifier.channels.guard import MAY, AddressRefused, guarded_connector, public_only
from services.notifier.channels.observed import LATE, Observe, span_of, unobserved
from services.notifier.channels.pushing import barred
from services.notifier.channels.signing import headers
from services.notifier.delivering.attempt import AttemptEnd, read_body, read_key, tell
from services.notifier.delivering.schedule import retry_after
from services.notifier.delivering.verdicts import Fault, Verdict, of_status
from services.notifier.documents import feed
from services.notifier.documents.sealing import content_type
from services.notifier.onboarded import Onboarded, in_clear_text

LARGEST_HEADER_BYTES = 8 * 1024
USER_AGENT = "Vidare/1 (referral/1; standard-webhooks)"


class Letter(NamedTuple):
    """What one request carries."""

    id: UUID
    """Of the referral."""
    document: bytes
    mark: dict[str, str]
    """Headers that say its place in the agency's feed."""


class WebhookEffects:
    """The `Effects` of the notifier's hop."""

    def __init__(
        self,
        agencies: Onboarded,
        secret: Callable[[str], str],
        *,
        may: MAY = public_only,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        observe: Observe = unobserved,
    ) -> None:
        """
        Wire the channel.

        Args:
            agencies: Who is called.
            secret: Resolves secret references.
            may: Tells whether an address may be connected to.
            now: For the timestamp that is signed.
            observe: Is told of every end.
        """
        self._agencies = agencies
        self._secret = secret
        self._may = may
        self._now = now
        self._observe = observe
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._tls: dict[str, ssl.SSLContext] = {}

    async def perform(self, effect: Effect) -> Told:
        """Send the document of *effect* once and tell how it ended."""
        named = read_key(effect.key)
        asked, document = read_body(effect.body)
        agency = self._agencies.reachable(named.agency)
        began, now = time.time_ns(), self._now()
        if agency is None or not document:
            end = AttemptEnd(fault=Fault.INTERNAL)
        elif fault := barred(agency, asked, ChannelName.WEBHOOK):
            end = AttemptEnd(fault=fault)
        elif agency.webhook is None:
            end = AttemptEnd(fault=Fault.NO_CHANNEL)
        elif in_clear_text(agency.webhook):
            end = AttemptEnd(fault=Fault.REFUSED_ADDRESS)  # behind TLS or not at all
        else:
            mark = feed.headers(asked.number, asked.previous) if asked.number is not None else ()
            end = await self._attempt(agency, agency.webhook, Letter(named.id, document, dict(mark)))
        self._observe(span_of(effect.key, asked, end, (began, time.time_ns()), late=now - asked.queued_at > LATE))
        return tell(effect.key, end)

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()

    async def _attempt(self, agency: Agency, hook: WebhookChannel, letter: Letter) -> AttemptEnd:
        try:
            async with asyncio.timeout(hook.timeout_s):
                return await self._post(agency, hook, letter)
        except TimeoutError:
            return AttemptEnd(fault=Fault.TIMEOUT)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return AttemptEnd(fault=fault_of(error))
        except Misconfigured as error:
            logger().warning("an agency's webhook cannot be signed", agency=agency.id, reason=str(error))
            return AttemptEnd(fault=Fault.INTERNAL)

    async def _post(self, agency: Agency, hook: WebhookChannel, letter: Letter) -> AttemptEnd:
        now, document = self._now(), letter.document
        sent = headers(hook, self._secret, letter.id, now, document) | letter.mark
        sent |= {"content-type": content_type(document).decode()}
        sent |= {"user-agent": USER_AGENT, "accept-encoding": "identity"}
        session = self._session(agency.id, hook)
        async with session.post(
            hook.url, data=document, headers=sent, allow_redirects=False, ssl=self._context(agency.id, hook)
        ) as answer:
            asked = retry_after(answer.headers.get("Retry-After"), now)
            text = await _bounded_text(answer.content) if of_status(answer.status) is Verdict.DELIVERED else None
            return AttemptEnd(
                status=answer.status, retry_after_s=int(asked.total_seconds()) if asked else None, answer=text
            )

    def _context(self, agency: str, hook: WebhookChannel) -> ssl.SSLContext:
        """Made once per agency: reading the authorities takes milliseconds."""
        if agency not in self._tls:
            self._tls[agency] = tls_context(hook)
        return self._tls[agency]

    def _session(self, agency: str, hook: WebhookChannel) -> aiohttp.ClientSession:
        """One session per agency: no cookie, no proxy and no connection is shared with another."""
        if agency not in self._sessions:
            pin = hook.pinned_sha256
            held = aiohttp.Fingerprint(bytes.fromhex(pin.replace(":", ""))) if pin else None
            self._sessions[agency] = aiohttp.ClientSession(
                connector=guarded_connector(self._may, pin=held),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=hook.timeout_s),
                max_line_size=LARGEST_HEADER_BYTES,
                max_field_size=LARGEST_HEADER_BYTES,
            )
        return self._sessions[agency]


def tls_context(hook: WebhookChannel) -> ssl.SSLContext:
    """How *hook* is verified: the system's or its own CA, the host's name; our certificate where one is agreed."""
    context = ssl.create_default_context(cafile=hook.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if hook.client_cert is not None:
        key = hook.client_key.removeprefix("file:") if hook.client_key else None
        context.load_cert_chain(hook.client_cert, key)
    return context


def fault_of(error: BaseException) -> Fault:
    """The closed word for what went wrong; the error's own text may hold an address and is not kept."""
    causes = [error, *_causes(error)]
    if any(isinstance(each, AddressRefused) for each in causes):
        return Fault.REFUSED_ADDRESS
    if any(isinstance(each, aiohttp.ServerFingerprintMismatch) for each in causes):
        return Fault.PIN
    if any(isinstance(each, ssl.SSLError | ssl.CertificateError | aiohttp.ClientSSLError) for each in causes):
        return Fault.TLS
    if isinstance(error, TimeoutError):
        return Fault.TIMEOUT
    if isinstance(error, aiohttp.ClientConnectorError):
        return Fault.CONNECT
    return Fault.PROTOCOL


def _causes(error: BaseException) -> list[BaseException]:
    """What *error* was raised from, at any depth, groups of happy-eyeballs connects included."""
    found: list[BaseException] = []
    todo = [error]
    while todo:
        each = todo.pop()
        inner = [each.__cause__, each.__context__, getattr(each, "os_error", None), *getattr(each, "exceptions", ())]
        fresh = [cause for cause in inner if isinstance(cause, BaseException) and cause not in found]
        found += fresh
        todo += fresh
    return found


async def _bounded_text(content: aiohttp.StreamReader) -> str | None:
    """Up to 64 kB of text; None for more, or for bytes that are no text. What is left unread closes the connection."""
    read = bytearray()
    while len(read) <= LARGEST_BYTES:
        chunk = await content.read(LARGEST_BYTES + 1 - len(read))
        if not chunk:
            break
        read += chunk
    if len(read) > LARGEST_BYTES:
        return None
    try:
        return read.decode()
    except UnicodeDecodeError:
        return None
