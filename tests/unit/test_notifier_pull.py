"""The pull channel's read model, fed from the in-memory broker."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

from contracts.events import DeliveryRecorded
from services.chassis.broker.broker_port import Out
from services.chassis.broker.memory import MemoryBroker
from services.notifier.channels.pull import PullView, follow
from tests.support.notifier_world import a_referral


def document(number: int) -> Out:
    """A referral in the feed."""
    referral = str(a_referral(number).referral_id)
    return Out("referrals-agency-hotline-nl", 0, referral.encode(), orjson.dumps({"referral_id": referral}), [], 0)


def acknowledged(number: int) -> Out:
    """An acknowledgement in ``deliveries``."""
    event = a_referral(number)
    body = DeliveryRecorded(
        referral_id=event.referral_id,
        tip_id=event.tip_id,
        version=1,
        destination="hotline-nl",
        what="acknowledged",
        at=datetime.now(UTC),
    )
    return Out("deliveries", 1, None, body.model_dump_json(by_alias=True).encode(), [], 0)


async def test_the_view_catches_up_and_follows(tmp_path: Path) -> None:
    """What was written before and after the start is there; answers that come first count too."""
    broker, view, ready = MemoryBroker(), PullView(tmp_path / "views" / "pull.db"), asyncio.Event()
    broker.create("referrals-agency-hotline-nl", 1)
    broker.create("deliveries", 2)
    broker.append([document(1), document(2), acknowledged(1), acknowledged(3)])
    following = asyncio.create_task(follow(view, broker, ["hotline-nl", "hotline-without-topic"], ready))
    async with asyncio.timeout(5):
        await ready.wait()
        assert 1 == len(view.page("hotline-nl").documents)
        broker.append([document(3), document(4)])
        page = await view.wait_page("hotline-nl", after=1, open_only=True, wait_s=5)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following

    assert [str(a_referral(4).referral_id)] == [orjson.loads(raw)["referral_id"] for raw in page.documents]
    view.close()
