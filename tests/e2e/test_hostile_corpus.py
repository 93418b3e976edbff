"""The hostile corpus on every way in: the model alone, the inbox as a rogue producer writes it, and HTTP."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

from contracts.indicators import AddressIndicator, UrlIndicator
from contracts.vocabulary import REFUSAL_HTTP_STATUS, RefusalReason
from services.chassis.clock import FakeClock
from services.chassis.hop import Input, record_id
from services.chassis.settings import Settings
from services.chassis.telemetry.tracing import DoorTracing
from services.intake.bearer import Bearer
from services.intake.check import Accepted, check_submission
from services.intake.door import DoorParts, create_door
from services.intake.hop import IntakeHop
from services.intake.posting import Desk
from services.intake.view import StatusView
from tests.support.hostile import HOSTILE, ODD
from tests.support.intake import KEY, NOW, PARTNERS, VETTED, DictView, Inboxes, record, submission

ELSEWHERE = {
    9: "e2e/test_intake_door.py", 11: "e2e/test_mesh_foreign_client.py", 12: "e2e/test_intake_door.py",
    19: "e2e/test_mesh_foreign_client.py", 20: "e2e/test_blackbox_intake.py", 21: "e2e/test_blackbox_intake.py",
    22: "e2e/test_intake_door.py", 23: "e2e/test_hostile_corpus.py", 24: "e2e/test_intake_door.py",
    25: "e2e/test_hostile_corpus.py", 28: "e2e/test_intake_door.py", 54: "e2e/test_notifier_webhook.py",
}  # fmt: skip
"""Cases about transport, headers, many requests and calls out: where their tests are."""


@pytest.fixture
async def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Intake's door in this process, asked as the hotline."""
    monkeypatch.setenv("VIDARE_TEST_TOKEN_ONE", "token-of-one")
    tracing, view = DoorTracing.of(Settings(home=tmp_path), "intake-door"), StatusView()
    desk = Desk(Inboxes(), view, FakeClock(NOW), tracing.metrics, KEY)
    app = create_door(DoorParts(Bearer(PARTNERS), desk, tracing, lambda: None))
    headers = {"authorization": "Bearer token-of-one", "content-type": "application/json"}
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door.example", headers=headers)
    yield client
    await client.aclose()
    tracing.close()
    view.close()


def by_inbox(data: bytes) -> dict[str, Any]:
    """The one status that a record of an inbox gets, whatever its bytes are."""
    hop = IntakeHop(PARTNERS, KEY)
    outcome = hop.decide(Input(record_id("t", 0, 0), NOW, record(data)), DictView())
    (status,) = [event.body for event in outcome.events if event.topic.startswith("tips-status-")]
    found: dict[str, Any] = orjson.loads(status)
    return found


@pytest.mark.parametrize("name", HOSTILE)
async def test_bytes_have_one_verdict_on_every_way_in(name: str, door: httpx.AsyncClient) -> None:
    """Reason and place are the same by topic and by HTTP as by the model (`test_intake_screen`)."""
    data, (reason, pointer) = HOSTILE[name]
    told, answer = by_inbox(data), await door.post("/v1/tips", content=data)

    if reason == "accepted":
        assert (told["status"], answer.status_code) == ("accepted", 202)
        return
    assert (told["status"], told["refusal"]["reason"], told["refusal"].get("pointer")) == ("refused", reason, pointer)
    assert answer.status_code == REFUSAL_HTTP_STATUS[RefusalReason(reason)]
    assert (answer.json()["code"], answer.json().get("pointer")) == (reason, pointer)


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_indicator_is_kept_and_flagged_and_never_refuses_a_tip(name: str, door: httpx.AsyncClient) -> None:
    """Accepted on every way in; what was sent is kept byte for byte, and the flags say what is odd."""
    changed, flags = ODD[name]
    data = submission(**changed)
    checked = check_submission(data, VETTED, NOW, key=KEY)

    assert isinstance(checked, Accepted)
    found = checked.event.content.indicators
    kept: tuple[UrlIndicator | AddressIndicator, ...] = (*found.urls, *found.addresses)
    told = {flag.value for item in kept for flag in item.flags}
    assert set(flags) <= told
    sent = changed.get("urls") if changed.get("urls") is not ... else None
    raws = [item.raw for item in kept]
    assert raws == ([one["ip"] for one in changed["addresses"]] if sent is None else sent) or "extracted" in flags
    assert by_inbox(data)["status"] == "accepted"
    assert (await door.post("/v1/tips", content=data)).status_code == 202


SMUGGLED = {
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "a length that is no number": b"Content-Length: 5x\r\n\r\nabcde",
    "NUL in a header": b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"X-A : b\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_23_a_request_with_two_readings_is_refused_and_the_connection_closed(name: str, tmp_path: Path) -> None:
    """On a real socket: 400 or nothing, never a second request in the body of the first; the inbox stays empty."""
    tracing, view, inboxes = DoorTracing.of(Settings(home=tmp_path), "intake-door"), StatusView(), Inboxes()
    desk = Desk(inboxes, view, FakeClock(NOW), tracing.metrics, KEY)
    app = create_door(DoorParts(Bearer(PARTNERS), desk, tracing, lambda: None))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        writer.write(b"POST /v1/tips HTTP/1.1\r\nHost: door.example\r\nAuthorization: Bearer x\r\n" + SMUGGLED[name])
        writer.write(b"\r\n\r\nGET /live HTTP/1.1\r\nHost: door.example\r\n\r\n")
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        server.should_exit = True
        await serving
    tracing.close()
    view.close()

    statuses = re.findall(rb"HTTP/1\.1 (\d+)", answer)
    assert statuses
    assert set(statuses) <= {b"400", b"401"}
    assert inboxes.written == []


async def test_25_what_a_client_says_of_itself_is_not_believed(door: httpx.AsyncClient) -> None:
    """Forwarding and method headers change neither the sender nor what is done."""
    forged = {
        "x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1", "x-http-method-override": "DELETE",
        "x-real-ip": "10.0.0.1",
    }  # fmt: skip
    answer = await door.post("/v1/tips", content=submission(), headers=forged)
    stranger = await door.post("/v1/tips", content=submission(), headers=forged | {"authorization": "Bearer x"})

    assert (answer.status_code, stranger.status_code) == (202, 401)


def test_every_number_of_the_corpus_is_somewhere() -> None:
    """1 to 56 without a gap: in the two tables, or in a test of transport that is named here."""
    here = {int(name.split()[0]) for name in (*HOSTILE, *ODD) if re.match(r"\d+ ", name)}
    tests = Path(__file__).resolve().parents[1]

    assert here | set(ELSEWHERE) >= set(range(1, 57))
    assert all((tests / path).is_file() for path in ELSEWHERE.values())
