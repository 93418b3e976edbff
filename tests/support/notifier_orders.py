"""The notifier's small world with operators in it, and a receiver that reads feed marks."""

from typing import Any
from uuid import UUID

import orjson

from contracts.events import AgencyOrdered
from contracts.topics import AGENCY, ORDERS
from contracts.vocabulary import Order
from services.chassis.hop import Effect, Outcome
from services.notifier.delivering.attempt import read_body
from services.notifier.documents.feed import digest_of
from tests.support.notifier_world import World

REASON = "an invented reason"


class OrderedWorld(World):
    """A world in which operators order; what runs is not started again, as in the runner."""

    def order(self, what: str, agency: str = "hotline-nl", **fields: Any) -> Outcome:
        """Give the hop an order."""
        values: dict[str, Any] = {"order": Order(what), "agency": agency, "by": ("duty-7",), "at": self.now}
        event = AgencyOrdered(**(values | {"reason": REASON} | fields))
        return self._record(ORDERS, event.model_dump_json(by_alias=True).encode())

    def told(self) -> list[dict[str, Any]]:
        """What the custody log says of every order, in order."""
        return [dict(entry.tally) for entry in self.entries if entry.kind == "agency.ordered"]

    def sent_ids(self) -> list[UUID]:
        """Referrals of every attempt, in order."""
        return [UUID(effect.key.split("/")[1]) for _, effect in self.sent]

    def bytes_of(self, referral: UUID) -> list[bytes]:
        """The document of every attempt of *referral*."""
        return [read_body(effect.body)[1] for _, effect in self.sent if str(referral) in effect.key]

    def _start(self, effects: list[Effect]) -> None:
        running = {effect.key for _, _, effect in self._ends}
        super()._start([effect for effect in effects if effect.key not in running])


def feed_of(world: World, agency: str = "hotline-nl") -> list[bytes]:
    """The records of the agency's topic, in order."""
    return [event.body for event in world.events if event.topic == AGENCY + agency]


def gaps(documents: list[bytes]) -> list[str]:
    """
    What a receiver that holds *documents*, in any order and any of them twice, finds wrong; it knows nothing else.

    A number may be missing only where a document names it as skipped.
    """
    held = {mark["number"]: (mark, digest_of(raw)) for raw in documents if (mark := orjson.loads(raw)["feed"])}
    skipped = {one["number"]: one["digest"] for mark, _ in held.values() for one in mark["skipped"]}
    digests = skipped | {number: digest for number, (_, digest) in held.items()}
    found = [f"{number} is missing" for number in range(1, max(digests, default=0) + 1) if number not in digests]
    for number, (mark, _) in held.items():
        before = digests.get(number - 1)
        if (number == 1) != (mark["previous"] is None):
            found.append(f"{number} begins the chain and does not")
        elif before is not None and mark["previous"] != before:
            found.append(f"{number} does not follow {number - 1}")
    return found
