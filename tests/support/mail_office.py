"""
A real mail server (aiosmtpd behind STARTTLS) in a thread of this process, which counts as a mailbox does.

A message is what its Message-ID names: a copy that came before is no second one,
and must say the same. Every fourth message is put off once, so that mail has
timers and later attempts too.
"""

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from zlib import crc32

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.mail_server import Mailbox, mailbox
from tests.support.notifier_listener import certificate

TAKEN, LATER = "250 taken", "451 later"
PUT_OFF = 4
"""One message of so many is put off at its first attempt."""

_REFERRAL = re.compile(r"^Referral +([0-9a-f-]{36})\r?$", re.MULTILINE)

AGENCY = """
[[agency]]
id = "{name}"
name = "Example agency (test mailbox)"
kind = "hotline"
country = "NL"
profile = "hotline"
basis = "test"
channels = ["email", "topic"]
digest_p4 = {digests}
rate_per_minute = 6000
[agency.email]
to = "{name}@agency.example"
from = "mesh@vidare.example"
host = "localhost"
port = {port}
ca = "{ca}"
timeout_s = 8
"""


@dataclass
class Office(Mailbox):
    """The server's handler, and what its mailboxes hold."""

    ca: Path = Path()
    copies: Counter[str] = field(default_factory=Counter)
    """Message-ID to how often it was taken."""
    named: dict[str, set[str]] = field(default_factory=dict)
    """Referral to the Message-IDs of the messages that list it."""
    boxes: dict[str, str] = field(default_factory=dict)
    """Message-ID to the mailbox that it lies in."""
    changed: list[str] = field(default_factory=list)
    """Message-IDs that came again and said something else, or came to another mailbox."""
    arrived: dict[str, float] = field(default_factory=dict)
    """Referral to the time when a message first told of it (monotonic)."""
    _said: dict[str, str] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - aiosmtpd's form
        """Take one message, or put it off."""
        message = message_from_bytes(bytes(envelope.original_content or b""), policy=default)
        name, text = str(message["Message-ID"]), str(message.get_content())
        first = name not in self._asked
        self._asked.add(name)
        if first and crc32(name.encode()) % PUT_OFF == 0:
            return LATER
        said, box = f"{message['Subject']}\n{text}", envelope.rcpt_tos[0]
        if self._said.setdefault(name, said) != said or self.boxes.setdefault(name, box) != box:
            self.changed.append(name)
        for referral in _REFERRAL.findall(text):
            self.named.setdefault(referral, set()).add(name)
            self.arrived.setdefault(referral, time.monotonic())
        self.copies[name] += 1
        return TAKEN

    def toml(self, names: Iterable[str], *, digests: bool) -> str:
        """Onboarding records of agencies that are written to here."""
        wants = "true" if digests else "false"
        return "".join(AGENCY.format(name=name, port=self.port, ca=self.ca, digests=wants) for name in names)


@contextmanager
def office(folder: Path) -> Iterator[Office]:
    """Serve until the end of the block; its certificate lies in *folder*."""
    made, loop, tls = Office(ca=folder / "cert.pem"), asyncio.new_event_loop(), certificate(folder)
    ready, closing = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with mailbox(tls, box=made):
            ready.set()
            await closing.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="mail office", daemon=True)
    thread.start()
    try:
        assert ready.wait(10), "the mail server does not start"
        yield made
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join(10)
        loop.close()
