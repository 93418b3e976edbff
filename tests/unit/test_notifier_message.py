"""The mail itself: its name, its words, and that nothing breaks out of it; values only."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.vocabulary import Action, Priority
from services.chassis.errors import Misconfigured
from services.chassis.hop import NAMESPACE
from services.notifier.channels.email_message import Envelope, compose, is_address, message_id
from services.notifier.delivering.attempt import Notice
from services.notifier.delivering.digest import Line
from services.notifier.onboarded import Onboarded, mail_warnings
from tests.support.notifier_world import an_agency

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
REFERRAL = UUID("5b0f3a52-9a44-5d0e-b6a1-3d4c5e1f2a70")
SENDER, TO = "mesh@vidare.example", "desk@agency.example"


def line(referral: UUID = REFERRAL, **changes: Any) -> Line:
    """A line of a P0."""
    values: dict[str, Any] = {"priority": Priority.P0, "deadline": NOW + timedelta(hours=1), "action": Action.NEW}
    return Line(referral=referral, **(values | changes))


def link(referral: UUID) -> str:
    """Where a referral is answered."""
    return f"https://mesh.example/receipts/{referral.hex}"


def composed(notice: Notice | None = None, document: bytes = b"", **changes: Any) -> bytes:
    """A message."""
    envelope = Envelope(**({"agency": "hotline-nl", "sender": SENDER, "to": TO, "reading": "It is there."} | changes))
    return compose(notice or Notice(id=REFERRAL, lines=(line(),)), envelope, link, document, NOW)


def read(raw: bytes) -> EmailMessage:
    """The message as a mail program reads it."""
    found = message_from_bytes(raw, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_notice_says_id_priority_deadline_and_link() -> None:
    """And who it is from, and that a machine wrote it."""
    message = read(composed())
    text = message.get_content()

    assert (
        "[P0] Referral 5b0f3a52-9a44-5d0e-b6a1-3d4c5e1f2a70: acknowledge by 2026-11-22 10:15 UTC" == message["Subject"]
    )
    assert f"<{REFERRAL}@vidare.example>" == message["Message-ID"]
    assert ("auto-generated", "All", "high") == tuple(
        message[name] for name in ("Auto-Submitted", "X-Auto-Response-Suppress", "Importance")
    )
    assert "<hotline-nl.referrals.vidare.example>" == message["List-Id"]
    assert [TO] == [address.addr_spec for address in message["To"].addresses]
    for said in (str(REFERRAL), "P0", "2026-11-22 10:15 UTC", link(REFERRAL), "It is there."):
        assert said in text


def test_the_name_of_a_message_is_its_referrals_alone() -> None:
    """The same for every attempt, whenever it is made; another for every referral and for a digest."""
    other = uuid5(NAMESPACE, "another")
    names = {
        message_id(Notice(id=each, lines=(line(each),), digest=digest), SENDER)
        for each in (REFERRAL, other)
        for digest in (False, True)
    }

    assert 4 == len(names)
    assert composed() == composed()


@pytest.mark.parametrize("action", [Action.WITHDRAWN, Action.SIGHTINGS])
def test_what_asks_for_nothing_brings_no_link(action: Action) -> None:
    """A withdrawal is to be read, not answered."""
    text = read(composed(Notice(id=REFERRAL, lines=(line(action=action),)))).get_content()

    assert action.value in text
    assert "receipts" not in text
    assert "cknowledge" not in text


def test_a_digest_lists_every_referral_with_its_own_link() -> None:
    """200 of them fit, each once."""
    lines = tuple(line(uuid5(NAMESPACE, str(number)), priority=Priority.P4) for number in range(200))
    raw = composed(Notice(id=REFERRAL, lines=lines, digest=True))
    text = read(raw).get_content()

    assert "[P4] 200 referrals wait for you" == read(raw)["Subject"]
    assert [1] * 200 == [text.count(link(each.referral)) for each in lines]
    assert len(raw) < 100_000


def test_a_sealed_document_is_attached_whole() -> None:
    """As the bytes that were stored, under a name that says nothing."""
    sealed = b"eyJhbGciOiJSU0EifQ.a.b.c.d" * 100
    attached = list(read(composed(document=sealed)).iter_attachments())

    assert [(sealed, "application/jose", f"{REFERRAL}.jwe")] == [
        (each.get_content(), each.get_content_type(), each.get_filename()) for each in attached
    ]


@pytest.mark.parametrize(
    "value",
    [
        "x\r\nBcc: a@evil.test",
        "x\nBcc: a@evil.test",
        "x\rBcc: a@evil.test",
        "x\x00",
        "x\u2028Bcc: a@evil.test",
        "x\x85y",
        "x\x0by",
        "=?utf-8?b?DQpCY2M6IGFAZXZpbC50ZXN0?=\r\n",
        "å@agency.example",
    ],
)
@pytest.mark.parametrize("field", ["sender", "to", "agency"])
def test_nothing_in_a_record_breaks_out_of_a_header(field: str, value: str) -> None:
    """Corpus 58, 59, 62: refused where it would be written, whoever let it in."""
    changes: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=r"header|address"):
        composed(**changes)


@given(text=st.text(max_size=60), field=st.sampled_from(["sender", "to", "agency"]))
def test_no_text_adds_a_header(text: str, field: str) -> None:
    """Whatever a record holds, the message has the headers that it has, or there is no message."""
    changes: dict[str, Any] = {field: text}
    try:
        raw = composed(**changes)
    except ValueError:
        return
    names = [name.lower() for name in message_from_bytes(raw, policy=SMTP).keys()]  # noqa: SIM118 - names may repeat
    expected = ["from", "to", "subject", "date", "message-id", "auto-submitted", "x-auto-response-suppress", "list-id"]

    assert [*expected, "importance", "x-priority", "content-type", "content-transfer-encoding", "mime-version"] == names


def test_lines_are_crlf_and_short_enough_for_smtp() -> None:
    """Corpus 61: no bare CR or LF that a relay could take for the end of a message; no line beyond 998."""
    raw = composed(document=b"x" * 5000)

    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("address", ["desk@agency.example", "a.b+c@x-1.example", "x" * 64 + "@agency.example"])
def test_plain_addresses_are_taken(address: str) -> None:
    """One mailbox, in ASCII."""
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a@b.example, c@d.example",
        "a@b.example\r\n",
        "a@b.example\n",
        '"a\r\n"@b.example',
        '"a b"@b.example',
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@localhost",
        "å@b.example",
        "a@bücher.example",
        "Desk <a@b.example>",
        "=?utf-8?b?DQo=?= <a@b.example>",
        "a@b.example>",
        "<a@b.example>",
        "a@@b.example",
        ".a@b.example",
        "a..b@b.example",
        "a@-b.example",
        "a@b..example",
        "a@b.example.",
        " a@b.example",
        "a@b.example\x00",
        "x" * 65 + "@b.example",
        "a@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 63 + "." + "e" * 63 + ".example",
    ],
)
def test_an_address_that_is_not_plain_is_refused_at_the_start(address: str) -> None:
    """Corpus 60: said with the agency's name and what to write, before a notice is due."""
    agency = an_agency(channels=["email"], webhook=None, email={"to": address, "from": SENDER})

    with pytest.raises(Misconfigured, match=r"hotline-nl.*email\.to must be one plain address"):
        Onboarded({agency.id: agency})


@pytest.mark.parametrize(
    ("email", "says"),
    [
        ({"host": "mail.example", "starttls": False}, "clear text"),
        ({"host": "192.0.2.7", "starttls": False}, "clear text"),
        ({"host": "mail.example", "username": "env:A"}, "go together"),
        ({"username": "env:A", "password": "env:B"}, "own host"),
        ({"host": "127.0.0.1", "starttls": False, "username": "env:A", "password": "env:B"}, "STARTTLS"),
        ({"ca": "/nowhere/ca.pem"}, "not there"),
    ],
)
def test_a_record_that_would_give_something_away_is_refused(email: dict[str, Any], says: str) -> None:
    """Clear text away from this machine, credentials to the wrong server or without TLS."""
    agency = an_agency(channels=["email"], webhook=None, email={"to": TO, "from": SENDER} | email)

    with pytest.raises(Misconfigured, match=says):
        Onboarded({agency.id: agency})


@pytest.mark.parametrize(
    ("changes", "has_relay", "count"),
    [
        ({"token": "env:T"}, True, 0),
        ({}, True, 1),
        ({}, False, 2),
        ({"channels": ["email", "topic"]}, True, 0),
        ({"channels": ["topic"]}, False, 0),
    ],
)
def test_an_operator_is_warned_of_mail_that_helps_nobody(changes: dict[str, Any], has_relay: bool, count: int) -> None:
    """No server, or a notice of what its reader cannot read; the notifier runs all the same."""
    base = {"channels": ["email"], "webhook": None, "email": {"to": TO, "from": SENDER}}
    agency = an_agency(**(base | changes))
    Onboarded({agency.id: agency})

    assert count == len(list(mail_warnings(agency, has_relay=has_relay)))
