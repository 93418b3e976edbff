"""The timers of the notifier: each name, and what follows when one is due."""

from collections.abc import Callable
from uuid import UUID

from contracts import telemetry
from contracts.events import ReferralRouted
from contracts.onboarding import Agency
from services.notifier import decision
from services.notifier.delivering import ending, gathering, overtaking, unreachable
from services.notifier.delivering.applying import apply
from services.notifier.delivering.attempt import Named
from services.notifier.delivering.change import FOLLOW, FORGET, LADDER, RETRY
from services.notifier.delivering.delivery import Delivery
from services.notifier.delivering.digest import DEPARTURE
from services.notifier.delivering.draft import Draft, row_key, timer_key
from services.notifier.delivering.lane import LANE_TIMER, pump_all
from services.notifier.delivering.order import read_lane_name
from services.notifier.onboarded import Onboarded
from services.notifier.ordering import removal, replay

Take = Callable[[Draft, ReferralRouted, Agency], None]


def ring(draft: Draft, key: str, agencies: Onboarded, take: Take) -> None:
    """The timer *key* is due; *take* takes a referral that was kept for an agency which is back."""
    name, _, rest = key.partition("/")
    lane, _, referral = rest.partition("/")
    agency_id, channel = read_lane_name(lane)
    agency = agencies.reachable(agency_id)
    draft.outcome.attributes[telemetry.AGENCY] = agency_id
    if name == LANE_TIMER:
        draft.save_lane(lane, draft.lane(lane).model_copy(update={"wake": None}))
    elif name == replay.SWEEP:
        replay.step(draft, agency_id, reachable=agency is not None)
    elif name == removal.SWEEP:
        removal.step(draft, agency_id, int(referral), reachable=agency is not None)
    elif name == DEPARTURE:
        gathering.depart(draft, agency_id, agency)
        if agency is None:
            removal.begin(draft, agency_id)
    elif name == unreachable.REVIVE:
        _revive(draft, (agency_id, UUID(referral)), agencies, take)
    elif name == overtaking.FORGET:
        overtaking.forget(draft, agency_id, UUID(referral))
    elif name == RETRY:
        _retry(draft, Named(agency_id, channel, UUID(referral)), agency)
    else:
        _row_timer(draft, name, agency, draft.row(agency_id, UUID(referral)))
    if agency is not None:
        pump_all(draft, agency)
    else:
        removal.evict(draft, agency_id)


def _retry(draft: Draft, named: Named, agency: Agency | None) -> None:
    row = draft.row(named.agency, named.id)
    if row is None:
        gathering.offer(draft, named.agency, named.id)
        return
    draft.tell(row.tip_id, row.agency, row.referral_id, row.trace)
    if agency is None:
        apply(draft, row, decision.removed(row, draft.now))
        return
    apply(draft, row, decision.due(row, named.channel))
    ending.hurry(draft, agency, row.referral_id)


def _row_timer(draft: Draft, name: str, agency: Agency | None, row: Delivery | None) -> None:
    if row is None:
        return
    draft.tell(row.tip_id, row.agency, row.referral_id, row.trace)
    if name == FORGET:
        draft.put(row_key(row.agency, row.referral_id), None)
    elif agency is None:
        if not row.expired:
            apply(draft, row, decision.removed(row, draft.now))
        # Its rungs and follow-ups are only put off: the agency may be back, and is asked then.
        draft.wake(timer_key(name, row.agency, row.referral_id), draft.now + unreachable.EVERY)
    elif name == LADDER:
        apply(draft, row, decision.climbed(row, following=ending.next_way(agency, row)))
    elif name == FOLLOW:
        apply(draft, row, decision.followed_up(row, draft.now))


def _revive(draft: Draft, of: tuple[str, UUID], agencies: Onboarded, take: Take) -> None:
    agency_id, referral = of
    event = unreachable.kept(draft, agency_id, referral)
    if event is None:
        return
    agency = agencies.receiver(agency_id, is_test=event.is_test)
    draft.tell(event.tip_id, agency_id, referral)
    if agency is None:
        unreachable.wait(draft, agency_id, referral)
    else:
        unreachable.release(draft, agency_id, referral)
        take(draft, event, agency)
        row = draft.row(agency_id, referral)
        if row is not None:
            # The router was told when it was kept; it is asked for another destination once only.
            draft.save(row.model_copy(update={"expired": True}))
