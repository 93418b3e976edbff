"""Writes down which urgent tips call a duty desk: on the tip itself, or a little later for those that waited."""

from dataclasses import replace

from contracts import topics
from contracts.events import Notice, TipReceived
from contracts.vocabulary import EntryKind
from services.chassis.hop import Emit, Entry, Outcome, Timer, View
from services.intake.budget import is_counted, notice, spend
from services.intake.check import Accepted
from services.intake.outcomes import TIP_RECEIVED, Case
from services.intake.rows import BUDGET, read_spent, write_spent

LATE = "tell a duty desk how many urgent tips of one sender came within a minute"


def noticed(case: Case, accepted: Accepted, view: View) -> tuple[Accepted, Outcome]:
    """The tip with the notice that its sender's budget gives it, and what is kept of that."""
    if not is_counted(case.partner, accepted):
        return accepted, Outcome()
    spent, count = spend(read_spent(view), case.partner.urgent_per_hour, case.now)
    event = accepted.event.model_copy(update={"notice": Notice(count=count, at=case.now)})
    kept = Outcome(puts={BUDGET: write_spent(spent)})
    if not count:
        kept.timers.append(Timer(BUDGET, spent.due, _bytes(event)))
    return replace(accepted, event=event), kept


def late_notice(timer: Timer, view: View) -> Outcome:
    """The minute is over: the last tip that went on without a notice goes on once more, with the count of all."""
    spent = read_spent(view)
    if spent is None or not spent.waiting:
        return Outcome()
    after, count = notice(spent, timer.due)
    last = TipReceived.model_validate_json(timer.body)
    event = last.model_copy(update={"notice": Notice(count=count, at=timer.due, late=True)})
    tip, lane = str(event.tip_id), topics.RECEIVED + (topics.URGENT if event.urgent else "")
    return Outcome(
        events=[Emit(lane, event.group_id, TIP_RECEIVED, _bytes(event), tip=tip, expects_entry=True)],
        puts={BUDGET: write_spent(after)},
        entries=[Entry(EntryKind.TIP_NOTICED, tip, LATE, tally={"count": count})],
        tip=tip,
        trace_seed=tip,
    )


def _bytes(event: TipReceived) -> bytes:
    return event.model_dump_json(by_alias=True, exclude_none=True).encode()
