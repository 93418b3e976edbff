"""
``vidare agencies pause|resume|redeliver|close``: orders to the notifier, and what they came to.

An order is a record in a topic: it is carried out once, whatever is killed, and
stands in the custody log with name and reason. The command waits for that entry.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson

from contracts.events import AgencyOrdered
from contracts.topics import CUSTODY, ORDERS
from contracts.vocabulary import EntryKind, Order, Priority
from services.chassis.broker.broker_port import Broker, Out, Spot
from services.chassis.codec import Envelope, epoch_ms, partition_of, rfc3339_ms
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import load_agencies
from services.chassis.settings import Settings
from services.chassis.telemetry.tracecontext import fresh_context
from services.cli import output
from services.cli.commands.agencies import rows, unknown
from services.cli.commands.agencies_rows import Row, pack
from services.cli.commands.agencies_wish import WHY, Wish, order_of, uuid_of
from services.cli.context import with_broker
from services.cli.kafka_io import connected, write
from services.cli.wronguse import WrongUse
from services.notifier.delivering.draft import ROW
from services.notifier.delivering.unreachable import KEPT
from services.notifier.ordering.obeying import BEGUN
from services.notifier.ordering.orders import Refusal, are_two, needs_two

NO = 1
LOOK_S = 0.2


class Found(NamedTuple):
    """A referral as it is now."""

    agency: str
    attempts: int | None
    priority: Priority
    acknowledged: bool


def order(settings: Settings, what: Order, agency: str, wish: Wish, *, json: bool = False) -> int:
    """
    Give an order for *agency* and say what it came to; 1 where it changed nothing.

    Raises:
        WrongUse: There is no such agency, or the order says too little; says what.
    """
    known = load_agencies(settings).records
    if agency not in known:
        raise unknown(agency, known)
    given = order_of(what, agency, wish, datetime.now(UTC))
    settings = with_broker(settings)
    return asyncio.run(_give(settings, given, wish, json=json))


def close(settings: Settings, referral: str, wish: Wish, *, json: bool = False) -> int:
    """
    End *referral* by name and reason; 1 where it changed nothing.

    Raises:
        WrongUse: No such referral waits, or one person closes a P0.
    """
    which, settings = uuid_of(referral), with_broker(settings)

    async def give() -> int:
        async with connected(settings.kafka or "") as broker:
            found = await find(broker, which)
        if found is None:
            raise WrongUse(f"no agency has a referral {which}; `vidare agencies ID` names those that are parked")
        given = order_of(Order.CLOSE, found.agency, wish._replace(referral=referral), datetime.now(UTC))
        if needs_two(found.priority, acknowledged=found.acknowledged) and not are_two(given.by):
            raise WrongUse(WHY[Refusal.NEEDS_TWO])
        return await _give(settings, given, wish, json=json)

    return asyncio.run(give())


async def find(broker: Broker, referral: UUID, agency: str | None = None) -> Found | None:
    """The newest state of *referral*, whichever agency has it; of *agency* only where that is given."""
    found: Found | None = None
    ending = f"/{referral}".encode()
    async for key, value in rows(broker, agency):
        if not key.endswith(ending) or key[:2].decode() not in (ROW, KEPT):
            continue
        named = key[2 : -len(ending)].decode()
        if agency not in (None, named):
            continue
        if value is not None:
            found = _found(named, key, value)
        elif found is not None and found.agency == named:
            found = None
    return found


def _found(agency: str, key: bytes, value: bytes) -> Found:
    if key.startswith(KEPT.encode()):
        return Found(agency, None, Priority(orjson.loads(value)["priority"]), acknowledged=False)
    row = Row.unpack(pack(value))
    return Found(agency, row.attempts, row.level, acknowledged=bool(row.acknowledged))


async def _give(settings: Settings, given: AgencyOrdered, wish: Wish, *, json: bool) -> int:
    async with connected(settings.kafka or "") as broker:
        if given.order is Order.REDELIVER and given.referral is not None:
            found = await find(broker, given.referral, given.agency)
            given = given.model_copy(update={"seen": found.attempts if found else None})
        event, custody = uuid4(), Spot(CUSTODY, 0)
        begin = (await broker.spans([custody]))[custody].end
        await write(broker, [await _written(broker, given, event)], writer="agencies")
        said = await _answer(broker, str(event), begin, wish.wait_s)
    return _tell(given, event, said, wish, json=json)


async def _written(broker: Broker, given: AgencyOrdered, event: UUID) -> Out:
    """
    The order as a record.

    Raises:
        Misconfigured: The topic of orders is missing.
    """
    count = (await broker.partitions([ORDERS])).get(ORDERS, 0)
    if count == 0:
        raise Misconfigured(f"topic {ORDERS} is missing: run `vidare topics apply`")
    at, trace = rfc3339_ms(given.at), fresh_context(event).header
    headers = Envelope("cli").headers("agency-order/1", str(event).encode(), at.encode(), trace)
    body = given.model_dump_json(by_alias=True, exclude_none=True).encode()
    return Out(ORDERS, partition_of(given.agency, count), given.agency.encode(), body, headers, epoch_ms(given.at))


async def _answer(broker: Broker, event: str, begin: int, wait_s: float) -> dict[str, Any] | None:
    """What the custody log says of the order; None where the notifier has not carried it out in time."""
    until, spot = time.monotonic() + wait_s, Spot(CUSTODY, 0)
    latest: dict[str, Any] | None = None
    while True:
        end = (await broker.spans([spot]))[spot].end
        async for records in broker.read_to(spot, begin, end):
            for record in records:
                tally = _tally(record.value, event)
                latest = tally or latest
        begin = max(begin, end)
        if (latest is not None and latest["state"] != BEGUN) or time.monotonic() >= until:
            return latest
        await asyncio.sleep(LOOK_S)


def _tally(value: bytes | None, event: str) -> dict[str, Any] | None:
    if value is None or event.encode() not in value:
        return None
    entry: dict[str, Any] = orjson.loads(value)
    tally: dict[str, Any] = entry.get("tally", {})
    ours = entry.get("kind") == EntryKind.AGENCY_ORDERED.value and tally.get("order_id") == event
    return tally if ours else None


def _tell(given: AgencyOrdered, event: UUID, said: dict[str, Any] | None, wish: Wish, *, json: bool) -> int:
    state = said["state"] if said else "written"
    refused = said.get("refused") if said else None
    counts = said.get("counts", {}) if said else {}
    if json:
        answer = {"agency": given.agency, "order": given.order.value, "order_id": event, "state": state}
        output.as_json(answer | {"refused": refused, "counts": counts})
        return 0 if state == "done" else NO
    if refused is not None:
        output.line(f"{given.agency}: nothing changed: {WHY.get(refused, refused)}")
    elif state == "done":
        output.line(f"{given.agency}: {_done(given, counts)}")
    elif state == BEGUN:
        output.line(f"{given.agency}: the replay goes on; `vidare agencies {given.agency}` shows it")
    else:
        output.line(
            f"{given.agency}: the order stands in {ORDERS} and no notifier has carried it out within "
            f"{wish.wait_s:g} s; it will be, once one runs"
        )
    return 0 if state == "done" else NO


def _done(given: AgencyOrdered, counts: dict[str, int]) -> str:
    if given.order is Order.PAUSE:
        return "paused; nothing is pushed to it until `vidare agencies resume`, and clocks go on"
    if given.order is Order.RESUME:
        return "resumed; what waited goes out in order"
    if given.order is Order.CLOSE:
        return f"referral {given.referral} is closed"
    if given.referral is not None:
        return f"referral {given.referral} goes out again, with the same id and bytes"
    left_out = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()) if word != "sent_again")
    return f"{counts.get('sent_again', 0)} go out again" + (f"; left out: {left_out}" if left_out else "")
