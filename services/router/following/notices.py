"""
The call of a duty desk that a sender's spent budget put off: it goes to who has the tip already, with a count.

A notice has an id of its own, made of the tip and the minute, so that a
replayed record calls nobody twice.
"""

from dataclasses import replace
from uuid import uuid5

from contracts.events import TipLocated
from contracts.vocabulary import Action, EntryKind
from services.chassis.hop import Entry
from services.router.decision import route
from services.router.following.referrals import Step, Words
from services.router.following.rows import TipRow, history_of
from services.router.following.turn import Turn, repeat


def ring(turn: Turn, located: TipLocated, row: TipRow) -> None:
    """Write the notice that *located* carries for a tip that went out before; just the entry if nobody has it."""
    tip, home = located.received, turn.world.atlas.police_home
    sent = row.sent.get(home)
    decision = route(located, turn.world, history_of(row), now=turn.now)
    to = next((one for one in decision.destinations if one.id == home), None)
    if tip.notice is None or to is None or sent is None or not sent.live:
        repeat(row, turn.outcome)
        return
    words = Words(located, decision, row.version, world=turn.world, now=turn.now)
    own = uuid5(tip.tip_id, f"{home}/notice/{tip.notice.at.isoformat()}")
    turn.emit(words, Step(replace(to, duty=True), Action.SIGHTINGS, own, sent.referral))
    tally = {**row.told, "referrals": [str(own)], "superseded": []}
    basis = {"cause": "notice", "count": tip.notice.count}
    turn.outcome.entries.append(Entry(EntryKind.HOP_ROUTED, row.tip, "a duty desk is called", basis, tally))
    turn.outcome.tip = row.tip
