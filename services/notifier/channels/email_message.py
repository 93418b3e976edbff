"""
The message: which referral waits, how urgent it is, where to answer, and nothing of the tip; pure.

Its Message-ID is made from the referral's id, so that a copy sent again is the
same message. Only words of ours, ids and times stand in it; a document goes
with it only where it is encrypted to the agency's key.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

from contracts.vocabulary import Action, Priority
from services.notifier.delivering.attempt import Notice
from services.notifier.delivering.digest import Line

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+(?!\d+$){_LABEL})")

LONGEST_ADDRESS, LONGEST_LOCAL = 254, 64
"""Octets; RFC 5321."""

POLICY = SMTP.clone(max_line_length=900)
"""Lines as they are: a Message-ID that was folded is another one. SMTP takes 998."""

WORDS = {
    Priority.P0: "P0, a child may be in danger now",
    Priority.P1: "P1, urgent",
    Priority.P2: "P2, high",
    Priority.P3: "P3, standard",
    Priority.P4: "P4, low",
    Priority.PX: "PX",
}

SILENT = frozenset({Action.WITHDRAWN, Action.SIGHTINGS})
"""What asks for no answer."""

LinkOf = Callable[[UUID], str]
"""The signed link to answer a referral with."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Between whom a message goes, and how the agency reads what it is about."""

    agency: str
    sender: str
    to: str
    reading: str
    """A sentence: where the document is."""


def is_address(text: str) -> bool:
    """True for one plain mail address: no name beside it, no quotes, no literal, ASCII, nothing before or behind."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and len(text) <= LONGEST_ADDRESS and len(found[1]) <= LONGEST_LOCAL


def message_id(notice: Notice, sender: str) -> str:
    """The name of the message: the same for every attempt, another for every referral."""
    mark = "digest-" if notice.digest else ""
    return f"<{mark}{notice.id}@{sender.rpartition('@')[2]}>"


def compose(notice: Notice, envelope: Envelope, link: LinkOf, document: bytes, now: datetime) -> bytes:
    """
    The message as it is sent, in ASCII.

    Args:
        notice: Which referrals it tells of.
        envelope: Between whom.
        link: Where each is answered.
        document: What is attached: encrypted to the agency's key, or empty for nothing.
        now: Its date.

    Raises:
        ValueError: Something would have broken out of its header.
    """
    for address in (envelope.sender, envelope.to):
        if not is_address(address):
            raise ValueError("an envelope between others than two plain addresses")
    urgent = any(line.priority.urgent for line in notice.lines)
    message = EmailMessage(policy=POLICY)
    for name, value in _headers(notice, envelope, now, urgent=urgent):
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"header {name} would hold what no header may")
        message[name] = value
    message.set_content(_text(notice, envelope, link), charset="us-ascii", cte="7bit")
    if document:
        message.add_attachment(document, maintype="application", subtype="jose", filename=f"{notice.id}.jwe")
    return message.as_bytes()


def _headers(notice: Notice, envelope: Envelope, now: datetime, *, urgent: bool) -> Iterable[tuple[str, str]]:
    domain = envelope.sender.rpartition("@")[2]
    yield "From", envelope.sender
    yield "To", envelope.to
    yield "Subject", _subject(notice)
    yield "Date", format_datetime(now.astimezone(UTC))
    yield "Message-ID", message_id(notice, envelope.sender)
    yield "Auto-Submitted", "auto-generated"
    yield "X-Auto-Response-Suppress", "All"
    yield "List-Id", f"<{envelope.agency}.referrals.{domain}>"
    if urgent:
        yield "Importance", "high"
        yield "X-Priority", "1"


def _subject(notice: Notice) -> str:
    first = notice.lines[0]
    if notice.digest:
        return f"[{first.priority.value}] {len(notice.lines)} referrals wait for you"
    if first.action in SILENT:
        return f"[{first.priority.value}] Referral {first.referral}: {first.action.value}"
    return f"[{first.priority.value}] Referral {first.referral}: acknowledge by {_time(first.deadline)}"


def _text(notice: Notice, envelope: Envelope, link: LinkOf) -> str:
    many = len(notice.lines) > 1
    opening = f"{len(notice.lines)} referrals wait for you." if many else "A referral waits for you."
    parts = [f"{opening} This message says nothing of what {'they are' if many else 'it is'} about.", envelope.reading]
    parts += [_line(line, link) for line in notice.lines]
    if any(line.action not in SILENT for line in notice.lines):
        parts.append(
            "Until you have acknowledged with a case number of your own, you are reminded.\n"
            "Whoever has a link can answer in your name: do not pass this message on."
        )
    return "\n\n".join(parts) + "\n"


def _line(line: Line, link: LinkOf) -> str:
    said = [f"Referral        {line.referral}", f"Priority        {WORDS[line.priority]}"]
    if line.action is not Action.NEW:
        said.append(f"What            {line.action.value}")
    if line.action not in SILENT:
        said += [f"Acknowledge by  {_time(line.deadline)}", f"Answer here     {link(line.referral)}"]
    return "\n".join(said)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
