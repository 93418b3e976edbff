"""
What waits: a takedown until the police have acknowledged, or a day (R06).

The police are told first, the operator of the server after them. At P0 and P1
no clock runs: only the police release it, by an answer that says they acted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from contracts.vocabulary import Action, EntryKind
from services.chassis.hop import Entry
from services.router.decision import Decision, Later, route
from services.router.following.referrals import Step, Words
from services.router.following.rows import GroupRow, Lead, Pending, Sent, TipRow, history_of

if TYPE_CHECKING:
    from services.router.following.turn import Turn

RELEASE_AFTER = timedelta(hours=24)
LATER = "later/"


def plan(turn: Turn, words: Words, decision: Decision, row: TipRow, group: GroupRow) -> None:
    """Let the takedowns of *decision* wait, or go at once where the police of this group have answered."""
    wanted = {one.to.id: one for one in decision.later}
    for agency in [name for name, pending in group.later.items() if pending.tip == row.tip and name not in wanted]:
        del group.later[agency]
        turn.outcome.cancels.append(_key(group.group, agency))
    for agency, one in wanted.items():
        lead = group.leads.get(agency)
        if lead is None and agency not in group.later:
            group.later[agency] = Pending(row.tip, one.police_only)
            if _answered(group, one):
                _send(turn, words, one, row, group)
            elif not one.police_only:
                turn.timer(_key(group.group, agency), RELEASE_AFTER)


def release(turn: Turn, group: GroupRow, *, acted: bool) -> None:
    """The police answered (*acted*: they did something, or closed the case): what may go now, goes."""
    for agency, pending in list(group.later.items()):
        if acted or not pending.police_only:
            turn.outcome.cancels.append(_key(group.group, agency))
            _release(turn, group, agency, pending)


def time_is_up(turn: Turn, key: str) -> None:
    """A day has passed without an answer of the police."""
    name, _, agency = key.removeprefix(LATER).partition("/")
    group = turn.shelf.group(name)
    pending = group.later.get(agency)
    if pending is not None:
        _release(turn, group, agency, pending)
        turn.shelf.keep_group(group)


def _release(turn: Turn, group: GroupRow, agency: str, pending: Pending) -> None:
    """Decide the waiting tip once more: a takedown that is not asked for any longer never goes."""
    row, located = turn.shelf.tip(pending.tip), turn.shelf.body(pending.tip)
    del group.later[agency]
    if row is None or located is None:
        return
    decision = route(located, turn.world, history_of(row), now=turn.now)
    one = next((one for one in decision.later if one.to.id == agency), None)
    if one is None:
        return
    words = Words(located, decision, row.version, world=turn.world, now=turn.now)
    _send(turn, words, one, row, group)
    turn.shelf.keep_tip(row)


def _send(turn: Turn, words: Words, one: Later, row: TipRow, group: GroupRow) -> None:
    group.later.pop(one.to.id, None)
    rid = words.referral(one.to.id)
    turn.emit(words, Step(one.to, Action.NEW, rid))
    row.sent[one.to.id] = Sent(str(rid), row.version, one.to.priority)
    group.leads[one.to.id] = Lead(str(rid), row.tip, one.to.priority, partners=[words.located.received.partner])
    basis = {"rulebook": words.decision_book, "asked": {one.to.id: list(one.to.rules)}}
    tally = {**row.told, "version": row.version, "referrals": [str(rid)], "superseded": []}
    turn.outcome.entries.append(Entry(EntryKind.HOP_ROUTED, row.tip, "the takedown may go now", basis, tally))
    turn.outcome.tip = turn.outcome.tip or row.tip


def _answered(group: GroupRow, one: Later) -> bool:
    lead = group.leads.get(one.police)
    return lead is not None and lead.acknowledged and not one.police_only


def _key(group: str, agency: str) -> str:
    return f"{LATER}{group}/{agency}"
