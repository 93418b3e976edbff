"""
One SMTP conversation: connect, STARTTLS, log in where agreed, hand the message over.

The address that is checked is the address that is connected to. Without TLS
nothing is said to a server that is not on this machine, and nothing to that one
either unless an operator allowed loopback.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiosmtplib

from contracts.onboarding import EmailChannel
from services.chassis.errors import Misconfigured
from services.notifier.channels.guard import MAY, REFUSED, AddressRefused

SUBMISSION, MX = 587, 25
"""Ports where a record names none: with a login, without one."""


class Untrusted(Exception):
    """The conversation cannot be kept private: no STARTTLS, or it failed."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server, and how it is spoken to."""

    host: str
    port: int
    starttls: bool = True
    ca: str | None = None
    username: str | None = None
    password: str | None = None
    """Both by reference, resolved when used."""
    own: bool = False
    """The operator's own server, which may stand on a private address."""


def own_relay(address: str, username: str | None, password: str | None) -> Relay:
    """
    The mesh's own server from ``host:port``.

    Raises:
        Misconfigured: The port is none.
    """
    host, _, port = address.rpartition(":")
    if not 1 <= int(port) <= 65535:
        raise Misconfigured(f"VIDARE_SMTP: {port} is no port; write host:port")
    return Relay(host.strip("[]"), int(port), username=username, password=password, own=True)


def relay_for(email: EmailChannel, own: Relay | None) -> Relay | None:
    """The server for an agency: the record's where it names one, else the mesh's own; None: there is neither."""
    if email.host is None:
        return replace(own, starttls=email.starttls, ca=email.ca or own.ca) if own is not None else None
    port = email.port or (SUBMISSION if email.username else MX)
    return Relay(email.host, port, email.starttls, email.ca, email.username, email.password)


def tls_context(relay: Relay) -> ssl.SSLContext:
    """How *relay* is verified: by the system's authorities or its own, and by its name."""
    context = ssl.create_default_context(cafile=relay.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def connected(relay: Relay, may: MAY) -> socket.socket:
    """
    A socket to *relay*.

    Raises:
        AddressRefused: The name leads to an address that may not be called, or plain text would leave this machine.
        OSError: Nobody listens there.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM)
    places = [(family, kind, proto, address) for family, kind, proto, _, address in found]
    if not places or not all(_allowed(str(address[0]), relay, may) for *_, address in places):
        raise AddressRefused(REFUSED)
    failed: OSError = ConnectionError("no address")
    for family, kind, proto, address in places:
        made = socket.socket(family, kind, proto)
        made.setblocking(False)  # noqa: FBT003 - its only argument
        try:
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            failed = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failed


def _allowed(ip: str, relay: Relay, may: MAY) -> bool:
    local = ipaddress.ip_address(ip.partition("%")[0]).is_loopback
    if not relay.starttls:
        return local and may(ip)
    return relay.own or may(ip)


@dataclass(frozen=True, slots=True)
class Mail:
    """One message and between whom it goes."""

    sender: str
    to: str
    message: bytes


async def hand_over(
    relay: Relay, mail: Mail, made: socket.socket, context: ssl.SSLContext | None, secret: Callable[[str], str]
) -> int:
    """
    Give the server one message; the code of its reply.

    Args:
        relay: Who is spoken to.
        mail: What is handed over.
        made: A socket to it; from here on it belongs to the conversation, which closes it.
        context: For TLS; None for plain text on this machine.
        secret: Resolves references.

    Raises:
        Untrusted: TLS was asked for and is not to be had.
        aiosmtplib.SMTPException: It said no, or something that is not SMTP; what it said is not kept.
    """
    domain = mail.sender.rpartition("@")[2]
    client = aiosmtplib.SMTP(hostname=relay.host, sock=made, start_tls=False, local_hostname=domain, timeout=None)
    try:
        await client.connect()
        if context is not None:
            await _secure(client, context)
        if context is not None and relay.username and relay.password:
            await client.login(secret(relay.username), secret(relay.password))
        await client.mail(mail.sender)
        await client.rcpt(mail.to)
        reply = await client.data(mail.message)
        if client.protocol is not None:
            # Its reply is not waited for: the message is taken, and whatever came now could change nothing.
            client.protocol.write(b"QUIT\r\n")
    except BaseException:
        if isinstance(client.transport, asyncio.WriteTransport):
            # A peer that reads nothing would hold a polite close open for ever.
            client.transport.abort()
        raise
    else:
        return reply.code
    finally:
        client.close()


async def _secure(client: aiosmtplib.SMTP, context: ssl.SSLContext) -> None:
    await client.ehlo()
    if not client.supports_extension("starttls"):
        raise Untrusted
    try:
        await client.starttls(tls_context=context)
    except aiosmtplib.SMTPResponseException as error:
        raise Untrusted from error
