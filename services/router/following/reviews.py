"""
What a person decided on a tip that the rules could not settle: it goes on through the same pipeline.

Every decision has an actor and a reason. A tip of the highest level is lowered
or closed by two different people who want the same, or not at all: what one
proposes stays with the open question until another confirms it, or anybody
decides something else.
"""

from dataclasses import replace
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field, ValidationError

from contracts import topics
from contracts.events import ReviewAsked
from contracts.onboarding import CountryCode, Id, Strict
from contracts.vocabulary import AssessmentStatus, DeadReason, EntryKind, Priority
from services.chassis.errors import Poison
from services.chassis.hop import Emit, Entry
from services.router.facts import History
from services.router.following.rows import TipRow, history_of, remember
from services.router.following.signers import different
from services.router.following.turn import Turn
from services.router.following.versions import Cause

SECOND_PERSON = "second_person"


def _of_a_referral(level: Priority | None) -> Priority | None:
    if level is Priority.PX:
        raise ValueError("PX is the end of a tip, which is said by close")
    return level


class HumanDecision(Strict):
    """The ``decision`` of a decided ``review/1``: at least a reason; what is not named stays as the rules say."""

    reason: str = Field(min_length=1, max_length=2_000)
    refer: tuple[Id, ...] = ()
    """Agencies that must have the tip besides those that the rules name."""
    country: CountryCode | None = None
    """Where the content is hosted (the origin behind a proxy, one of several candidates)."""
    status: AssessmentStatus | None = None
    priority: Annotated[Priority | None, AfterValidator(_of_a_referral)] = None
    close: bool = False
    """Not referable."""

    @property
    def wish(self) -> dict[str, Any]:
        """All that is decided, without the reason: two people who give different ones want the same."""
        return self.model_dump(mode="json", exclude={"reason"}, exclude_defaults=True)

    def lowers(self, level: Priority | str) -> bool:
        """Tell whether it lowers or closes a tip of the highest *level*: two people must want that."""
        return level == Priority.P0 and (self.close or (self.priority is not None and self.priority > Priority.P0))


def take(turn: Turn, asked: ReviewAsked) -> None:
    """
    Work one record of ``reviews``: our own questions pass by, a person's answer is carried out.

    Raises:
        Poison: The answer is not a decision, or nobody signed it.
    """
    if asked.state != "decided":
        return
    try:
        human = HumanDecision.model_validate(asked.decision or {})
    except ValidationError:
        raise Poison(DeadReason.INVALID_EVENT) from None
    people = different(asked.decided_by)
    if not people:
        raise Poison(DeadReason.INVALID_EVENT)
    row, located = turn.shelf.tip(str(asked.tip_id)), turn.shelf.body(str(asked.tip_id))
    turn.outcome.tip = str(asked.tip_id)
    if row is None or located is None or row.review != str(asked.review_id):
        _entry(turn, people, asked, human, {"version": 0, "ignored": "no such open review"})
        return
    if human.lowers(row.level):
        people = different((*_proposers(row, human), *people))
        if len(people) < 2:
            _ask_second(turn, row, people, asked, human)
            _entry(turn, people, asked, human, {"version": 0, "waits_for": SECOND_PERSON})
            return
    _entry(turn, people, asked, human, {"version": row.version, "before": row.level})
    remember(row, _history(history_of(row), human))
    decision = turn.take(located, row, cause=Cause.PERSON)
    turn.outcome.entries[0].tally = {**turn.outcome.entries[0].tally, "after": decision.priority.value}


def _history(before: History, human: HumanDecision) -> History:
    return replace(
        before,
        decided=True,
        closed=human.close,
        refer=tuple(dict.fromkeys((*before.refer, *human.refer))),
        hosting=human.country or before.hosting,
        status=human.status or before.status,
        level=human.priority or before.level,
    )


def _proposers(row: TipRow, human: HumanDecision) -> tuple[str, ...]:
    """Who proposed the very same before; somebody who wanted something else has not agreed."""
    return tuple(row.proposed["by"]) if row.proposed.get("wish") == human.wish else ()


def _ask_second(turn: Turn, row: TipRow, people: tuple[str, ...], asked: ReviewAsked, human: HumanDecision) -> None:
    """The question stays open, and says what it waits for, who proposes what."""
    row.proposed = {"by": list(people), "wish": human.wish}
    turn.shelf.keep_tip(row)
    again: dict[str, Any] = asked.model_dump(mode="json", by_alias=True)
    reasons = list(dict.fromkeys((*asked.reasons, SECOND_PERSON)))
    again |= {
        "state": "open",
        "reasons": reasons,
        "decision": human.model_dump(mode="json", exclude_none=True),
        "decided_by": people,
        "decided_at": None,
    }
    body = orjson.dumps(again)
    turn.outcome.events.append(Emit(topics.REVIEWS, asked.group_id, "review/1", body, tip=str(asked.tip_id)))


def _entry(
    turn: Turn, people: tuple[str, ...], asked: ReviewAsked, human: HumanDecision, tally: dict[str, Any]
) -> None:
    basis = human.model_dump(mode="json", exclude_none=True)
    actor = " and ".join(sorted(people))
    entry = Entry(EntryKind.REVIEW_DECIDED, str(asked.tip_id), "a person decided", basis, tally, actor=actor)
    turn.outcome.entries.append(entry)
