"""The notifier's door over HTTP: agencies pull their own referrals and post receipts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import orjson
import pytest

from contracts.events import DeliveryRecorded, DeliveryWord
from services.chassis.clock import SystemClock
from services.chassis.errors import Unavailable
from services.chassis.hop import Record
from services.notifier.channels.pull import PullView
from services.notifier.door import DoorParts, create_door
from tests.support.notifier_world import a_referral

TOKENS = {"hotline-nl": "token of nl", "hotline-de": "token of de"}
RECEIPT = {
    "schema": "receipt/1",
    "referral_id": str(a_referral(1).referral_id),
    "status": "acknowledged",
    "reference": "NL-1",
}


@dataclass
class Inbox:
    """An inbox that remembers, or is down."""

    down: bool = False
    kept: list[tuple[str, bytes | None, bytes]] = field(default_factory=list)

    async def append(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]], partition: int = 0
    ) -> tuple[int, int]:
        """Keep the record, or say that it is not durable."""
        if self.down:
            raise Unavailable("the broker")
        assert [("vidare-via", b"http")] == list(headers)
        self.kept.append((topic, key, value))
        return partition, len(self.kept)


@dataclass
class Desk:
    """A door with everything around it."""

    client: httpx.AsyncClient
    view: PullView
    inbox: Inbox
    ready: asyncio.Event

    def feed(self, number: int, agency: str = "hotline-nl") -> None:
        """Put a referral into the feed of *agency*."""
        event = a_referral(number)
        raw = orjson.dumps({"schema": "referral/1", "referral_id": str(event.referral_id)})
        self.view.apply(Record(f"referrals-agency-{agency}", 0, number, str(event.referral_id).encode(), raw, (), 0))

    def deliver(self, number: int, what: DeliveryWord, reason: str | None = None, agency: str = "hotline-nl") -> None:
        """Record what came of a referral."""
        event = a_referral(number)
        body = DeliveryRecorded(
            referral_id=event.referral_id,
            tip_id=event.tip_id,
            version=1,
            destination=agency,
            what=what,
            reason=reason,
            at=datetime.now(UTC),
        )
        self.view.apply(Record("deliveries", 0, 0, None, body.model_dump_json(by_alias=True).encode(), (), 0))

    async def pull(self, token: str = TOKENS["hotline-nl"], **query: object) -> tuple[list[str], int]:
        """Referral ids and cursor that the door gives."""
        shown = {name: str(value) for name, value in query.items()}
        answer = await self.client.get("/v1/referrals", params=shown, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        body = answer.json()
        return [each["referral_id"] for each in body["referrals"]], body["after"]

    async def post(self, body: bytes, referral: str | None = None, token: str = TOKENS["hotline-nl"]) -> httpx.Response:
        """Post a receipt."""
        path = f"/v1/referrals/{referral or RECEIPT['referral_id']}/receipts"
        return await self.client.post(path, content=body, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A door that is ready."""
    view, inbox, ready = PullView(), Inbox(), asyncio.Event()
    ready.set()
    app = create_door(DoorParts(TOKENS, view, inbox, SystemClock(), ready))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield Desk(client, view, inbox, ready)
    view.close()


def ids(*numbers: int) -> list[str]:
    """Referral ids by number."""
    return [str(a_referral(number).referral_id) for number in numbers]


async def test_an_agency_pulls_its_own_referrals_in_order(desk: Desk) -> None:
    """Oldest first, nobody else's, and behind the cursor nothing again."""
    for number in (1, 2, 3):
        desk.feed(number)
    desk.feed(9, "hotline-de")

    assert (ids(1, 2, 3), 3) == await desk.pull()
    assert (ids(3), 3) == await desk.pull(after=2)
    assert ([], 3) == await desk.pull(after=3)
    assert (ids(9), 9) == await desk.pull("token of de")


async def test_open_means_not_answered_yet(desk: Desk) -> None:
    """An acknowledged, closed, refused or withdrawn referral is listed with ``state=all`` only; a notice stays open."""
    words: list[DeliveryWord] = ["acknowledged", "closed", "nacked", "withdrawn", "delivered"]
    for number, what in enumerate(words, 1):
        desk.feed(number)
        desk.deliver(number, what)
    desk.feed(6)
    desk.deliver(6, "closed", "notice")

    assert (ids(5, 6), 6) == await desk.pull()
    assert (ids(1, 2, 3, 4, 5, 6), 6) == await desk.pull(state="all")


async def test_another_agency_s_answer_closes_nothing(desk: Desk) -> None:
    """A referral is closed by its own destination only."""
    desk.feed(1)
    desk.deliver(1, "acknowledged", agency="hotline-de")

    assert (ids(1), 1) == await desk.pull()


async def test_a_long_poll_returns_with_the_first_referral(desk: Desk) -> None:
    """Waiting ends when something arrives, or empty after the time."""
    waiting = asyncio.create_task(desk.pull(wait=30))
    while not desk.view._changed:  # noqa: ASYNC110 - nothing tells when a caller begins to wait
        await asyncio.sleep(0)
    desk.feed(4)

    assert (ids(4), 4) == await waiting
    assert ([], 4) == await desk.pull(after=4, wait=0.01)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic token of nl", "token of nl"])
async def test_without_a_token_there_is_nothing(desk: Desk, header: str | None) -> None:
    """No token, another scheme or a wrong one: 401 as a problem document, for reading and writing."""
    headers = {"authorization": header} if header is not None else {}
    answers = [
        await desk.client.get("/v1/referrals", headers=headers),
        await desk.client.post(f"/v1/referrals/{ids(1)[0]}/receipts", content=orjson.dumps(RECEIPT), headers=headers),
    ]

    assert [(401, "not_permitted", "application/problem+json")] * 2 == [
        (each.status_code, each.json()["code"], each.headers["content-type"]) for each in answers
    ]
    assert [] == desk.inbox.kept


@pytest.mark.parametrize("query", [{"state": "closed"}, {"after": "x"}, {"wait": "-1"}, {"after": str(2**70)}])
async def test_a_wrong_parameter_is_named_and_not_repeated(desk: Desk, query: dict[str, str]) -> None:
    """422 with the name of the parameter."""
    answer = await desk.client.get("/v1/referrals", params=query, headers={"authorization": "Bearer token of nl"})

    assert (422, "invalid_field") == (answer.status_code, answer.json()["code"])
    assert next(iter(query)) in answer.json()["detail"]


async def test_a_receipt_is_durable_before_it_is_answered(desk: Desk) -> None:
    """The very bytes lie in the caller's inbox, keyed by the referral."""
    raw = orjson.dumps(RECEIPT)
    answer = await desk.post(raw)

    assert 202 == answer.status_code
    assert [("receipts-inbox-hotline-nl", RECEIPT["referral_id"].encode(), raw)] == desk.inbox.kept


async def test_the_token_says_who_answers(desk: Desk) -> None:
    """A receipt lands in the inbox of the one who was let in, whatever it says."""
    await desk.post(orjson.dumps(RECEIPT | {"agency": "hotline-nl"}), token="token of de")

    assert ["receipts-inbox-hotline-de"] == [topic for topic, _, _ in desk.inbox.kept]


async def test_a_broker_that_is_down_is_said_with_a_time(desk: Desk) -> None:
    """503 and ``Retry-After``; never a 202 for what is not durable."""
    desk.inbox.down = True
    answer = await desk.post(orjson.dumps(RECEIPT))

    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])
    assert "application/problem+json" == answer.headers["content-type"]


@pytest.mark.parametrize(
    ("body", "referral", "status", "code"),
    [
        (b"{", None, 400, "not_json"),
        (b"", None, 400, "not_json"),
        (b" " * 70_000, None, 413, "too_large"),
        (orjson.dumps(RECEIPT | {"schema": "receipt/2"}), None, 422, "unknown_schema"),
        (orjson.dumps(RECEIPT | {"reference": None}), None, 422, "invalid_field"),
        (orjson.dumps(RECEIPT), str(a_referral(2).referral_id), 422, "invalid_field"),
        (orjson.dumps(RECEIPT), "..%2f..%2fx", 404, None),
        (orjson.dumps(RECEIPT), "not-an-id", 404, "unknown_reference"),
    ],
)
async def test_a_wrong_receipt_is_refused_in_words(
    desk: Desk, body: bytes, referral: str | None, status: int, code: str | None
) -> None:
    """E73: nothing is appended, and the problem names the reason."""
    answer = await desk.post(body, referral)

    assert (status, []) == (answer.status_code, desk.inbox.kept)
    assert code in (None, answer.json().get("code"))


async def test_while_the_feeds_are_read_the_door_says_so(desk: Desk) -> None:
    """Alive, not ready, and an empty list is never given for one that isn't known."""
    desk.ready.clear()
    headers = {"authorization": "Bearer token of nl"}
    answers = [
        await desk.client.get(path, headers=headers) for path in ("/live", "/ready", "/v1/referrals", "/metrics")
    ]

    assert [200, 503, 503, 200] == [each.status_code for each in answers]
