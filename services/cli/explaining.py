"""A submission's whole way in one process, without a broker: intake, geolocate, router."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.events import TipLocated
from contracts.onboarding import Partner
from services.chassis.settings import Settings
from services.geolocate.geodata import Geodata
from services.geolocate.locate import World as Places
from services.geolocate.locate import jurisdiction
from services.intake.check import Refused, check_submission
from services.intake.groupkey import group_key
from services.router.decision import World, route
from services.router.geography.world import load_world
from services.router.telling.explain import explained, refused


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains submissions; each stands alone, nothing is stored and nothing leaves the machine."""

    world: World
    geodata: Geodata
    key: bytes

    @classmethod
    def of(cls, settings: Settings) -> "Explainer":
        """
        Make one from the files that *settings* name.

        Raises:
            Misconfigured: One of them is wrong.
        """
        return cls(load_world(settings), Geodata.of(settings), group_key(settings))

    def explain(self, data: bytes, partner: str, *, rules: bool = False) -> dict[str, Any]:
        """Decide on the submission *data* of *partner*, or say why it would be refused."""
        now = datetime.now(UTC)
        sender = self.world.partners[partner]
        taken = check_submission(data, sender, now, key=self.key)
        if isinstance(taken, Refused):
            return refused(taken.reference, taken.reason.value, taken.pointer)
        used = self.geodata.current
        places = Places(used.look_up, now.date())
        found = jurisdiction(taken.event.content.indicators, places, vetted=_vetted(sender), builds=used.builds)
        located = TipLocated(located_at=now, jurisdiction=found, received=taken.event)
        return explained(located, route(located, self.world, now=now), rules=rules)


def _vetted(partner: Partner) -> bool:
    return partner.vetted
