"""
``vidare review list|decide``: what a person must decide, and the decision on its way back into the mesh.

A question is open while its tip's newest decision is the one that asked it: a
correction, an answer or a clock may have decided the tip anew since.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import ValidationError

from contracts import headers as h
from contracts.events import ReviewAsked
from contracts.topics import DECISIONS, REVIEWS
from contracts.vocabulary import AssessmentStatus, Priority
from services.chassis.broker.broker_port import Broker, Out
from services.chassis.codec import Envelope, epoch_ms, rfc3339_ms
from services.chassis.hop import Record
from services.chassis.onboarding import load_agencies
from services.chassis.settings import Settings
from services.cli import output
from services.cli.context import with_broker
from services.cli.kafka_io import all_records, connected, write
from services.router.following.reviews import HumanDecision
from services.router.following.signers import different
from services.router.geography.registry import load_registry

NO = 1
MAY = tuple(level for level in Priority if level is not Priority.PX)


@dataclass(frozen=True, slots=True)
class Open:
    """One question that waits, and how urgent its whole tip is."""

    asked: ReviewAsked
    level: Priority
    record: Record


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants, as they typed it."""

    by: tuple[str, ...]
    reason: str
    refer: str = ""
    country: str | None = None
    status: str | None = None
    priority: str | None = None
    close: bool = False

    @property
    def agencies(self) -> tuple[str, ...]:
        """Ids of the agencies that are named."""
        return tuple(name.strip() for name in self.refer.split(",") if name.strip())


class Refused(Exception):
    """The desk says no; the text says why and what to do."""


def list_(settings: Settings, *, json: bool = False) -> int:
    """Show what waits, the most urgent and oldest deadline first."""
    settings = with_broker(settings)

    async def found() -> list[Open]:
        async with connected(settings.kafka or "") as broker:
            return await waiting(broker)

    rows = [told(one) for one in asyncio.run(found())]
    if json:
        output.as_json(rows)
        return 0
    names = ("tip", "version", "partner", "reasons", "priority", "decide_by", "waits_for", "review")
    output.table(names, [[_cell(row[name]) for name in names] for row in rows])
    output.note(f"{len(rows)} tips wait for a person")
    return 0


def decide(settings: Settings, name: str, wish: Wish, *, json: bool = False) -> int:
    """
    Write the decision; 1 if the desk refuses it.

    Raises:
        Misconfigured: The settings are wrong.
    """
    settings = with_broker(settings)
    now = datetime.now(UTC)

    async def send() -> Open:
        async with connected(settings.kafka or "") as broker:
            return await decided(broker, settings, name, wish, now)

    try:
        one = asyncio.run(send())
    except Refused as error:
        output.note(f"refused: {error}")
        return NO
    if json:
        output.as_json({"tip": str(one.asked.tip_id), "review": str(one.asked.review_id), "decided_by": list(wish.by)})
    else:
        output.line(f"decided: tip {one.asked.tip_id} goes on as its next version; see `vidare tip {one.asked.tip_id}`")
    return 0


async def waiting(broker: Broker) -> list[Open]:
    """Every question that is open now."""
    latest: dict[UUID, tuple[int, Priority]] = {}
    async for record in all_records(broker, DECISIONS):
        said = _decision_in(record)
        if said is not None and said[1] >= latest.get(said[0], (0, Priority.PX))[0]:
            latest[said[0]] = said[1:]
    questions = [record async for record in all_records(broker, REVIEWS)]
    found = [
        Open(asked, latest[asked.tip_id][1], record)
        for asked, record in _newest(questions)
        if asked.state == "open" and asked.tip_id in latest and latest[asked.tip_id][0] == asked.version
    ]
    return sorted(found, key=lambda one: (one.asked.priority, one.asked.decide_by, str(one.asked.tip_id)))


def _decision_in(record: Record) -> tuple[UUID, int, Priority] | None:
    """Tip, version and level of a recorded decision; None for a record that is none."""
    try:
        data = orjson.loads(record.value or b"null")
        return UUID(data["tip_id"]), int(data["version"]), Priority(data["priority"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _newest(records: Iterable[Record]) -> Iterable[tuple[ReviewAsked, Record]]:
    """The last word on each question."""
    last: dict[UUID, tuple[ReviewAsked, Record]] = {}
    for record in records:
        with suppress(ValidationError):  # the router parks what is no question; here it hides none of the others
            asked = ReviewAsked.model_validate_json(record.value or b"null")
            last[asked.review_id] = asked, record
    return last.values()


async def decided(broker: Broker, settings: Settings, name: str, wish: Wish, now: datetime) -> Open:
    """
    Check the decision, write it, return the question that it answers.

    Raises:
        Refused: Nobody asked, or it may not be decided so.
    """
    found, name = await waiting(broker), name.strip().lower()
    one = next((each for each in found if name in (str(each.asked.tip_id), str(each.asked.review_id))), None)
    if one is None:
        raise Refused(f"no open question {name}: `vidare review list` shows those that wait")
    out = answer(one, human(wish, settings), wish.by, now)
    await write(broker, [out], writer="review-decide")
    return one


def human(wish: Wish, settings: Settings) -> HumanDecision:
    """
    The decision that *wish* is.

    Raises:
        Refused: Something in it means nothing here.
    """
    if not wish.reason.strip():
        raise Refused("a decision needs a reason: --reason TEXT")
    if wish.close and (wish.agencies or wish.country or wish.status or wish.priority):
        raise Refused("--close ends the tip here: nothing else can be decided with it")
    _known("--status", wish.status, [*AssessmentStatus])
    _known("--priority", wish.priority, MAY)
    agencies = load_agencies(settings)
    for agency in wish.agencies:
        record = agencies.get(agency)
        if record is None or not record.active:
            raise Refused(f"--refer {agency}: no such agency is onboarded and active; see {settings.agencies_file}")
    if wish.country and wish.country not in load_registry(settings.registry_file):
        raise Refused(f"--country {wish.country}: no such country; write its two letters, such as NL")
    data = {
        "reason": wish.reason.strip(), "refer": wish.agencies, "country": wish.country, "status": wish.status,
        "priority": wish.priority, "close": wish.close,
    }  # fmt: skip
    try:
        return HumanDecision.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Refused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def answer(one: Open, wanted: HumanDecision, by: Sequence[str], now: datetime) -> Out:
    """
    The ``review/1`` that answers *one*, in the trace of its tip.

    Raises:
        Refused: Two people are needed, or nobody signed.
    """
    asked = one.asked
    if not different(by):
        raise Refused("a decision needs somebody who takes it: --by NAME")
    lowers = wanted.lowers(one.level)
    people = different((*(_proposers(asked, wanted) if lowers else ()), *by))
    if lowers and len(people) < 2:
        raise Refused("lowering or closing a P0 needs two different people: name the second with another --by")
    at = rfc3339_ms(now)
    body: dict[str, Any] = asked.model_dump(mode="json", by_alias=True) | {
        "state": "decided",
        "decision": wanted.model_dump(mode="json", exclude_none=True),
        "decided_by": people,
        "decided_at": at,
    }
    event = uuid5(asked.review_id, f"decided/{at}/{'/'.join(people)}")
    came_with = one.record.header(h.TRACEPARENT) or b""
    headers = Envelope("cli").headers("review/1", str(event).encode(), at.encode(), came_with)
    cause = one.record.header(h.VIDARE_CAUSE)
    kept = [(h.VIDARE_TIP, str(asked.tip_id).encode()), *([(h.VIDARE_CAUSE, cause)] if cause else [])]
    headers = [pair for pair in (*headers, *kept) if pair[1]]
    return Out(REVIEWS, one.record.partition, one.record.key, orjson.dumps(body), headers, epoch_ms(now))


def _proposers(asked: ReviewAsked, wanted: HumanDecision) -> tuple[str, ...]:
    """Who proposed the very same on the open question; nobody agrees to what somebody else wants besides."""
    try:
        proposed = HumanDecision.model_validate(asked.decision or {})
    except ValidationError:
        return ()
    return asked.decided_by if proposed.wish == wanted.wish else ()


def told(one: Open) -> dict[str, Any]:
    """One row of the list."""
    asked = one.asked
    return {
        "tip": str(asked.tip_id),
        "review": str(asked.review_id),
        "version": asked.version,
        "partner": asked.partner,
        "reasons": list(asked.reasons),
        "priority": asked.priority.value,
        "tip_priority": one.level.value,
        "opened_at": rfc3339_ms(asked.opened_at),
        "decide_by": rfc3339_ms(asked.decide_by),
        "waits_for": "a second person" if asked.decided_by else None,
    }


def _known(option: str, given: str | None, words: Sequence[str]) -> None:
    if given is not None and given not in words:
        raise Refused(f"{option} {given}: it is one of {', '.join(words)}")


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value
