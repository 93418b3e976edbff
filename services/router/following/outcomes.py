"""
What agencies answered, and what the router makes of it: release, re-route, hold, or a person.

An answer never loses a tip: who refuses is left out and the tip is decided
again once; the second time, or where the home police refuse, a person looks.
"""

from collections.abc import Callable
from dataclasses import replace

from contracts.events import OutcomeReported
from contracts.vocabulary import EntryKind, Nack, Priority
from services.chassis.hop import Entry
from services.router.facts import History
from services.router.following import later
from services.router.following.rows import Sent, TipRow, history_of, remember
from services.router.following.turn import AGE, Turn
from services.router.following.versions import Cause

MOST_MOVES = 5
"""Moves at which content is no longer followed by rules (R35)."""

UNAVAILABLE = "R11"
MOVED = "R35"


def take(turn: Turn, said: OutcomeReported) -> None:
    """Work one answer; it gets its entry whatever becomes of it."""
    tip = str(said.tip_id)
    turn.outcome.tip = tip
    tally = {"referral": str(said.referral_id), "agency": said.destination, "what": said.what}
    turn.outcome.entries.append(Entry(EntryKind.OUTCOME_TAKEN, tip, "what came of a referral", {}, tally))
    row = turn.shelf.tip(tip)
    if row is None:
        return
    _ANSWERS[said.what](turn, said, row)
    turn.shelf.keep_tip(turn.shelf.tip(tip) or row)


def _settled(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    """Acknowledged, acted on or closed: the clocks stand down, and what waited for the police may go."""
    sent = _sent(said, row)
    if sent is not None:
        sent.state = "closed" if said.what == "closed" else "acknowledged"
    turn.shelf.keep_tip(row)
    group = turn.shelf.group(row.group)
    lead = group.leads.get(said.destination)
    if lead is not None:
        lead.acknowledged = True
    if said.destination == turn.world.atlas.police_home:
        later.release(turn, group, acted=said.what != "acknowledged")
    turn.shelf.keep_group(group)
    if all(one.state != "open" for one in row.sent.values()):
        turn.outcome.cancels.append(AGE + row.tip)


def _put_down(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    """A person at our side ended it: it leads nothing any longer, and nobody has answered, so nothing is released."""
    sent = _sent(said, row)
    if sent is not None:
        sent.state = "closed"
    turn.shelf.keep_tip(row)
    group = turn.shelf.group(row.group)
    lead = group.leads.get(said.destination)
    if lead is not None and lead.referral == str(said.referral_id):
        del group.leads[said.destination]
    turn.shelf.keep_group(group)
    if all(one.state != "open" for one in row.sent.values()):
        turn.outcome.cancels.append(AGE + row.tip)


def _nack(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    if said.nack is Nack.OVERLOAD:
        return
    if said.nack is Nack.MALFORMED:
        _again(turn, said, row, replace(history_of(row), look=UNAVAILABLE))
        return
    _leave_out(turn, said, row)


def _removed(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    _leave_out(turn, said, row)


def _leave_out(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    """Decide again without the agency: once; then a person looks (R11)."""
    agency = said.destination
    _refused(turn, said, row)
    row.turned_away += 1
    at_home = agency == turn.world.atlas.police_home
    look = UNAVAILABLE if at_home or row.turned_away > 1 or said.nack is Nack.LEGAL else None
    history = history_of(row)
    _again(turn, said, row, replace(history, excluded=history.excluded | {agency}, look=look))


def _moved(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    """The content is elsewhere now: decided again for the new country, until it has moved five times (R35)."""
    sent = _sent(said, row)
    if sent is not None:
        sent.state = "closed"
    history = history_of(row)
    moves = history.moves + 1
    known = said.moved_to in turn.world.atlas.registry
    if moves >= MOST_MOVES or not known:
        _again(turn, said, row, replace(history, moves=moves, look=MOVED))
        return
    history = replace(history, moves=moves, event="moved", hosting=said.moved_to)
    _again(turn, said, row, history, cause=Cause.MOVED)


def _expired(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    """No acknowledgement in time: others are asked as well, and the first keeps what it has."""
    sent, atlas, history = _sent(said, row), turn.world.atlas, history_of(row)
    if sent is None or sent.state != "open":
        return
    sent.state = "expired"
    if said.destination == atlas.police_home:
        history = replace(history, look=UNAVAILABLE)
    else:
        history = replace(history, excluded=history.excluded | {said.destination})
    if Priority(sent.priority) is Priority.P0:
        history = replace(history, refer=tuple(dict.fromkeys((*history.refer, atlas.police_home, atlas.bureau))))
    _again(turn, said, row, history)


def _investigated(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    """The police are at it: only they go on (R39)."""
    _again(turn, said, row, replace(history_of(row), investigation=True))


def _refused(turn: Turn, said: OutcomeReported, row: TipRow) -> None:
    """The agency is out for the whole group, and leads nothing there any longer."""
    sent = row.sent.get(said.destination)
    if sent is not None:
        sent.state = "refused"
    group = turn.shelf.group(row.group)
    group.leads.pop(said.destination, None)
    group.excluded = sorted({*group.excluded, said.destination})
    turn.shelf.keep_group(group)


def _again(turn: Turn, said: OutcomeReported, row: TipRow, history: History, *, cause: Cause = Cause.ANSWER) -> None:
    """
    Decide the tip again after an answer.

    That somebody cannot be reached changes nothing about the facts, so it only
    adds: nobody else's copy is taken back. A move and an investigation do.
    """
    located = turn.shelf.body(row.tip)
    if located is None:
        return
    adds_only = cause is Cause.ANSWER and not history.investigation
    remember(row, history)
    turn.take(located, row, cause=cause, silent=tuple(row.sent) if adds_only else (said.destination,))


def _sent(said: OutcomeReported, row: TipRow) -> Sent | None:
    """The newest referral to the agency, where the answer is about it."""
    sent = row.sent.get(said.destination)
    return sent if sent is not None and sent.referral == str(said.referral_id) else None


_ANSWERS: dict[str, Callable[[Turn, OutcomeReported, TipRow], None]] = {
    "acknowledged": _settled,
    "actioned": _settled,
    "closed": _settled,
    "closed_by_person": _put_down,
    "nack": _nack,
    "moved": _moved,
    "expired": _expired,
    "agency_removed": _removed,
    "active_investigation": _investigated,
}


def ages(turn: Turn, tip: str) -> None:
    """After 30 days a lowest tip that nobody acknowledged is lifted (P4 to P3): low never means lost."""
    row, located = turn.shelf.tip(tip), turn.shelf.body(tip)
    if row is None or located is None or all(sent.state != "open" for sent in row.sent.values()):
        return
    remember(row, replace(history_of(row), at_least=Priority.P3))
    turn.take(located, row, cause=Cause.TIME)


def settles(turn: Turn, tip: str) -> None:
    """Nobody decided between disagreeing sources in time: the first candidate is the verdict (R20)."""
    row, located = turn.shelf.tip(tip), turn.shelf.body(tip)
    if row is None or located is None or row.review is None:
        return
    remember(row, replace(history_of(row), first_candidate=True))
    turn.take(located, row, cause=Cause.TIME)
