"""Mail servers on loopback: a real one (aiosmtpd, with STARTTLS or without), and one that says what a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

ORDINARY = {
    "": b"220 mail.test ESMTP\r\n",
    "EHLO": b"250 mail.test\r\n",
    "MAIL": b"250 ok\r\n",
    "RCPT": b"250 ok\r\n",
    "DATA": b"354 go on\r\n",
    ".": b"250 taken\r\n",
    "QUIT": b"221 bye\r\n",
}
"""What a server says to each command; the empty one is its greeting, ``.`` the end of a message."""


@dataclass
class Mailbox:
    """A real server's handler: keeps what it takes."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)
    """For each message: whether it came behind TLS."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - aiosmtpd's name and form
        """Take one message."""
        self.envelopes.append(envelope)
        self.secured.append(session.ssl is not None)
        return "250 taken"

    @property
    def messages(self) -> list[EmailMessage]:
        """What was taken, as a mail program reads it."""
        return [message_from_bytes(bytes(each.original_content or b""), policy=default) for each in self.envelopes]

    def check(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object
    ) -> AuthResult:
        """Take every login, and keep it."""
        if isinstance(given, LoginPassword):
            self.logins.append((given.login, given.password))
        return AuthResult(success=True)


@asynccontextmanager
async def mailbox(
    tls: ssl.SSLContext | None = None, *, auth: bool = False, box: Mailbox | None = None
) -> AsyncIterator[Mailbox]:
    """A real mail server on a free port; *tls*: it offers and requires STARTTLS; *box*: what takes its messages."""
    box = box or Mailbox()

    def made() -> SMTP:
        return SMTP(
            box,
            tls_context=tls,
            require_starttls=tls is not None,
            authenticator=box.check if auth else None,
            auth_required=auth,
            hostname="mail.test",
        )

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def saying(
    replies: Mapping[str, bytes | None] = ORDINARY, *, came: asyncio.Event | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """
    A server that says these to each command; gives its port and the messages that came whole.

    None: it closes the connection instead. Bytes ending in ``...`` are said without the end of their line, for ever.
    *came* is set with the first message.
    """
    noted = came or asyncio.Event()
    messages: list[bytes] = []
    talks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(_talk(reader, writer, ORDINARY | dict(replies), messages, noted)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], messages
    finally:
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    replies: Mapping[str, bytes | None],
    messages: list[bytes],
    came: asyncio.Event,
) -> None:
    try:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            command = ""
            while await _say(writer, replies[command]):
                if command == "DATA":
                    messages.append(await reader.readuntil(b"\r\n.\r\n"))
                    came.set()
                    command = "."
                else:
                    said = (await reader.readline()).split(b" ")[0].strip().decode("ascii", "replace").upper()
                    command = said if said in replies else "QUIT"
    finally:
        writer.close()


async def _say(writer: asyncio.StreamWriter, reply: bytes | None) -> bool:
    if reply is None:
        return False
    while reply.endswith(b"..."):
        writer.write(reply.removesuffix(b"..."))
        await writer.drain()
        await asyncio.sleep(0.02)
    writer.write(reply)
    await writer.drain()
    return True
