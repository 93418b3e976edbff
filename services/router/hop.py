"""The router's hop: located tips, answers and people's decisions in; referrals, decisions and questions out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

import orjson
from pydantic import BaseModel, ValidationError

from contracts import topics
from contracts.events import OutcomeReported, ReviewAsked, TipLocated
from contracts.vocabulary import DeadReason
from services.chassis.errors import Poison
from services.chassis.hop import Input, Lane, Outcome, Record, TaskSpec, Timer, View, same_partition_topics
from services.router.decision import World
from services.router.following import later, outcomes, reviews
from services.router.following.notices import ring
from services.router.following.rows import Shelf, TipRow
from services.router.following.turn import AGE, FORGET, SETTLE, Turn, repeat
from services.router.following.versions import Cause
from services.router.rules.books import Books, InUse

Event = TypeVar("Event", bound=BaseModel)

LANES = (
    Lane(topics.LOCATED + topics.URGENT, urgent=True),
    Lane(topics.OUTCOMES, urgent=True),
    Lane(topics.REVIEWS, urgent=True),
    Lane(topics.LOCATED),
)
"""Answers and people are few and may concern the most urgent tips, so they do not wait behind routine ones."""


BOOK = "rulebook"
"""Row of a task's store: digest of the published rulebook that decides, and its offset in the topic."""


class RouterHop:
    """Decides where located tips go, and owns what follows until every destination has answered."""

    name = "router"
    untrusted = False

    def __init__(self, world: World | Books, partitions: int, *, version: str = "0") -> None:
        """Decide in *world*; where it is `Books`, by the rulebook in use when each transaction begins."""
        self.version = version
        self._books = world if isinstance(world, Books) else Books(world)
        self._partitions = partitions
        self._pinned: WeakKeyDictionary[View, _Pinned] = WeakKeyDictionary()

    def warnings(self) -> list[str]:
        """What an operator should know of the rulebook, in words."""
        return self._books.warnings()

    def tasks(self) -> Sequence[TaskSpec]:
        """One task per partition of the located tips."""
        return same_partition_topics(LANES, self._partitions, changelog=topics.CHANGELOG + self.name)

    def decide(self, given: Input, view: View) -> Outcome:
        """
        Decide on one input.

        Raises:
            Poison: The record is not an event of this hop.
        """
        pinned = self._of_transaction(view)
        turn = Turn(pinned.used.world, Shelf(view), given.now, Outcome())
        if given.record is not None:
            _record(turn, given.record)
        elif given.timer is not None:
            _timer(turn, given.timer)
        turn.outcome.puts = turn.shelf.puts
        _note(pinned, view, turn.outcome)
        return turn.outcome

    def _of_transaction(self, view: View) -> "_Pinned":
        """A view is one transaction of one task: all of it is decided by one rulebook, the next may have another."""
        pinned = self._pinned.get(view)
        if pinned is None:
            pinned = self._pinned[view] = _Pinned(self._books.current)
        return pinned


@dataclass(slots=True)
class _Pinned:
    """The rulebook of one transaction."""

    used: InUse
    noted: bool = False


def _note(pinned: _Pinned, view: View, outcome: Outcome) -> None:
    """Where a task switches, its store says to which rulebook, and where in the topic that was activated."""
    if pinned.noted:
        return
    pinned.noted = True
    row = orjson.dumps({"digest": pinned.used.world.book.digest, "offset": pinned.used.offset})
    before = view.get(BOOK)
    if before != row and (before is not None or pinned.used.offset is not None):
        outcome.puts[BOOK] = row


def _record(turn: Turn, record: Record) -> None:
    if record.value is None:
        raise Poison(DeadReason.NULL_VALUE)
    if record.topic == topics.OUTCOMES:
        outcomes.take(turn, _event(OutcomeReported, record.value))
    elif record.topic == topics.REVIEWS:
        reviews.take(turn, _event(ReviewAsked, record.value))
    else:
        _located(turn, _event(TipLocated, record.value), record.value)


def _located(turn: Turn, located: TipLocated, raw: bytes) -> None:
    """A new tip or the next revision of one; the same one again writes nothing."""
    tip = located.received
    row = turn.shelf.tip(str(tip.tip_id)) or TipRow(str(tip.tip_id), tip.group_id)
    if tip.revision <= row.revision:
        if tip.notice is not None and tip.notice.late:
            ring(turn, located, row)
        else:
            repeat(row, turn.outcome)
        return
    cause = Cause.REVISION if row.revision else Cause.NEW
    row.revision = tip.revision
    turn.shelf.keep_body(row.tip, raw)
    turn.take(located, row, cause=cause)


def _timer(turn: Turn, timer: Timer) -> None:
    tip = timer.key.partition("/")[2]
    if timer.key.startswith(FORGET):
        turn.shelf.forget_group(turn.shelf.group(tip))
    elif timer.key.startswith(AGE):
        outcomes.ages(turn, tip)
    elif timer.key.startswith(SETTLE):
        outcomes.settles(turn, tip)
    elif timer.key.startswith(later.LATER):
        later.time_is_up(turn, timer.key)


def _event(model: type[Event], value: bytes) -> Event:
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise Poison(DeadReason.NOT_JSON) from None
        unknown = first["loc"] == ("schema",)
        raise Poison(DeadReason.UNKNOWN_VERSION if unknown else DeadReason.INVALID_EVENT) from None
