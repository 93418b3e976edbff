"""Webhooks against real listeners on loopback: everything an endpoint can do wrong, and what is never done for it."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from services.chassis.hop import Effect
from services.chassis.onboarding import resolve_secret
from services.notifier.answering.receipts import LARGEST_BYTES
from services.notifier.channels import guard
from services.notifier.channels.guard import MAY, public_only, public_or_loopback
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.delivering.attempt import AttemptEnd
from services.notifier.onboarded import Onboarded
from tests.support.notifier_listener import Answer, certificate, listening, says
from tests.support.notifier_world import an_agency, an_effect

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SEED = b"s" * 32
REFERRAL = UUID("5b0f3a52-9a44-5d0e-b6a1-3d4c5e1f2a70")
BODY = orjson.dumps({"schema": "referral/1", "narrative": "åäö"})
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def secret(ref: str) -> str:
    """The keys of these tests."""
    return {"env:HMAC": SECRET, "env:PLAIN": "plain words", "env:ED": "whsk_" + base64.b64encode(SEED).decode()}[ref]


def effect(tries: int = 1) -> Effect:
    """An attempt of the hop."""
    return an_effect("hotline-nl", REFERRAL, BODY, tries)


async def send(url: str, *, may: MAY = public_or_loopback, **hook: Any) -> AttemptEnd:
    """One attempt at *url*."""
    agency = an_agency(webhook={"url": url, "secret": "env:HMAC", "timeout_s": 2} | hook)
    effects = WebhookEffects(Onboarded({agency.id: agency}), secret, may=may)
    try:
        told = await effects.perform(effect())
    finally:
        await effects.close()
    assert f"hotline-nl/{REFERRAL}/1" == told.key
    return AttemptEnd.model_validate_json(told.body)


async def meet(answer: Answer, **hook: Any) -> AttemptEnd:
    """One attempt at a listener that answers so."""
    async with listening(answer) as (port, _):
        return await send(f"http://127.0.0.1:{port}/agencies/hotline-nl", **hook)


async def test_a_call_is_signed_as_the_specification_says() -> None:
    """Id, timestamp, ``v1`` and ``v1a`` hold for other people's software, over the very bytes that arrived."""
    async with listening(says(NO_CONTENT)) as (port, requests):
        end = await send(f"http://127.0.0.1:{port}/x", signing_key="env:ED")
    head, _, body = requests[0].partition(b"\r\n\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])}

    assert AttemptEnd(status=204, answer="") == end
    assert (BODY, str(REFERRAL)) == (body, headers["webhook-id"])
    Webhook(SECRET).verify(body, headers)
    v1a = next(each for each in headers["webhook-signature"].split(" ") if each.startswith("v1a,"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    Ed25519PrivateKey.from_private_bytes(SEED).public_key().verify(base64.b64decode(v1a[4:]), signed)
    assert "cookie" not in headers


async def test_a_plain_secret_signs_too() -> None:
    """A secret without ``whsec_`` is taken as its bytes."""
    async with listening(says(NO_CONTENT)) as (port, requests):
        await send(f"http://127.0.0.1:{port}/x", secret="env:PLAIN")
    head, _, body = requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])

    assert Webhook(b"plain words").verify(body, headers)["schema"] == "referral/1"


@pytest.mark.parametrize(
    ("raw", "end"),
    [
        (NO_CONTENT, AttemptEnd(status=204, answer="")),
        (b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok", AttemptEnd(status=299, answer="ok")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe", AttemptEnd(status=200)),
        (b"HTTP/1.1 503 No\r\nRetry-After: 120\r\n\r\n", AttemptEnd(status=503, retry_after_s=120)),
        (b"HTTP/1.1 429 No\r\nRetry-After: 1e9\r\n\r\n", AttemptEnd(status=429)),
        (b"HTTP/1.1 410 Gone\r\n\r\n", AttemptEnd(status=410)),
        (b"HTTP/1.1 100 Continue\r\n\r\n", AttemptEnd(fault="protocol")),
        (b"<html>", AttemptEnd(fault="protocol")),
        (b"", AttemptEnd(fault="protocol")),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n", AttemptEnd(fault="protocol")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", AttemptEnd(fault="protocol")),
    ],
)
async def test_whatever_comes_back_is_a_value(raw: bytes, end: AttemptEnd) -> None:
    """Statuses, junk and half answers end as a status or a closed word, and never raise."""
    assert end == await meet(says(raw))


async def test_a_redirect_is_not_followed() -> None:
    """E54: nobody onboarded the address that a redirect names, metadata least of all."""
    async with listening(says(NO_CONTENT)) as (elsewhere, reached):
        location = f"Location: http://127.0.0.1:{elsewhere}/latest/meta-data\r\n".encode()
        end = await meet(says(b"HTTP/1.1 302 Found\r\n" + location + b"\r\n"))

    assert (302, []) == (end.status, reached)


async def test_ten_megabytes_are_read_to_the_bound_only() -> None:
    """64 kB is the most a receipt may hold: the rest is left where it is, and says nothing."""
    written = 0

    async def flood(writer: asyncio.StreamWriter, request: bytes) -> None:  # noqa: ARG001 - the answer is fixed
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
        for _ in range(160):
            writer.write(b"x" * LARGEST_BYTES)
            await writer.drain()
            written += LARGEST_BYTES

    assert AttemptEnd(status=200) == await meet(flood)
    assert written < 10_485_760


@pytest.mark.parametrize("opening", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
async def test_an_answer_that_never_ends_ends_with_the_time_out(opening: bytes) -> None:
    """A status without its end is no answer: the same id is sent again."""

    async def endless(writer: asyncio.StreamWriter, request: bytes) -> None:  # noqa: ARG001 - the answer is fixed
        writer.write(opening)
        while True:
            if opening:
                writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    began = time.monotonic()
    end = await meet(endless, timeout_s=0.5)

    assert AttemptEnd(fault="timeout") == end
    assert time.monotonic() - began < 2


async def test_a_compressed_answer_is_not_unpacked() -> None:
    """A small bomb stays small."""
    end = await meet(says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"))

    assert AttemptEnd(status=200) == end


async def test_cookies_are_not_kept() -> None:
    """What an endpoint sets, it never gets back."""
    async with listening(says(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")) as (port, requests):
        agency = an_agency(webhook={"url": f"http://127.0.0.1:{port}/x", "secret": "env:HMAC"})
        effects = WebhookEffects(Onboarded({agency.id: agency}), secret, may=public_or_loopback)
        for tries in (1, 2):
            await effects.perform(effect(tries))
        await effects.close()

    assert [False, False] == [b"cookie" in request.lower() for request in requests]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "192.0.2.7", "0.0.0.0"],
)
async def test_no_call_goes_to_an_address_that_is_not_public(host: str) -> None:
    """Literal or by name: refused at the connect, and nothing is sent."""
    async with listening(says(NO_CONTENT)) as (port, requests):
        end = await send(f"https://{host}:{port}/x", may=public_only)

    assert (AttemptEnd(fault="refused_address"), []) == (end, requests)


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1"])
async def test_odd_spellings_of_an_address_lead_nowhere(host: str) -> None:
    """Whether the client or the guard refuses them, nothing is sent."""
    async with listening(says(NO_CONTENT)) as (port, requests):
        end = await send(f"https://{host}:{port}/x", may=public_only)

    assert end.fault in {"refused_address", "protocol"}
    assert [] == requests


@pytest.mark.parametrize("host", ["192.0.2.7", "[2001:db8::7]", "agency.example"])
async def test_nothing_leaves_in_clear_text(host: str) -> None:
    """Behind TLS or not at all, even where every address may be called."""
    assert AttemptEnd(fault="refused_address") == await send(f"http://{host}:9/x", may=lambda _ip: True)


async def test_a_name_with_one_private_address_is_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public and private together are the mark of rebinding: none of them is called."""

    async def mixed(self: aiohttp.ThreadedResolver, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:  # noqa: ARG001
        return [
            {"hostname": host, "host": ip, "port": port, "family": 2, "proto": 6, "flags": 0}
            for ip in ("1.1.1.1", "10.0.0.1")
        ]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", mixed)

    assert AttemptEnd(fault="refused_address") == await send("https://agency.example/x", may=public_only)


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """The address that is connected to is checked itself, whatever the resolver was told a moment before."""
    answers: list[bool] = []

    def flips(_ip: str) -> bool:
        answers.append(not answers)
        return answers[-1]

    async with listening(says(NO_CONTENT)) as (port, requests):
        end = await send(f"http://localhost:{port}/x", may=flips)

    assert (AttemptEnd(fault="refused_address"), []) == (end, requests)


async def test_nobody_listens() -> None:
    """A closed port is a fault of the way."""
    async with listening(says(NO_CONTENT)) as (port, _):
        pass

    assert AttemptEnd(fault="connect") == await send(f"http://127.0.0.1:{port}/x")


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """A TLS listener with a certificate for ``localhost`` and 127.0.0.1."""
    async with listening(says(NO_CONTENT), tls=certificate(tmp_path)) as (port, _):
        yield port, tmp_path


async def test_an_agreed_ca_and_pin_are_accepted(tls: tuple[int, Path]) -> None:
    """The certificate is verified against the agreed CA and held against the pin."""
    port, folder = tls
    end = await send(
        f"https://127.0.0.1:{port}/x", ca=str(folder / "cert.pem"), pinned_sha256=(folder / "digest").read_text()
    )

    assert 204 == end.status


async def test_an_unknown_ca_is_refused(tls: tuple[int, Path]) -> None:
    """Without the agreed CA the system's authorities decide, and they don't know it."""
    assert AttemptEnd(fault="tls") == await send(f"https://127.0.0.1:{tls[0]}/x")


async def test_a_pin_alone_does_not_replace_verification(tls: tuple[int, Path]) -> None:
    """A pinned certificate of an unknown authority is still refused."""
    end = await send(f"https://127.0.0.1:{tls[0]}/x", pinned_sha256=(tls[1] / "digest").read_text())

    assert AttemptEnd(fault="tls") == end


async def test_another_certificate_than_the_pinned_one_is_refused(tls: tuple[int, Path]) -> None:
    """A good certificate that is not the agreed one gets nothing."""
    end = await send(f"https://127.0.0.1:{tls[0]}/x", ca=str(tls[1] / "cert.pem"), pinned_sha256="00" * 32)

    assert AttemptEnd(fault="pin") == end


@pytest.mark.parametrize(("name", "ip", "days"), [("other.example", None, 1), ("localhost", "127.0.0.1", -1)])
async def test_a_wrong_name_or_an_expired_certificate_is_refused(
    tmp_path: Path, name: str, ip: str | None, days: int
) -> None:
    """E54: TLS is verified in full."""
    context = certificate(tmp_path, name=name, ip=ip, days=days)
    async with listening(says(NO_CONTENT), tls=context) as (port, requests):
        end = await send(f"https://127.0.0.1:{port}/x", ca=str(tmp_path / "cert.pem"))

    assert (AttemptEnd(fault="tls"), []) == (end, requests)


async def test_our_own_certificate_is_shown_where_one_is_agreed(tmp_path: Path) -> None:
    """An agency that asks for a client certificate gets ours, and a call without one fails."""
    context = certificate(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "cert.pem")
    cert, key = str(tmp_path / "cert.pem"), f"file:{tmp_path / 'key.pem'}"
    async with listening(says(NO_CONTENT), tls=context) as (port, _):
        with_ours = await send(f"https://127.0.0.1:{port}/x", ca=cert, client_cert=cert, client_key=key)
        without = await send(f"https://127.0.0.1:{port}/x", ca=cert)

    assert 204 == with_ours.status
    assert without.fault is not None


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the machine cannot lead referrals elsewhere."""
    async with listening(says(NO_CONTENT)) as (proxy, reached):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
        end = await meet(says(NO_CONTENT))

    assert (204, []) == (end.status, reached)


def test_the_guard_knows_this_machine_and_nothing_private() -> None:
    """Loopback is allowed to tests and the demo set only; private networks to nobody."""
    assert [True, True, False] == [public_or_loopback(ip) for ip in ("127.0.0.1", "::1", "10.0.0.1")]
    assert [False, False, True] == [guard.public_only(ip) for ip in ("127.0.0.1", "fe80::1%eth0", "1.1.1.1")]


async def test_a_missing_secret_sends_nothing_and_says_which() -> None:
    """Unsigned calls never leave; the attempt is made again when the secret is there."""
    async with listening(says(NO_CONTENT)) as (port, requests):
        agency = an_agency(webhook={"url": f"http://127.0.0.1:{port}/x", "secret": "env:VIDARE_NOT_SET_ANYWHERE"})
        effects = WebhookEffects(Onboarded({agency.id: agency}), resolve_secret, may=public_or_loopback)
        told = await effects.perform(effect())
        await effects.close()

    assert (AttemptEnd(fault="internal"), []) == (AttemptEnd.model_validate_json(told.body), requests)
