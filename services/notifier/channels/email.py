"""
The e-mail channel: one message for each referral id, handed to a mail server behind TLS.

Delivered is what the server took; only the agency's own answer acknowledges.
Never raises for the outside's faults: every end is a value.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import aiosmtplib

from contracts.onboarding import Agency, EmailChannel
from contracts.vocabulary import ChannelName
from services.chassis.errors import Misconfigured
from services.chassis.hop import Effect, Told
from services.chassis.telemetry.logs import logger
from services.chassis.telemetry.spanmaker import Attempt
from services.notifier.answering.links import Answerable, Links
from services.notifier.channels.email_message import Envelope, compose
from services.notifier.channels.email_relay import (
    Mail,
    Relay,
    Untrusted,
    connected,
    hand_over,
    relay_for,
    tls_context,
)
from services.notifier.channels.guard import MAY, AddressRefused, public_only
from services.notifier.channels.observed import LATE, Observe, span_of, unobserved
from services.notifier.channels.pushing import barred
from services.notifier.delivering.attempt import Asked, AttemptEnd, Notice, read_body, read_key, tell
from services.notifier.delivering.verdicts import Fault
from services.notifier.onboarded import Onboarded


@dataclass(frozen=True, slots=True)
class Post:
    """How this mesh sends mail."""

    links: Links
    relay: Relay | None = None
    """Its own server, for agencies whose record names none."""
    may: MAY = public_only
    """Tells whether an address may be connected to."""


class EmailEffects:
    """Sends notices, one message at a time for each attempt."""

    def __init__(
        self,
        agencies: Onboarded,
        secret: Callable[[str], str],
        post: Post,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        observe: Observe = unobserved,
    ) -> None:
        """
        Wire the channel.

        Args:
            agencies: Who is written to.
            secret: Resolves secret references.
            post: Server and links.
            now: For the date, and how long links are valid.
            observe: Is told of every end.
        """
        self._agencies = agencies
        self._secret = secret
        self._post = post
        self._now = now
        self._observe = observe
        self._tls: dict[Relay, ssl.SSLContext] = {}

    async def perform(self, effect: Effect) -> Told:
        """Send the notice of *effect* once and tell how it ended."""
        named = read_key(effect.key)
        asked, document = read_body(effect.body)
        agency = self._agencies.reachable(named.agency)
        began, now = time.time_ns(), self._now()
        if agency is None or asked.notice is None:
            end = AttemptEnd(fault=Fault.INTERNAL)
        elif fault := barred(agency, asked, ChannelName.EMAIL):
            end = AttemptEnd(fault=fault)
        elif agency.email is None:
            end = AttemptEnd(fault=Fault.NO_CHANNEL)
        else:
            end = await self._attempt(agency, agency.email, asked.notice, document)
        self._observe(_span(effect.key, asked, end, (began, time.time_ns()), now))
        return tell(effect.key, end)

    async def _attempt(self, agency: Agency, email: EmailChannel, notice: Notice, document: bytes) -> AttemptEnd:
        try:
            async with asyncio.timeout(email.timeout_s):
                return AttemptEnd(reply=await self._send(agency, email, notice, document))
        except aiosmtplib.SMTPResponseException as error:
            # A "yes" where a "no" was not expected is no reply to the message: nobody knows what became of it.
            return AttemptEnd(reply=error.code) if 400 <= error.code <= 599 else AttemptEnd(fault=Fault.PROTOCOL)
        except (aiosmtplib.SMTPException, Untrusted, OSError, ValueError) as error:
            return AttemptEnd(fault=fault_of(error))
        except Misconfigured as error:
            logger().warning("an agency cannot be written to", agency=agency.id, reason=str(error))
            return AttemptEnd(fault=Fault.INTERNAL)

    async def _send(self, agency: Agency, email: EmailChannel, notice: Notice, document: bytes) -> int:
        relay = relay_for(email, self._post.relay)
        if relay is None:
            raise Misconfigured("there is no mail server: set VIDARE_SMTP, or host in the agency's email record")
        message = self._message(agency, email, notice, document)
        context = self._context(relay) if relay.starttls else None
        made = await connected(relay, self._post.may)
        return await hand_over(relay, Mail(email.sender, email.to, message), made, context, self._secret)

    def _message(self, agency: Agency, email: EmailChannel, notice: Notice, document: bytes) -> bytes:
        now, links = self._now(), self._post.links
        envelope = Envelope(agency.id, email.sender, email.to, _reading(agency, links, attached=bool(document)))
        return compose(notice, envelope, lambda of: links.link(Answerable(agency.id, of), now), document, now)

    def _context(self, relay: Relay) -> ssl.SSLContext:
        """Made once per server: reading the authorities takes milliseconds."""
        if relay not in self._tls:
            self._tls[relay] = tls_context(relay)
        return self._tls[relay]


def _reading(agency: Agency, links: Links, *, attached: bool) -> str:
    """Where the agency finds the document."""
    if attached:
        return "The referral is attached, encrypted to your key (JWE, RFC 7516)."
    if ChannelName.TOPIC in agency.channels:
        return f"Read it in your topic referrals-agency-{agency.id}."
    if agency.token is not None:
        return f"Read it with your token: GET {links.base}/v1/referrals"
    if ChannelName.WEBHOOK in agency.channels:
        return "It is offered to your webhook as well."
    return "Ask your contact at the mesh how to read it."


def _span(key: str, asked: Asked, end: AttemptEnd, times: tuple[int, int], now: datetime) -> Attempt:
    return span_of(key, asked, end, times, late=now - asked.queued_at > LATE)


def fault_of(error: BaseException) -> Fault:
    """The closed word for what went wrong; the error's own text may hold an address and is not kept."""
    if isinstance(error, AddressRefused):
        return Fault.REFUSED_ADDRESS
    if isinstance(error, Untrusted | ssl.SSLError):
        return Fault.TLS
    if isinstance(error, TimeoutError):
        return Fault.TIMEOUT
    if isinstance(error, aiosmtplib.SMTPException | UnicodeError | ValueError):
        return Fault.PROTOCOL
    return Fault.CONNECT
