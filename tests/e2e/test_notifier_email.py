"""Mail against real servers on loopback: what arrives, what never leaves in clear, what a server can do wrong."""

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.vocabulary import ChannelName
from services.chassis.hop import Effect
from services.chassis.running.memory_run import Fed, run_in_memory
from services.chassis.settings import ROOT
from services.chassis.telemetry.spanmaker import Attempt
from services.notifier.answering.links import Answerable, Links
from services.notifier.channels.email import EmailEffects, Post
from services.notifier.channels.email_relay import Relay, own_relay
from services.notifier.channels.guard import public_only, public_or_loopback
from services.notifier.channels.pushing import Pushing
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.delivering.attempt import AttemptEnd, ask
from services.notifier.delivering.delivery import begin
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.mail_server import mailbox, saying
from tests.support.notifier_listener import certificate, listening, says
from tests.support.notifier_world import SECRETS, START, a_referral, an_agency

NAMED = [("ce_id", b"6f0c8a52-9a44-4d0e-b6a1-3d4c5e1f2a70")]
SINK = ROOT / "deploy" / "receiver" / "mailsink.py"
LINKS = Links(b"k" * 32, "https://mesh.example")
NOW = datetime(2026, 11, 22, 9, 20, tzinfo=UTC)
DOCUMENT = b'{"narrative": "neutral narrative words"}'
SEALED = b"eyJhbGciOiJFQ0RILUVTIn0.a.b.c.d"
REFERRAL = a_referral().referral_id


def effect(document: bytes = DOCUMENT, tries: int = 1, agency: Any = None) -> Effect:
    """An attempt of the hop to send the first referral by mail."""
    row = begin(
        a_referral(), agency or an_agency(channels=["email"], email=MAIL, webhook=None), START, document=document
    )
    return ask(row, row.ways[0].model_copy(update={"tries": tries}), document)


MAIL = {"to": "desk@agency.example", "from": "mesh@vidare.example"}


async def send(email: Mapping[str, Any], *, may: Any = public_or_loopback, **more: Any) -> AttemptEnd:
    """One attempt with that record; *more* of it in ``post``, ``effects`` and the document."""
    agency = an_agency(channels=["email"], webhook=None, email=MAIL | {"timeout_s": 5} | dict(email))
    secrets = {"env:USER": "mesh", "env:PASSWORD": "open sesame"}
    effects = EmailEffects(
        Onboarded({agency.id: agency}),
        secrets.__getitem__,
        Post(LINKS, more.get("relay"), may),
        now=lambda: NOW,
        observe=more.get("observe", lambda _attempt: None),
    )
    told = await effects.perform(effect(more.get("document", DOCUMENT), more.get("tries", 1)))
    assert f"hotline-nl~email/{REFERRAL}/{more.get('tries', 1)}" == told.key
    return AttemptEnd.model_validate_json(told.body)


def plain(port: int) -> dict[str, Any]:
    """A server on this machine, without TLS."""
    return {"host": "127.0.0.1", "port": port, "starttls": False}


async def test_a_notice_arrives_behind_tls(tmp_path: Path) -> None:
    """One message, verified by its name and authority; nothing of the tip is in it; its link opens the referral."""
    async with mailbox(certificate(tmp_path)) as box:
        end = await send({"host": "localhost", "port": box.port, "ca": str(tmp_path / "cert.pem")})
    message, envelope = box.messages[0], box.envelopes[0]
    text = message.get_content()
    token = text.partition("https://mesh.example/receipts/")[2].split()[0]

    assert AttemptEnd(reply=250) == end
    assert [True] == box.secured
    assert ("mesh@vidare.example", ["desk@agency.example"]) == (envelope.mail_from, envelope.rcpt_tos)
    assert f"<{REFERRAL}@vidare.example>" == message["Message-ID"]
    assert Answerable("hotline-nl", REFERRAL) == LINKS.read(token, NOW)
    assert not [name for name, value in SECRETS.items() if value.encode() in (envelope.original_content or b"")]


async def test_a_sealed_document_goes_with_it_and_a_clear_one_never(tmp_path: Path) -> None:
    """Encrypted to the agency's key it is attached, the stored bytes; in clear text it stays here."""
    async with mailbox(certificate(tmp_path)) as box:
        email = {"host": "localhost", "port": box.port, "ca": str(tmp_path / "cert.pem")}
        await send(email, document=SEALED)
        await send(email, document=DOCUMENT)

    assert [[SEALED], []] == [[part.get_content() for part in each.iter_attachments()] for each in box.messages]
    assert b"narrative" not in b"".join(each.original_content or b"" for each in box.envelopes)


async def test_credentials_are_shown_behind_tls_only(tmp_path: Path) -> None:
    """By reference, to the record's own server; a server without TLS sees neither them nor a message."""
    login = {"username": "env:USER", "password": "env:PASSWORD"}
    async with mailbox(certificate(tmp_path), auth=True) as box:
        end = await send({"host": "localhost", "port": box.port, "ca": str(tmp_path / "cert.pem")} | login)
    async with mailbox(auth=True) as clear:
        refused = await send({"host": "localhost", "port": clear.port} | login)

    assert (AttemptEnd(reply=250), [(b"mesh", b"open sesame")]) == (end, box.logins)
    assert (AttemptEnd(fault="tls"), [], []) == (refused, clear.logins, clear.messages)


async def test_a_login_goes_to_no_other_server(tmp_path: Path) -> None:
    """The mesh's own server has a login; an agency whose record names its own server is written to without it."""
    relay = Relay("localhost", 1, username="env:USER", password="env:PASSWORD", own=True)
    async with mailbox(certificate(tmp_path)) as box:
        email = {"host": "localhost", "port": box.port, "ca": str(tmp_path / "cert.pem")}
        end = await send(email, relay=relay)

    assert (AttemptEnd(reply=250), []) == (end, box.logins)


async def test_the_meshs_own_server_serves_who_names_none(tmp_path: Path) -> None:
    """``VIDARE_SMTP`` with its login; with neither, the mail waits and nothing is lost."""
    async with mailbox(certificate(tmp_path), auth=True) as box:
        relay = own_relay(f"localhost:{box.port}", "env:USER", "env:PASSWORD")
        end = await send({"ca": str(tmp_path / "cert.pem")}, relay=relay)
        without = await send({})

    assert (AttemptEnd(reply=250), [(b"mesh", b"open sesame")]) == (end, box.logins)
    assert AttemptEnd(fault="internal") == without


@pytest.mark.parametrize("why", ["unknown authority", "expired", "another name"])
async def test_a_server_that_cannot_prove_itself_gets_nothing(why: str, tmp_path: Path) -> None:
    """The certificate is verified: authority, time and name."""
    days = -2 if why == "expired" else 1
    server = certificate(tmp_path, name="other.test" if why == "another name" else "localhost", ip=None, days=days)
    ca = {} if why == "unknown authority" else {"ca": str(tmp_path / "cert.pem")}
    async with mailbox(server) as box:
        end = await send({"host": "localhost", "port": box.port} | ca)

    assert (AttemptEnd(fault="tls"), []) == (end, box.messages)


@pytest.mark.parametrize(
    "offers",
    [
        {},
        {"EHLO": b"250-mail.test\r\n250 STARTTLS\r\n", "STARTTLS": b"454 not now\r\n"},
        {"EHLO": b"250-mail.test\r\n250 STARTTLS\r\n", "STARTTLS": b"501 no\r\n"},
        {"EHLO": b"250-mail.test\r\n250 STARTTLS\r\n", "STARTTLS": b"220 go\r\n250 injected\r\n"},
    ],
)
async def test_without_starttls_nothing_is_said(offers: dict[str, bytes]) -> None:
    """Not offered, refused, or followed by words that came in clear: no message, no fallback to plain text."""
    async with saying(offers) as (port, messages):
        end = await send({"host": "127.0.0.1", "port": port, "timeout_s": 1})

    assert (True, []) == (end.fault in {"tls", "timeout", "protocol"}, messages)
    assert end.reply is None


async def test_plain_text_needs_loopback_and_leave() -> None:
    """E69 of mail: this machine, and only where an operator allowed it; by name no less than by number."""
    async with mailbox() as box:
        allowed = await send(plain(box.port))
        refused = await send(plain(box.port), may=public_only)
        own = await send({"starttls": False}, may=public_only, relay=own_relay(f"localhost:{box.port}", None, None))

    away = own_relay("192.0.2.7:25", None, None)
    assert AttemptEnd(fault="refused_address") == await send({"starttls": False}, may=lambda _ip: True, relay=away)
    assert AttemptEnd(reply=250) == allowed
    assert [AttemptEnd(fault="refused_address")] * 2 == [refused, own]
    assert 1 == len(box.messages)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "192.0.2.7", "0.0.0.0"])
async def test_no_mail_goes_to_an_address_that_is_not_public(host: str) -> None:
    """A record's server is guarded as a webhook is; nothing is connected to."""
    async with saying() as (port, messages):
        end = await send({"host": host, "port": port}, may=public_only)

    assert (AttemptEnd(fault="refused_address"), []) == (end, messages)


@pytest.mark.parametrize(
    ("step", "reply", "end"),
    [
        ("", b"554 no service\r\n", AttemptEnd(reply=554)),
        ("", b"421 too many\r\n", AttemptEnd(reply=421)),
        ("", b"nonsense\r\n", AttemptEnd(fault="protocol")),
        ("", None, AttemptEnd(fault="protocol")),
        ("MAIL", b"451 later\r\n", AttemptEnd(reply=451)),
        ("MAIL", b"553 no such sender\r\n", AttemptEnd(reply=553)),
        ("MAIL", b"299 odd\r\n", AttemptEnd(fault="protocol")),
        ("RCPT", b"450 greylisted\r\n", AttemptEnd(reply=450)),
        ("RCPT", b"550-no such\r\n550 mailbox\r\n", AttemptEnd(reply=550)),
        ("RCPT", b"551 try <x@evil.test>\r\n", AttemptEnd(reply=551)),
        ("DATA", b"250 taken already\r\n", AttemptEnd(fault="protocol")),
        (".", b"452 no room\r\n", AttemptEnd(reply=452)),
        (".", b"552 too large\r\n", AttemptEnd(reply=552)),
        (".", b"554 spam\r\n", AttemptEnd(reply=554)),
        (".", b"\xff\xfe\r\n", AttemptEnd(fault="protocol")),
        (".", b"250-" + b"x" * 200_000 + b"\r\n", AttemptEnd(fault="protocol")),
        (".", None, AttemptEnd(fault="protocol")),
    ],
)
async def test_whatever_a_server_says_is_a_value(step: str, reply: bytes | None, end: AttemptEnd) -> None:
    """Replies, junk and a connection that breaks end as a code or a closed word; a "yes" counts at the end only."""
    async with saying({step: reply}) as (port, _):
        assert end == await send(plain(port))


async def test_a_drop_after_the_message_is_followed_by_the_same_message() -> None:
    """E69: it may have been taken; the next attempt has the same Message-ID, and a store shows it once."""
    async with saying({".": None}) as (port, messages):
        first = await send(plain(port), tries=1)
        again = await send(plain(port), tries=2)

    assert [AttemptEnd(fault="protocol")] * 2 == [first, again]
    assert 2 == len(messages)
    assert messages[0] == messages[1]
    assert f"Message-ID: <{REFERRAL}@vidare.example>\r\n".encode() in messages[0]


@pytest.mark.parametrize("step", ["", "EHLO", "RCPT", "."])
async def test_a_server_that_never_ends_its_line_is_left(step: str) -> None:
    """A byte at a time, for ever: the time-out is for the whole conversation."""
    async with saying({step: b"2..."}) as (port, _):
        began = time.monotonic()
        end = await send(plain(port) | {"timeout_s": 0.5})

    assert AttemptEnd(fault="timeout") == end
    assert time.monotonic() - began < 3


async def test_a_server_that_hangs_after_taking_changes_nothing() -> None:
    """Its goodbye is not waited for."""
    async with saying({"QUIT": b"2..."}) as (port, messages):
        began = time.monotonic()
        end = await send(plain(port) | {"timeout_s": 20})

    assert (AttemptEnd(reply=250), 1) == (end, len(messages))
    assert time.monotonic() - began < 10


async def test_a_server_that_is_not_there() -> None:
    """Nobody listens: tried again later."""
    async with saying() as (port, _):
        pass

    assert AttemptEnd(fault="connect") == await send(plain(port))


async def test_an_attempt_that_is_cut_off_leaves_no_connection() -> None:
    """The process stops: the socket is closed at once, and the next owner of the row sends the same message."""
    came = asyncio.Event()
    async with saying({".": b"2..."}, came=came) as (port, _):
        task = asyncio.create_task(send(plain(port) | {"timeout_s": 60}))
        async with asyncio.timeout(10):
            await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_is_told_of_an_attempt_holds_no_address() -> None:
    """Channel, agency, ids and a closed word."""
    told: list[Attempt] = []
    async with saying({"RCPT": b"550 no desk@agency.example here\r\n"}) as (port, _):
        await send(plain(port), observe=told.append)

    assert [("email", "hotline-nl", str(REFERRAL), "smtp_550", None)] == [
        (each.channel, each.agency, each.referral, each.error, each.status_code) for each in told
    ]
    assert "desk@" not in repr(told)


async def test_an_agency_that_left_or_changed_is_not_written_to() -> None:
    """Its record is read when the attempt is made."""
    gone = an_agency(id="hotline-de")
    changed = an_agency(channels=["webhook"], email=MAIL)
    ends = []
    for agency in (gone, changed):
        effects = EmailEffects(Onboarded({agency.id: agency}), lambda ref: ref, Post(LINKS))
        ends.append(AttemptEnd.model_validate_json((await effects.perform(effect())).body))

    assert ["internal", "no_channel"] == [end.fault for end in ends]


async def test_a_refused_webhook_is_followed_by_a_mail_whose_link_acknowledges() -> None:
    """The whole hop: parked on the first channel, delivered by the second, answered by the link in the message."""
    async with mailbox() as box, listening(says(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as (port, _):
        hook = {"url": f"http://127.0.0.1:{port}/x", "secret": "env:HMAC"}
        agency = an_agency(channels=["webhook", "email"], webhook=hook, email=MAIL | plain(box.port))
        onboarded = Onboarded({agency.id: agency})
        webhook = WebhookEffects(onboarded, lambda _ref: "plain words", may=public_or_loopback)
        mail = EmailEffects(onboarded, lambda ref: ref, Post(LINKS, may=public_or_loopback), now=lambda: NOW)
        effects = Pushing({ChannelName.WEBHOOK: webhook, ChannelName.EMAIL: mail})
        hop = NotifierHop(onboarded, partitions=1, proofs="http://127.0.0.1:8105", effects=effects)
        body = a_referral().model_dump_json(by_alias=True).encode()
        run = await run_in_memory(hop, [Fed("referrals-routed", body, b"hotline-nl", NAMED)], now=lambda: START)
        await webhook.close()
    told = [(row["what"], row.get("channel"), row.get("reason")) for row in run.json("deliveries")]
    token = box.messages[0].get_content().partition("https://mesh.example/receipts/")[2].split()[0]

    assert [
        ("attempted", "webhook", "http_404"),
        ("parked", "webhook", "http_404"),
        ("escalated", "email", "next_channel"),
        ("attempted", "email", "smtp_250"),
        ("delivered", "email", None),
    ] == told
    assert Answerable("hotline-nl", REFERRAL) == LINKS.read(token, NOW)


def test_the_demos_mailbox_shows_each_message_once() -> None:
    """The shipped sink as a program: a copy that is sent again is the same message; bodies are not shown."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [each.getsockname()[1] for each in (one, two)]
    command = [sys.executable, str(SINK), "--port", str(ports[0]), "--smtp-port", str(ports[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("mail at 127.0.0.1:")
            ends = [asyncio.run(send(plain(ports[1]), tries=tries)) for tries in (1, 2)]
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/messages", timeout=5) as answer:
                found = json.load(answer)
        finally:
            process.terminate()

    assert [AttemptEnd(reply=250)] * 2 == ends
    assert [{"message_id": f"<{REFERRAL}@vidare.example>", "to": "desk@agency.example", "copies": 2}] == found[
        "messages"
    ]
