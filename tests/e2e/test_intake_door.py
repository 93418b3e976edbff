"""Intake's door over HTTP, in this process: what callers are answered, and what reaches the inboxes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from services.chassis.clock import FakeClock
from services.chassis.errors import Unavailable
from services.chassis.hop import Record, tip_id
from services.chassis.settings import Settings
from services.chassis.telemetry.tracecontext import parse_traceparent
from services.chassis.telemetry.tracing import DoorTracing
from services.intake.bearer import Bearer
from services.intake.door import DoorParts, create_door
from services.intake.posting import Desk
from services.intake.view import StatusView
from tests.support.intake import JPEG, KEY, NOW, PARTNERS, Inboxes, b64, submission

AUTHORISED = {"authorization": "Bearer token-of-one", "content-type": "application/json"}
OTHER = {"authorization": "Bearer token-of-two"}


class World:
    """A door and everything around it."""

    def __init__(self, home: Path) -> None:
        self.inboxes = Inboxes()
        self.view = StatusView()
        self.wrong: str | None = None
        self.tracing = DoorTracing.of(Settings(home=home), "intake-door")
        desk = Desk(self.inboxes, self.view, FakeClock(NOW), self.tracing.metrics, KEY)
        self.parts = DoorParts(Bearer(PARTNERS), desk, self.tracing, lambda: self.wrong)
        transport = httpx.ASGITransport(create_door(self.parts))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://door.example", headers=AUTHORISED)

    async def post(self, data: bytes, **headers: str) -> httpx.Response:
        """Post one submission."""
        return await self.http.post(
            "/v1/tips", content=data, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    def tell(self, offset: int, word: str, tip: str, **more: Any) -> None:
        """Put one status before the view, as a hop would."""
        body = {"schema": "tip-status/1", "status": word, "tip_id": tip, "at": "2026-11-22T12:00:00Z"} | more
        self.view.apply([Record("tips-status-ecpat-se", 0, offset, None, orjson.dumps(body), (), 0)])


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A door with two partners' tokens."""
    monkeypatch.setenv("VIDARE_TEST_TOKEN_ONE", "token-of-one")
    monkeypatch.setenv("VIDARE_TEST_TOKEN_TWO", "token-of-two")
    made = World(tmp_path)
    yield made
    await made.http.aclose()
    made.tracing.close()
    made.view.close()


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and pointer of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"], body.get("pointer")


async def test_a_tip_is_answered_when_it_is_durable(world: World) -> None:
    """202 with tip id, trace id and priority; the very bytes lie in the routine inbox with the span's context."""
    data = submission(reference="E-1")
    answer = await world.post(data)
    assert answer.status_code == 202
    assert answer.json()["tip_id"] == str(tip_id("ecpat-se", "E-1"))
    assert answer.json()["priority"] == "P3"
    ((topic, value, headers),) = world.inboxes.written
    assert (topic, value, headers["vidare-via"]) == ("tips-inbox-ecpat-se", data, b"http")
    context = parse_traceparent(headers["traceparent"])
    assert context is not None
    assert context.trace_id.hex() == answer.json()["trace_id"]


async def test_an_urgent_tip_takes_the_urgent_inbox(world: World) -> None:
    """The door triages the body."""
    answer = await world.post(submission(narrative="det pågår just nu"))
    assert answer.json()["priority"] == "P0"
    assert world.inboxes.written[0][0] == "tips-inbox-ecpat-se-urgent"


async def test_a_partners_trace_goes_on(world: World) -> None:
    """A valid traceparent of an authenticated partner gives the trace id; a broken one is ignored."""
    answer = await world.post(submission(), traceparent="00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")
    assert answer.json()["trace_id"] == "ab" * 16
    answer = await world.post(submission(), traceparent="00-" + "0" * 32 + "-" + "cd" * 8 + "-01")
    assert answer.status_code == 202
    assert answer.json()["trace_id"] != "0" * 32


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", (400, "not_json", None)),
        (b"{", (400, "not_json", None)),
        (submission(schema="tip-submission/9"), (422, "unknown_schema", "/schema")),
        (submission(extra=1), (422, "unknown_field", "/extra")),
        (submission(kind=None), (422, "invalid_field", "/kind")),
        (submission(urls=[]), (422, "empty_tip", None)),
        (submission(urls=["https://a.example/"] * 1_001), (422, "too_many", None)),
        (submission(narrative=b64(JPEG)), (422, "media_refused", "/narrative")),
        (submission(narrative="x" * 262_144), (413, "too_large", None)),
    ],
)
async def test_a_refusal_is_a_problem_document(
    world: World, data: bytes, expected: tuple[int, str, str | None]
) -> None:
    """Each reason has its status, code and pointer, and nothing reaches an inbox."""
    answer = await world.post(data)
    assert problem(answer) == expected
    assert world.inboxes.written == []
    assert b64(JPEG)[:10] not in answer.text


async def test_a_body_without_end_is_cut(world: World) -> None:
    """A chunked body is read up to the limit and no further."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 65_536
            yield b"x" * 65_536

    answer = await world.http.post("/v1/tips", content=endless())
    assert problem(answer) == (413, "too_large", None)
    assert read <= 400_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-encoding", "gzip"),
        ("content-encoding", "br"),
        ("content-type", "image/jpeg"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/zip"),
        ("content-type", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("content-type", "text/xml"),
    ],
)
async def test_e01_other_forms_are_not_read(world: World, name: str, value: str) -> None:
    """E01: compressed, multipart and media bodies are 415, and nothing is stored."""
    answer = await world.http.post("/v1/tips", content=submission(), headers={name: value})
    assert problem(answer)[:2] == (415, "not_json")
    assert world.inboxes.written == []


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded", ""]
)
async def test_json_is_read_whatever_curl_calls_it(world: World, kind: str) -> None:
    """JSON without a type, or with curl's own guess, is read."""
    assert (await world.post(submission(), content_type=kind)).status_code == 202


async def test_e16_strangers_are_told_nothing(world: World) -> None:
    """E16: without a partner's token every path is 401, before the body is read."""
    calls = [
        world.http.post("/v1/tips", content=b"not even JSON", headers={"authorization": "Bearer x"}),
        world.http.post("/v1/tips/batch", content=b"", headers={"authorization": ""}),
        world.http.get(f"/v1/tips/{tip_id('ecpat-se', 'E-1')}", headers={"authorization": "Basic eA=="}),
    ]
    for call in calls:
        answer = await call
        assert problem(answer)[:2] == (401, "not_permitted")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_no_promise_without_the_broker(world: World) -> None:
    """503 with Retry-After where the submission is not durable; the same key may be used again then."""
    world.inboxes.broken = Unavailable("the broker")
    answer = await world.post(submission(), idempotency_key='"k1"')
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    world.inboxes.broken = None
    assert (await world.post(submission(), idempotency_key='"k1"')).status_code == 202


async def test_an_idempotency_key_gives_one_submission(world: World) -> None:
    """Same key and body: the first answer again; same key, other body: 422; malformed key: 400."""
    first = await world.post(submission(), idempotency_key='"k1"')
    again = await world.post(submission(), idempotency_key='"k1"')
    assert first.json() == again.json()
    assert len(world.inboxes.written) == 1
    assert problem(await world.post(submission(narrative="x"), idempotency_key='"k1"'))[0] == 422
    assert problem(await world.post(submission(), idempotency_key="x" * 300))[0] == 400


async def test_a_thousand_copies_at_once_are_one_submission(world: World) -> None:
    """With one key, exactly one is appended; every other answer is that one or 409."""
    answers = await asyncio.gather(*(world.post(submission(), idempotency_key="k") for _ in range(200)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["tip_id"] for answer in answers if answer.status_code == 202}) == 1
    assert len(world.inboxes.written) == 1


async def test_a_batch_is_answered_line_by_line_in_order(world: World) -> None:
    """Each line stands alone: accepted, refused, broken and too long ones keep their places."""
    lines = [
        submission(reference="E-1"), b"not JSON", submission(reference="E-2", nonsense=1), b"x" * 300_000,
        submission(reference="E-3", signals=["crisis"]),
    ]  # fmt: skip
    answer = await world.http.post(
        "/v1/tips/batch", content=b"\n".join(lines) + b"\n", headers={"content-type": "application/x-ndjson"}
    )
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert [(row["line"], row["status"]) for row in told] == [(1, 202), (2, 400), (3, 422), (4, 413), (5, 202)]
    assert told[2]["pointer"] == "/nonsense"
    assert told[4] | {"trace_id": ""} == {
        "line": 5, "status": 202, "tip_id": str(tip_id("ecpat-se", "E-3")), "priority": "P0", "trace_id": "",
    }  # fmt: skip
    assert [topic for topic, _, _ in world.inboxes.written] == ["tips-inbox-ecpat-se", "tips-inbox-ecpat-se-urgent"]


async def test_a_large_batch_keeps_its_order(world: World) -> None:
    """3,000 lines in odd pieces: every one is appended and answered once, in order."""
    data = b"".join(submission(reference=f"E-{n}") + b"\n" for n in range(3_000))

    async def pieces() -> AsyncIterator[bytes]:
        for first in range(0, len(data), 10_007):
            yield data[first : first + 10_007]

    answer = await world.http.post("/v1/tips/batch", content=pieces(), headers={"content-type": "application/x-ndjson"})
    ids = [json.loads(line)["tip_id"] for line in answer.text.splitlines()]
    assert ids == [str(tip_id("ecpat-se", f"E-{n}")) for n in range(3_000)]
    assert len(world.inboxes.written) == 3_000


async def test_a_batch_without_the_broker_says_so_per_line(world: World) -> None:
    """Lines that are not durable are 503, refused ones keep their reason."""
    world.inboxes.broken = Unavailable("the broker")
    content = submission() + b"\nx\n"
    answer = await world.http.post("/v1/tips/batch", content=content, headers={"content-type": "application/x-ndjson"})
    assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [503, 400]


async def test_a_sender_follows_its_own_tip(world: World) -> None:
    """Received at once, then as far as the statuses say; for any other sender there is no such tip."""
    tip = (await world.post(submission(reference="E-1"))).json()["tip_id"]
    assert (await world.http.get(f"/v1/tips/{tip}")).json()["state"] == "received"
    world.tell(0, "accepted", tip, reference="E-1", revision=1, priority="P3")
    world.tell(1, "routed", tip, destinations=["hotline"])
    answer = await world.http.get(f"/v1/tips/{tip.upper()}")
    assert (answer.json()["state"], answer.json()["destinations"][0]["state"]) == ("routed", "routed")
    assert answer.headers["cache-control"] == "no-store"


async def test_what_is_not_yours_is_not_there(world: World) -> None:
    """Another sender's tip, a guessed id, no id and no path are one and the same 404."""
    tip = (await world.post(submission(reference="E-1"))).json()["tip_id"]
    world.tell(0, "accepted", tip, reference="E-1", revision=1)
    guessed = ["5f0c8a52-9a44-5d0e-b6a1-3d4c5e1f2a70", "nonsense", "..%2f..%2fetc", "%00", "x" * 5_000]
    answers = [await world.http.get(f"/v1/tips/{tip}", headers=OTHER)]
    answers += [await world.http.get(f"/v1/tips/{text}", headers=OTHER) for text in guessed]
    answers += [await world.http.get("/v2/nothing")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


async def test_a_refusal_after_the_answer_is_found_by_asking(world: World) -> None:
    """A reused reference is refused by the hop; its sender sees it at the id it was told."""
    first = (await world.post(submission(reference="E-1"))).json()["tip_id"]
    world.tell(0, "accepted", first, reference="E-1", revision=1)
    second = (await world.post(submission(reference="E-1", narrative="x"))).json()["tip_id"]
    refusal = {"reason": "reference_reused", "pointer": "/reference", "digest": "sha-256:00", "size": 9}
    world.tell(1, "refused", second, reference="E-1", refusal=refusal)
    assert (await world.http.get(f"/v1/tips/{second}")).json()["refusals"][0]["reason"] == "reference_reused"


async def test_a_correction_is_told_the_id_of_its_tip(world: World) -> None:
    """Whether the earlier reference is in the view, was taken a moment ago, or is not known yet."""
    first = (await world.post(submission(reference="E-1"))).json()["tip_id"]
    second = (await world.post(submission(reference="E-2", supersedes="E-1", narrative="x"))).json()["tip_id"]
    third = (await world.post(submission(reference="E-3", supersedes="E-2", narrative="y"))).json()["tip_id"]
    assert first == second == third
    world.tell(0, "accepted", first, reference="E-9", revision=4)
    later = (await world.post(submission(reference="E-10", supersedes="E-9", narrative="z"))).json()["tip_id"]
    assert later == first
    unknown = (await world.post(submission(reference="E-21", supersedes="E-20"))).json()["tip_id"]
    assert unknown == str(tip_id("ecpat-se", "E-20"))


async def test_a_correction_does_not_overtake_its_tip(world: World) -> None:
    """While the tip may still wait in the routine inbox, its urgent correction waits behind it there."""
    await world.post(submission(reference="E-1"))
    await world.post(submission(reference="E-2", supersedes="E-1", signals=["crisis"]))
    assert [topic for topic, _, _ in world.inboxes.written] == ["tips-inbox-ecpat-se"] * 2
    world.tell(0, "accepted", str(tip_id("ecpat-se", "E-1")), reference="E-1", revision=1)
    await world.post(submission(reference="E-3", supersedes="E-1", signals=["crisis"]))
    assert world.inboxes.written[2][0] == "tips-inbox-ecpat-se-urgent"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/tips"), ("DELETE", "/v1/tips/x"), ("PUT", "/v1/tips"), ("TRACE", "/v1/tips")]
)
async def test_other_methods_are_not_there(world: World, method: str, path: str) -> None:
    """405 as a problem document, override headers or not."""
    answer = await world.http.request(method, path, headers={"x-http-method-override": "POST"})
    assert problem(answer)[0] == 405


async def test_health_and_metrics(world: World) -> None:
    """Live always, ready while something can be taken, metrics by route template and reason."""
    await world.post(submission(narrative=b64(JPEG)))
    assert (await world.http.get("/live")).json() == {"live": True}
    assert (await world.http.get("/ready")).status_code == 200
    world.wrong = "the broker does not answer"
    assert (await world.http.get("/ready")).status_code == 503
    text = (await world.http.get("/metrics")).text
    assert 'vidare_refusals_total{reason="media_refused",via="http"} 1.0' in text
    assert 'vidare_http_requests_total{route="POST /v1/tips",status="422"} 1.0' in text


async def test_e05_nothing_of_a_caller_or_a_tip_is_logged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """E05: address, program and tip are in no log line, also where a submission is refused."""
    caller = {"user_agent": "Somebodys-Browser/7", "x_forwarded_for": "192.0.2.99"}
    await world.post(submission(urls=["https://secret.example/"], narrative=b64(JPEG)), **caller)
    await world.post(submission(urls=["https://secret.example/"]), **caller)
    written = "".join(capfd.readouterr())
    assert not [text for text in ("Somebodys", "192.0.2.99", "secret.example", "/9j/") if text in written]
    assert "Somebodys" not in str(world.inboxes.written)
