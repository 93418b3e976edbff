"""What a process tells of pauses, feeds and acknowledgements, per agency."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from contracts import telemetry
from contracts.events import AgencyOrdered
from contracts.referral import Receipt, ReceiptChecked
from contracts.topics import ORDERS, RECEIPTS_CHECKED, ROUTED
from contracts.vocabulary import Order, ReceiptStatus
from services.chassis.hop import Effect, Told
from services.chassis.running.memory_run import Fed, MemoryRun
from services.chassis.settings import Settings
from services.chassis.telemetry.gauges import Gauges
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.recording import hop_recorder
from services.notifier.delivering.attempt import AttemptEnd, tell
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.notifier_world import START, a_referral, an_agency

AGENCY = "hotline-nl"


class Endpoint:
    """An agency that takes everything."""

    async def perform(self, effect: Effect) -> Told:
        """Take it."""
        return tell(effect.key, AttemptEnd(status=200))


def a_hop() -> NotifierHop:
    """The hop with one agency."""
    return NotifierHop(Onboarded({AGENCY: an_agency()}), partitions=1, proofs="http://p", effects=Endpoint())


def fed(topic: str, body: str) -> Fed:
    """A record of an inner topic."""
    return Fed(topic, body.encode(), AGENCY.encode(), [("ce_id", str(uuid4()).encode())])


def ordered(what: Order) -> Fed:
    """An order for the agency."""
    order = AgencyOrdered(order=what, agency=AGENCY, by=("duty-7",), reason="an invented reason", at=START)
    return fed(ORDERS, order.model_dump_json(by_alias=True))


def acknowledged(referral: UUID) -> Fed:
    """An acknowledgement, as the receipts hop passes it on."""
    receipt = Receipt(referral_id=referral, status=ReceiptStatus.ACKNOWLEDGED, reference="NL-1")
    checked = ReceiptChecked(agency=AGENCY, receipt=receipt, received_at=START)
    return fed(RECEIPTS_CHECKED, checked.model_dump_json(by_alias=True))


async def told(run: MemoryRun) -> Metrics:
    """The levels of the hop that *run* has at work."""
    metrics = Metrics()
    await Gauges(run.runner, metrics).read_stores()
    return metrics


async def test_a_pause_and_the_feeds_number_are_told() -> None:
    """1 while it is paused, 0 again afterwards; the number of the last document goes on meanwhile."""
    async with MemoryRun(a_hop(), now=lambda: START) as run:
        seen = []
        for number, what in enumerate((Order.PAUSE, Order.RESUME), start=1):
            event = a_referral(number).model_dump_json(by_alias=True)
            await run.feed(ordered(what), fed(ROUTED, event))
            await run.settle()
            metrics = await told(run)
            seen.append([metrics.value(metric, agency=AGENCY) for metric in (telemetry.PAUSED, telemetry.FEED)])

    assert [[1, 1], [0, 2]] == seen


@pytest.mark.parametrize(("year", "in_time"), [(2027, "yes"), (2025, "no")])
async def test_acknowledgements_are_counted_by_whether_they_came_in_time(
    year: int, in_time: str, tmp_path: Path
) -> None:
    """Once per referral, however often the receipt comes."""
    recorder = hop_recorder(Settings(home=tmp_path, spans="off"), "notifier")
    event = a_referral(1, acknowledge_by=START.replace(year=year))
    async with MemoryRun(a_hop(), recorder=recorder, now=lambda: START) as run:
        await run.feed(fed(ROUTED, event.model_dump_json(by_alias=True)))
        await run.settle()
        await run.feed(*(acknowledged(event.referral_id) for _ in range(2)))
        await run.settle()

    values = {
        word: recorder.metrics.value(telemetry.ACKNOWLEDGED, agency=AGENCY, in_time=word) for word in ("yes", "no")
    }
    assert {in_time: 1} == {word: value for word, value in values.items() if value}
