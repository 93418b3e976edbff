"""An agency that is being onboarded gets test referrals and no others; a live one gets no test."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from contracts.onboarding import Agency, WebhookChannel
from contracts.vocabulary import ChannelName
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.delivering.attempt import AttemptEnd
from services.notifier.delivering.verdicts import Fault
from services.notifier.onboarded import Onboarded, fits
from tests.support.notifier_world import World, a_referral, an_agency
from tests.support.router_world import a_world, decide, ids
from tests.support.tips import a_tip, of_person

OUTSIDE = WebhookChannel(url="https://agency.example/in", secret="env:TEST")
LIVE: dict[str, Any] = {"webhook": OUTSIDE, "channels": (ChannelName.WEBHOOK,)}


@pytest.mark.parametrize("active", [True, False])
def test_e19_a_test_tip_reaches_the_test_endpoint_of_who_is_being_onboarded(*, active: bool) -> None:
    """Active or not, outside this machine or not; a live agency beside it is left out as before."""
    world = a_world(changed={"hotline-nl": {**LIVE, "test": True, "active": active}, "interpol-iccam": LIVE})

    assert {"hotline-nl"} == ids(a_tip("NL", is_test=True), world)


def test_e50_a_real_tip_passes_over_who_is_being_onboarded() -> None:
    """It goes where it would go without the agency, and the decision says why."""
    onboarding = a_world(changed={"hotline-nl": {**LIVE, "test": True}})
    without = a_world(changed={"hotline-nl": {"active": False}})
    tip = a_tip("NL")

    assert ids(tip, without) == ids(tip, onboarding)
    assert "hotline-nl" not in ids(tip, onboarding)
    assert {"hotline-nl"} == {miss.agency for miss in decide(tip, onboarding).why_not}


def test_a_police_that_is_being_onboarded_is_passed_over_too() -> None:
    """Rules that look at people see no police there, but for a test."""
    world = a_world(changed={"police-no": {**LIVE, "test": True}})
    tip: dict[str, Any] = {"persons": [of_person("NO")]}

    assert "police-no" not in ids(a_tip(**tip), world)
    assert "police-no" in ids(a_tip(is_test=True, **tip), world)


@pytest.mark.parametrize(
    ("changes", "is_test", "expected"),
    [
        ({"test": True, "webhook": OUTSIDE}, True, True),
        ({"test": True, "webhook": OUTSIDE}, False, False),
        ({"test": True}, False, False),
        ({"webhook": OUTSIDE}, True, False),
        ({"webhook": OUTSIDE}, False, True),
        ({}, True, True),
        ({}, False, True),
    ],
)
def test_which_endpoint_is_for_which_referral(changes: dict[str, Any], is_test: object, expected: object) -> None:
    """What stays on this machine is a demonstration and takes both."""
    agency = Agency.model_validate(an_agency().model_dump() | changes)

    assert expected is fits(agency, is_test=bool(is_test))


def test_the_notifier_holds_back_what_the_router_should_not_have_sent() -> None:
    """A record that changed between router and notifier: a real referral waits for the agency to go live."""
    world = World(an_agency(test=True))
    real, test = a_referral(1), a_referral(2, is_test=True)
    world.refer(real)
    world.refer(test)
    world.run(timedelta(minutes=1))

    sent = {effect.key.split("/")[-2] for _, effect in world.sent}
    assert {str(test.referral_id)} == sent
    assert [str(real.referral_id)] == [
        row["referral_id"] for row in world.rows("outcomes") if row["what"] == "agency_removed"
    ]

    world.onboard(an_agency())
    world.run(timedelta(days=2))
    assert str(real.referral_id) in {effect.key.split("/")[-2] for _, effect in world.sent}


async def test_a_test_under_way_stays_away_from_an_endpoint_that_went_live() -> None:
    """The last guard: an attempt that was queued for the test endpoint is not made at the live one."""
    world = World(an_agency(test=True))
    world.refer(a_referral(1, is_test=True))
    _, effect = world.sent[0]
    live = Onboarded({"hotline-nl": Agency.model_validate(an_agency().model_dump() | {"webhook": OUTSIDE})})
    effects = WebhookEffects(live, lambda _ref: "secret")

    told = await effects.perform(effect)
    await effects.close()

    assert Fault.REFUSED_ADDRESS == AttemptEnd.model_validate_json(told.body).fault
    assert orjson.loads(effect.body.partition(b"\n")[2])["is_test"]
