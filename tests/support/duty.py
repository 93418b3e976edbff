"""Router and notifier on one simulated clock: what one writes, the other reads, a minute at a time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from contracts import topics
from contracts.events import ReferralRouted, TipLocated
from services.chassis.hop import Emit
from services.notifier.delivering.attempt import AttemptEnd, read_key
from tests.support.notifier_world import START, Plays, World
from tests.support.router_world import Room, shipped_agencies, told

STEP = timedelta(minutes=1)


def takes_everything(_effect: object, _now: datetime) -> AttemptEnd:
    """Every endpoint takes every document and says nothing more."""
    return AttemptEnd(status=202)


@dataclass
class Duty:
    """The shipped agencies, the real decisions of both hops, and nothing between them but their topics."""

    plays: Plays = takes_everything
    room: Room = field(default_factory=lambda: Room(now=START))
    referrals: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The newest referral of each agency, as the router wrote it."""
    _heard: int = 0

    def __post_init__(self) -> None:
        """Start the notifier."""
        self.world = World(*shipped_agencies().records.values(), plays=self.plays)

    def locate(self, tip: TipLocated) -> None:
        """Give the router a located tip."""
        self._refer(self.room.locate(tip))
        self._pass_on()

    def answer(self, agency: str, status: str, **fields: Any) -> None:
        """Let an agency answer its newest referral, as a checked receipt."""
        referral = ReferralRouted.model_validate(self.referrals[agency]).referral_id
        self.world.answer(referral, status, agency, **fields)
        self._pass_on()

    def run(self, span: timedelta) -> None:
        """Let time pass for both."""
        for _ in range(span // STEP):
            self.world.run(STEP)
            self._refer(self.room.wait(STEP))
            self._pass_on()

    def sent(self, agency: str) -> list[datetime]:
        """When each attempt of a document for *agency* was made; of the topic feed, when it was written."""
        return [moment for moment, effect in self.world.sent if read_key(effect.key).agency == agency]

    def fed(self) -> list[str]:
        """To whom documents were disclosed by topic, in order."""
        return [event.to for event in self.world.events if event.to]

    def _refer(self, emits: Iterable[Emit]) -> None:
        emits = list(emits)
        self.referrals |= told(emits)
        for emit in emits:
            self.world.refer(ReferralRouted.model_validate_json(emit.body))

    def _pass_on(self) -> None:
        """The router hears what the notifier said, until neither has anything more to say."""
        while len(said := [event for event in self.world.events if event.topic == topics.OUTCOMES]) > self._heard:
            event = said[self._heard]
            self._heard += 1
            outcome = self.room.feed(topics.OUTCOMES, event.body)
            self._refer([emit for emit in outcome.events if emit.topic.startswith(topics.ROUTED)])
