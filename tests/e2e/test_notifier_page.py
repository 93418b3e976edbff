"""The page behind a mail's link over HTTP: looking changes nothing, answering is a receipt like any other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from services.chassis.clock import SystemClock
from services.chassis.errors import Unavailable
from services.notifier.answering.door_links import LARGEST_FORM_BYTES
from services.notifier.answering.links import Answerable, Links
from services.notifier.channels.pull import PullView
from services.notifier.door import DoorParts, create_door
from tests.support.notifier_world import a_referral

LINKS = Links(b"k" * 32, "https://mesh.example")
REFERRAL = a_referral().referral_id
SOON = datetime.now(UTC) + timedelta(hours=1)
QUESTION = {"status": "question", "text": "Vilket konto? åäö 😀"}
GOOD = LINKS.token(Answerable("hotline-nl", REFERRAL), SOON)


@dataclass
class Inbox:
    """An inbox that remembers, or is down."""

    down: bool = False
    kept: list[tuple[str, bytes | None, Any, list[tuple[str, bytes]]]] = field(default_factory=list)

    async def append(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]], partition: int = 0
    ) -> tuple[int, int]:
        """Keep the record, or say that it is not durable."""
        if self.down:
            raise Unavailable("the broker")
        self.kept.append((topic, key, orjson.loads(value), list(headers)))
        return partition, len(self.kept)


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep one."""
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def inbox() -> Inbox:
    """The agency's inbox."""
    return Inbox()


@pytest.fixture
async def client(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A door whose agencies are hotline-nl and police-se."""
    parts = DoorParts(
        {}, PullView(), inbox, SystemClock(), asyncio.Event(), links=LINKS, agencies={"hotline-nl", "police-se"}
    )
    transport = httpx.ASGITransport(create_door(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://door.test") as made:
        yield made
    parts.view.close()


def form(**fields: str) -> dict[str, Any]:
    """A form as a browser posts it."""
    return {
        "content": urlencode(fields).encode(),
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    }


async def test_looking_changes_nothing(client: httpx.AsyncClient, inbox: Inbox) -> None:
    """A scanner opens every link of every mail, as often as it likes."""
    pages = {(await client.get(f"/receipts/{GOOD}")).text for _ in range(3)}
    await client.head(f"/receipts/{GOOD}")

    assert 1 == len(pages)
    assert str(REFERRAL) in pages.pop()
    assert [] == inbox.kept


async def test_the_page_runs_and_loads_nothing(client: httpx.AsyncClient) -> None:
    """No script, no picture, no address of elsewhere; not stored, not framed, and the link is told to nobody."""
    answer = await client.get(f"/receipts/{GOOD}")
    tags = Tags(answer.text).found

    assert {"script", "img", "iframe", "link", "a", "object"}.isdisjoint({tag for tag, _ in tags})
    assert not [attrs for _, attrs in tags if any(name in ("src", "href", "action", "onclick") for name in attrs)]
    assert [("form", "post")] == [(tag, attrs["method"]) for tag, attrs in tags if tag == "form"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert ("no-store", "no-referrer", "nosniff") == tuple(
        answer.headers[name] for name in ("cache-control", "referrer-policy", "x-content-type-options")
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "acknowledged", "reference": " NL-7 "}, {"status": "acknowledged", "reference": "NL-7"}),
        (
            {"status": "actioned", "reference": "NL-7", "outcome": "content_removed", "nack": "", "text": ""},
            {"status": "actioned", "reference": "NL-7", "outcome": "content_removed"},
        ),
        ({"status": "nack", "nack": "not_ours", "outcome": "moved"}, {"status": "nack", "nack": "not_ours"}),
        (
            {"status": "actioned", "outcome": "moved", "moved_to": " pe "},
            {"status": "actioned", "outcome": "moved", "moved_to": "PE"},
        ),
        ({"status": "active_investigation", "reference": "", "text": "x"}, {"status": "active_investigation"}),
        (
            {"status": "question", "text": "Vilket konto? åäö 😀"},
            {"status": "question", "text": "Vilket konto? åäö 😀"},
        ),
    ],
)
async def test_an_answer_is_the_same_receipt_as_by_any_other_way(
    fields: dict[str, str], said: dict[str, str], client: httpx.AsyncClient, inbox: Inbox
) -> None:
    """In the agency's own inbox, for the referral of the link, marked with how it came."""
    answer = await client.post(f"/receipts/{GOOD}", **form(**fields))

    assert 200 == answer.status_code
    whole = {"schema": "receipt/1", "referral_id": str(REFERRAL)} | said
    key = str(REFERRAL).encode()
    assert [("receipts-inbox-hotline-nl", key, whole, [("vidare-via", b"link")])] == inbox.kept


async def test_a_form_cannot_answer_for_another_referral(client: httpx.AsyncClient, inbox: Inbox) -> None:
    """What the link does not say, the form cannot."""
    more = {"referral_id": str(a_referral(2).referral_id), "agency": "police-se", "schema": "receipt/9"}
    await client.post(f"/receipts/{GOOD}", **form(status="acknowledged", reference="NL-7", **more))

    assert [("receipts-inbox-hotline-nl", str(REFERRAL))] == [
        (topic, body["referral_id"]) for topic, _, body, _ in inbox.kept
    ]


BAD = {
    "forged": GOOD[:-1] + ("A" if GOOD[-1] != "A" else "B"),
    "expired": LINKS.token(Answerable("hotline-nl", REFERRAL), datetime.now(UTC) - timedelta(seconds=1)),
    "another mesh's": Links(b"x" * 32, "").token(Answerable("hotline-nl", REFERRAL), SOON),
    "another agency's": LINKS.token(Answerable("police-se", REFERRAL), SOON).split(".")[0] + "." + GOOD.split(".")[1],
    "not onboarded": LINKS.token(Answerable("hotline-de", REFERRAL), SOON),
    "garbage": "a/b/..%2f%00",
    "long": "A" * 5000,
    "none": "x",
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
async def test_every_other_link_is_the_same_nothing(token: str, client: httpx.AsyncClient, inbox: Inbox) -> None:
    """Corpus 87: forged, too old, somebody else's, junk: one page, whoever asks how."""
    seen = await client.get(f"/receipts/{token}")
    sent = await client.post(f"/receipts/{token}", **form(status="acknowledged", reference="NL-7"))
    usual = await client.get("/receipts/x.y")

    assert [404] * 3 == [answer.status_code for answer in (seen, sent, usual)]
    assert 1 == len({answer.text for answer in (seen, sent, usual)})
    assert 1 == len({str(answer.headers) for answer in (seen, sent, usual)})
    assert [] == inbox.kept


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not as it must be"),
        (b"status=acknowledged", "needs your case number"),
        (b"status=acknowledged&reference=%20", "needs your case number"),
        (b"status=acknowledged&reference=" + b"x" * 201, "not as it must be"),
        (b"status=nack", "why you cannot"),
        (b"status=nack&nack=never", "not as it must be"),
        (b"status=question", "needs its text"),
        (b"status=closed&reference=x", "not as it must be"),
        (b"status=actioned&outcome=moved", "which country"),
        (b"status=actioned&outcome=moved&moved_to=Netherlands", "not as it must be"),
        (b"status=question&text=" + b"x" * 20_001, "not as it must be"),
        (b"status=acknowledged&reference=%ff%fe", "not as it must be"),
        (b"\xff\xfe", "not as it must be"),
        (b"&".join(b"a%d=1" % number for number in range(100)), "not as it must be"),
        (b"status=question&text=" + b"x" * LARGEST_FORM_BYTES, "too long"),
        (b'{"status": "acknowledged"}', "not as it must be"),
    ],
)
async def test_an_answer_that_is_none_is_asked_for_again(
    raw: bytes, says: str, client: httpx.AsyncClient, inbox: Inbox
) -> None:
    """In words, with the form; what was sent is not shown again, and nothing is recorded."""
    answer = await client.post(f"/receipts/{GOOD}", content=raw)

    assert 422 == answer.status_code
    assert says in answer.text
    assert "Nothing was recorded" in answer.text
    assert [] == inbox.kept


async def test_an_endless_form_is_left(client: httpx.AsyncClient) -> None:
    """Reading stops at the bound; nobody fills the door's memory."""
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(1000):
            given += 64 * 1024
            yield b"x" * 64 * 1024

    answer = await client.post(f"/receipts/{GOOD}", content=endless())

    assert 422 == answer.status_code
    assert given <= LARGEST_FORM_BYTES + 2 * 64 * 1024


async def test_what_is_not_durable_is_not_thanked_for(client: httpx.AsyncClient, inbox: Inbox) -> None:
    """The broker is down: the agency is told to send it again."""
    inbox.down = True
    answer = await client.post(f"/receipts/{GOOD}", **form(status="acknowledged", reference="NL-7"))

    assert (503, "60") == (answer.status_code, answer.headers["retry-after"])
    assert "Nothing was recorded" in answer.text


async def test_markup_of_a_stranger_is_never_shown(client: httpx.AsyncClient) -> None:
    """Corpus 64: neither what was typed nor what stood in the address comes back."""
    for way in ({"status": "nack", "reference": "<script>alert(1)</script>"}, {"status": "<b>"}):
        answer = await client.post(f"/receipts/{GOOD}?x=<script>", **form(**way))
        assert "<script" not in answer.text
        assert "<b>" not in answer.text
