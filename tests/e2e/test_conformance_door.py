"""The notifier's door by the numbers of the hostile-input list: receipts for what is not one's own (79, 87)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import orjson
import pytest

from services.chassis.clock import SystemClock
from services.chassis.hop import Record
from services.notifier.channels.pull import PullView
from services.notifier.door import DoorParts, create_door
from tests.support.notifier_world import a_referral

TOKENS = {"hotline-nl": "token of nl", "hotline-de": "token of de", "police-no": "token of no"}
MINE, YOURS, NOBODYS = (a_referral(number).referral_id for number in (1, 2, 3))


@dataclass
class Inbox:
    """An inbox that remembers."""

    kept: list[tuple[str, bytes | None]] = field(default_factory=list)

    async def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,  # noqa: ARG002 - the port's form
        headers: Sequence[tuple[str, bytes]],  # noqa: ARG002 - the port's form
        partition: int = 0,
    ) -> tuple[int, int]:
        """Keep where the record went."""
        self.kept.append((topic, key))
        return partition, len(self.kept)


@dataclass
class Desk:
    """A door, the feeds that it has seen, and its inbox."""

    client: httpx.AsyncClient
    view: PullView
    inbox: Inbox
    ready: asyncio.Event

    def feed(self, agency: str, referral: UUID) -> None:
        """Put a referral into the feed of *agency*."""
        self.view.apply(Record(f"referrals-agency-{agency}", 0, 0, str(referral).encode(), b"{}", (), 0))

    async def answer(self, path: str, referral: UUID, agency: str = "hotline-nl") -> httpx.Response:
        """Acknowledge *referral* at *path* as *agency*."""
        receipt = {"schema": "receipt/1", "referral_id": str(referral), "status": "acknowledged", "reference": "A-1"}
        headers = {"authorization": f"Bearer {TOKENS[agency]}"}
        return await self.client.post(f"/v1/referrals/{path}/receipts", content=orjson.dumps(receipt), headers=headers)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A door for two agencies with feeds and one without, of which one referral each was fed."""
    view, inbox, ready = PullView(), Inbox(), asyncio.Event()
    ready.set()
    fed = frozenset({"hotline-nl", "hotline-de"})
    app = create_door(DoorParts(TOKENS, view, inbox, SystemClock(), ready, fed=fed, patience_s=0.05))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        made = Desk(client, view, inbox, ready)
        made.feed("hotline-nl", MINE)
        made.feed("hotline-de", YOURS)
        yield made
    view.close()


async def test_h79_an_acknowledgement_twice_is_taken_twice(desk: Desk) -> None:
    """The door is idempotent; the hop counts the second for nothing (E73)."""
    answers = [await desk.answer(str(MINE), MINE) for _ in range(2)]

    assert [202, 202] == [each.status_code for each in answers]
    assert answers[0].content == answers[1].content


async def test_h79_h87_what_is_not_ours_looks_like_what_is_not_there(desk: Desk) -> None:
    """Another agency's id, nobody's, either in capitals, something that is no id: one answer, and nothing kept."""
    asked = [
        (str(YOURS), YOURS),
        (str(NOBODYS), NOBODYS),
        (str(YOURS).upper(), YOURS),
        (str(NOBODYS).upper(), NOBODYS),
        (str(YOURS), MINE),
        ("1", NOBODYS),
        ("%00", NOBODYS),
        ("'%20OR%201=1--", NOBODYS),
    ]
    answers = [await desk.answer(path, referral) for path, referral in asked]

    assert {404} == {each.status_code for each in answers}
    assert 1 == len({each.content for each in answers})
    assert "unknown_reference" == answers[0].json()["code"]
    assert "application/problem+json" == answers[0].headers["content-type"]
    assert [] == desk.inbox.kept


@pytest.mark.parametrize("path", ["..%2f..%2fmetrics", "..%2F" + str(MINE), f"{MINE}%2f..", "..", ".", ""])
async def test_h87_a_path_that_climbs_leads_nowhere(desk: Desk, path: str) -> None:
    """404 as a problem document that repeats nothing, and nothing is kept."""
    answer = await desk.answer(path, MINE)

    assert (404, "unknown_reference") == (answer.status_code, answer.json()["code"])
    assert "metrics" not in answer.text
    assert [] == desk.inbox.kept


async def test_h87_our_own_id_in_capitals_is_our_own(desk: Desk) -> None:
    """An id has no case; the record's key is the canonical one."""
    assert 202 == (await desk.answer(str(MINE).upper(), MINE)).status_code
    assert [("receipts-inbox-hotline-nl", str(MINE).encode())] == desk.inbox.kept


async def test_h87_nobody_is_told_before_the_token(desk: Desk) -> None:
    """Without a token, another's id and one that is there are both 401."""
    answers = [
        await desk.client.post(f"/v1/referrals/{each}/receipts", headers={"authorization": "Bearer wrong"})
        for each in (MINE, YOURS, NOBODYS, "no id")
    ]

    assert {401} == {each.status_code for each in answers}
    assert 1 == len({each.content for each in answers})


async def test_a_reader_of_the_topic_may_be_ahead_of_the_door(desk: Desk) -> None:
    """It answers a referral that the door has not seen yet: the door waits for it."""
    ahead = a_referral(4).referral_id
    answering = asyncio.create_task(desk.answer(str(ahead), ahead))
    while "hotline-nl" not in desk.view._changed:  # noqa: ASYNC110 - nothing tells when a caller begins to wait
        await asyncio.sleep(0)
    desk.feed("hotline-nl", ahead)

    assert 202 == (await answering).status_code


async def test_where_nobody_can_know_the_receipt_is_taken(desk: Desk) -> None:
    """An agency without a feed, and a door that is still reading: no acknowledgement is lost, the hop looks again."""
    without = await desk.answer(str(NOBODYS), NOBODYS, agency="police-no")
    desk.ready.clear()
    reading = await desk.answer(str(NOBODYS), NOBODYS)

    assert (202, 202) == (without.status_code, reading.status_code)
