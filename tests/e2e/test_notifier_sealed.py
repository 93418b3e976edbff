"""Sealed documents on the wire: what a webhook's listener and a pulling agency really receive."""

import asyncio
from pathlib import Path

import httpx
import orjson
import pytest
from standardwebhooks import Webhook

from contracts.topics import AGENCY
from contracts.vocabulary import ChannelName
from services.chassis.clock import SystemClock
from services.chassis.hop import Record
from services.notifier.channels.guard import public_or_loopback
from services.notifier.channels.pull import PullView
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.delivering.attempt import ask
from services.notifier.delivering.delivery import Way, begin
from services.notifier.documents.render import render
from services.notifier.door import DoorParts, create_door
from services.notifier.onboarded import Onboarded
from tests.support.notifier_keys import key_file, opened, public
from tests.support.notifier_listener import listening, says
from tests.support.notifier_world import SECRETS, START, a_referral, an_agency

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize("sealed", [True, False])
async def test_a_webhook_carries_the_sealed_document_and_says_so(tmp_path: Path, *, sealed: bool) -> None:
    """``application/jose``, the signature is over the ciphertext, and only the agency's key opens it."""
    path = key_file(tmp_path, public("P-256"))
    async with listening(says(NO_CONTENT)) as (port, requests):
        hook = {"url": f"http://127.0.0.1:{port}/x", "secret": "env:HMAC", "timeout_s": 5}
        agency = an_agency(profile="police", kind="police", webhook=hook, encrypt_to=path if sealed else None)
        agencies = Onboarded({agency.id: agency})
        clear = render(a_referral(), agency, proof="p")
        effects = WebhookEffects(agencies, lambda _ref: SECRET, may=public_or_loopback)
        document = agencies.sealer.seal(clear, agency)
        row = begin(a_referral(), agency, START, document=document)
        await effects.perform(ask(row, Way(channel=ChannelName.WEBHOOK, tries=1), document))
        await effects.close()
    head, _, body = requests[0].partition(b"\r\n\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])}

    assert headers["content-type"] == ("application/jose" if sealed else "application/json")
    assert (opened("P-256", body)[1] if sealed else body) == clear
    assert any(value.encode() in requests[0] for value in SECRETS.values()) is not sealed
    assert headers["webhook-id"] == str(a_referral().referral_id)
    Webhook(SECRET).verify(body, headers, json_parse=False)


async def test_a_pulling_agency_gets_its_sealed_documents_as_strings(tmp_path: Path) -> None:
    """The page is JSON, each sealed document in it opens, and a clear one beside it is an object as ever."""
    agency = an_agency(encrypt_to=key_file(tmp_path, public("X25519")))
    clear = render(a_referral(), agency, proof="p")
    view, ready = PullView(), asyncio.Event()
    ready.set()
    for place, document in enumerate((clear, Onboarded({agency.id: agency}).sealer.seal(clear, agency))):
        view.apply(Record(AGENCY + agency.id, 0, place, str(place).encode(), document, (), 0))
    app = create_door(DoorParts({agency.id: "a token"}, view, _Nothing(), SystemClock(), ready))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        answer = await client.get("/v1/referrals", headers={"authorization": "Bearer a token"})
    view.close()
    first, second = answer.json()["referrals"]

    assert first == orjson.loads(clear) == orjson.loads(opened("X25519", second.encode())[1])


class _Nothing:
    """No receipt is posted here."""

    async def append(self, *_arguments: object, **_named: object) -> tuple[int, int]:
        """Never called."""
        raise AssertionError("a receipt was appended")
