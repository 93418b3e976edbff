"""What a process tells of its agencies' backlogs, read from the store while the hop works."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from contracts import telemetry
from contracts.vocabulary import Action
from services.chassis.hop import Effect, Told
from services.chassis.running.memory_run import Fed, MemoryRun
from services.chassis.settings import Settings
from services.chassis.telemetry.gauges import Gauges
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.recording import hop_recorder
from services.notifier.delivering import levels
from services.notifier.delivering.attempt import AttemptEnd, tell
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.notifier_world import START, a_referral, an_agency

AGENCY = "hotline-nl"
ACCEPTED = (START - timedelta(seconds=2)).isoformat().encode()


class Endpoint:
    """An agency that always ends attempts in one way."""

    def __init__(self, end: AttemptEnd) -> None:
        self.end = end

    async def perform(self, effect: Effect) -> Told:
        """End it."""
        return tell(effect.key, self.end)


def routed(number: int = 1, **changes: object) -> Fed:
    """A routed referral with the headers of the router."""
    body = a_referral(number, **changes).model_dump_json(by_alias=True).encode()
    headers = [("ce_id", str(uuid4()).encode()), ("vidare-accepted-at", ACCEPTED)]
    return Fed("referrals-routed", body, AGENCY.encode(), headers)


def a_hop(end: AttemptEnd, **changes: object) -> NotifierHop:
    """The hop with one partition and one agency that ends attempts like *end*."""
    agency = an_agency(**changes)
    return NotifierHop(Onboarded({agency.id: agency}), partitions=1, proofs="http://p", effects=Endpoint(end))


async def told(run: MemoryRun) -> Metrics:
    """The levels of the hop that *run* has at work."""
    metrics = Metrics()
    gauges = Gauges(run.runner, metrics)
    gauges.look()
    await gauges.read_stores()
    return metrics


async def test_what_waits_for_a_failing_agency_is_told_with_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten failures open the breaker; whatever has not got through is backlog, from the moment it was queued."""
    async with MemoryRun(a_hop(AttemptEnd(status=503)), now=lambda: START) as run:
        await run.feed(*(routed(number) for number in range(14)))
        await run.settle()
        later = type("Later", (datetime,), {"now": classmethod(lambda _cls, _zone: START + timedelta(seconds=9))})
        monkeypatch.setattr("services.chassis.telemetry.gauges.datetime", later)
        metrics = await told(run)

    states = {state: metrics.value(telemetry.BACKLOG, agency=AGENCY, state=state) for state in ("queued", "waiting")}
    assert sum(states.values()) == 14
    assert states["waiting"] >= 1
    assert metrics.value(telemetry.BACKLOG_AGE, agency=AGENCY) == 9
    assert metrics.value(telemetry.BREAKER_STATE, agency=AGENCY) == levels.BREAKER["open"]
    assert metrics.value(telemetry.TASKS, hop="notifier", state="ready") == 1


async def test_a_parked_referral_is_no_backlog() -> None:
    """What an agency refused for good is parked; the other agency's referral is kept whole and parked as well."""
    async with MemoryRun(a_hop(AttemptEnd(status=404)), now=lambda: START) as run:
        await run.feed(routed(), routed(2, destination="hotline-gone"))
        await run.settle()
        metrics = await told(run)

    assert metrics.value(telemetry.PARKED, agency=AGENCY) == 1
    assert metrics.value(telemetry.PARKED, agency="hotline-gone") == 1
    assert [metrics.value(telemetry.BACKLOG, agency=AGENCY, state=state) for state in ("queued", "waiting")] == [0, 0]


async def test_an_agency_that_takes_everything_is_told_as_nothing() -> None:
    """Every level of an onboarded agency is there, at 0: what is missing cannot be told from what is well."""
    async with MemoryRun(a_hop(AttemptEnd(status=200)), now=lambda: START) as run:
        await run.feed(routed())
        await run.settle()
        text = (await told(run)).render().decode()

    for metric in (telemetry.BACKLOG_AGE, telemetry.PARKED, telemetry.BREAKER_STATE, telemetry.ESCALATIONS):
        assert f'{metric.name}{{agency="{AGENCY}"}} 0.0' in text


@pytest.mark.parametrize("channels", [["webhook", "topic"], ["webhook"], ["topic"]])
async def test_a_referral_is_delivered_once_whatever_the_channels(channels: list[str], tmp_path: object) -> None:
    """The first of feed and webhook has it; its age counts from the header that intake set."""
    recorder = hop_recorder(Settings(home=tmp_path, spans="off"), "notifier")  # type: ignore[arg-type]
    hop = a_hop(AttemptEnd(status=200), channels=channels)
    async with MemoryRun(hop, recorder=recorder, now=lambda: START) as run:
        await run.feed(routed(), routed(2, action=Action.SIGHTINGS))
        await run.settle()

    ages = {"to": "delivered", "lane": "routine"}
    assert recorder.metrics.registry.get_sample_value("vidare_tip_age_seconds_count", ages) == 1


async def test_an_acknowledgement_is_told_once_with_the_tips_age(tmp_path: object) -> None:
    """A second receipt is counted as a receipt and changes no age."""
    recorder = hop_recorder(Settings(home=tmp_path, spans="off"), "notifier")  # type: ignore[arg-type]
    async with MemoryRun(a_hop(AttemptEnd(status=200)), recorder=recorder, now=lambda: START) as run:
        await run.feed(routed())
        await run.settle()
        await run.feed(receipt(a_referral().referral_id), receipt(a_referral().referral_id))
        await run.settle()

    ages = {"to": "acknowledged", "lane": "routine"}
    assert recorder.metrics.registry.get_sample_value("vidare_tip_age_seconds_count", ages) == 1
    assert recorder.metrics.value(telemetry.RECEIPTS, agency=AGENCY, status="acknowledged") == 2


def receipt(referral: UUID) -> Fed:
    """An acknowledgement as the receipts hop passes it on."""
    body = (
        f'{{"schema":"receipt-checked/1","agency":"{AGENCY}","received_at":"{START.isoformat()}","receipt":'
        f'{{"schema":"receipt/1","referral_id":"{referral}","status":"acknowledged","reference":"NL-7"}}}}'
    )
    return Fed("receipts-checked", body.encode(), AGENCY.encode(), [("ce_id", str(uuid4()).encode())])
