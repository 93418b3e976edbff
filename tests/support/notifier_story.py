"""A random story for the notifier per seed: who receives, what comes when, what goes wrong; the oracle looks on."""

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid5

from contracts.events import Content, ReferralRouted
from contracts.indicators import Indicators, UrlIndicator
from contracts.onboarding import Agency
from contracts.referral import Receipt, ReceiptChecked
from contracts.vocabulary import Action, Priority, ReceiptStatus
from services.chassis.hop import NAMESPACE
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.notifier_cases import DAY, HOUR, MINUTE
from tests.support.notifier_endpoints import Endpoints, Trouble
from tests.support.notifier_oracle import Oracle
from tests.support.notifier_sim import SECOND, URGENT_TOPIC, Deciding, Machine
from tests.support.notifier_world import a_referral, an_agency

CALM = 5 * DAY
"""From then on everything works."""
WEEKEND = 84 * HOUR
"""A long one: longer than all attempts take, and over before what parked is offered again."""
TARGETS = {"P0": 1, "P1": 24, "P2": 72, "P3": 14 * 24, "P4": 30 * 24}
LINK = Content(indicators=Indicators(urls=(UrlIndicator(raw="https://host.example/a"),)))
WORDS = Content(narrative="neutral words")

Make = Callable[[Mapping[str, Agency]], Deciding]

ROUTED, CHECKED = "referrals-routed", "receipts-checked"


def production(agencies: Mapping[str, Agency]) -> NotifierHop:
    """The hop as it is."""
    return NotifierHop(Onboarded(dict(agencies)), partitions=1, proofs="http://127.0.0.1:8105")


MAIL = {"to": "desk@mail.example", "from": "mesh@mail.example", "host": "127.0.0.1", "port": 2525}
CHANNELS = (
    ("webhook", "topic"), ("webhook",), ("webhook", "email", "topic"), ("webhook", "email"), ("email", "topic"),
    ("email", "webhook"), ("topic",), ("pull",),
)  # fmt: skip


class Story:
    """One seed, from the first referral to the day when everything works again."""

    def __init__(self, seed: int, make: Make = production) -> None:
        self.draw = Random(seed)
        self.agencies = {agency.id: agency for agency in self._onboarded()}
        self.oracle = Oracle(self.agencies)
        self.endpoints = Endpoints(Random(seed + 1))
        self.machine = Machine(make, self.endpoints, self.oracle)
        self.stops_at_first = False
        """True where it is enough to know that something is wrong."""
        self._latest: dict[int, ReferralRouted] = {}
        self._versions: dict[int, int] = {}
        self._tips = 0
        self._moments: list[int] = []
        self._crashes = self.draw.choice((0.0, 0.0, 0.01, 0.03))
        self._quiet = self.draw.random() < 0.05
        """Few referrals and no answer for a long weekend: each is tried to the last step, no breaker opens before."""

    def run(self) -> "Story":
        """Play it to the end."""
        machine, draw = self.machine, self.draw
        machine.crash = self._crash
        machine.down_for = lambda: draw.choice((5 * SECOND, 5 * SECOND, MINUTE, HOUR))
        machine.start(self.agencies)
        self._trouble()
        self._arrivals()
        if draw.random() < 0.4:
            self._removals()
        if draw.random() < 0.4:
            self._jumps()
        for day in range(1, 6):
            machine.run(day * DAY)
            if self.stops_at_first and self.wrong:
                return self
            self._look()
        self._crashes = 0.0
        machine.stop()
        machine.start(self.agencies)
        machine.run(machine.true + draw.choice((3, 3, 3, 3, 3, 45)) * DAY)
        self.oracle.finished(machine)
        return self

    @property
    def wrong(self) -> list[str]:
        """What should not be."""
        return self.oracle.wrong + [f"{each}: arrived with other bytes" for each in self.endpoints.doubled]

    def _crash(self) -> str:
        if self._crashes and self.draw.random() < self._crashes:
            return self.draw.choice(("before", "after"))
        return ""

    def _onboarded(self) -> list[Agency]:
        draw = self.draw
        kinds = (("hotline-nl", "hotline"), ("police-se", "police"), ("takedown-se", "takedown"))
        rows: list[Agency] = []
        for number, (name, kind) in enumerate(kinds[: draw.choice((2, 2, 3))]):
            channels = draw.choice(CHANNELS[: 4 if number == 0 else None])
            values: dict[str, Any] = {"channels": channels}
            if "webhook" not in channels:
                values["webhook"] = None
            if "email" in channels:
                values |= {"email": MAIL, "digest_p4": draw.random() < 0.5}
            profile = {"hotline": "hotline", "police": "police", "takedown": "provider"}[kind]
            rows.append(
                an_agency(
                    id=name, kind=kind, profile=profile, rate_per_minute=draw.choice((6, 30, 600)),
                    concurrency=draw.choice((1, 2, 4)), **values,
                )
            )  # fmt: skip
        return rows

    def _trouble(self) -> None:
        for agency, record in self.agencies.items():
            self._bad_hours(agency)
            if "email" in record.channels:
                self._bad_hours(f"{agency}~email")

    def _bad_hours(self, lane: str) -> None:
        draw, begins = self.draw, 0
        if self._quiet:
            self.endpoints.troubles[lane] = [Trouble(0, WEEKEND, "down")]
            return
        for _ in range(draw.randrange(1, 5)):
            begins += int(draw.uniform(0, DAY))
            lasts = int(draw.choice((10 * MINUTE, HOUR, 6 * HOUR, DAY)) * draw.uniform(0.2, 1.0))
            modes = ("down", "busy", "mute", "closing", "refusing", "gone", "slow", "down", "busy")
            ends = min(begins + lasts, CALM)
            self.endpoints.troubles.setdefault(lane, []).append(Trouble(begins, ends, draw.choice(modes)))
            begins = ends

    def _arrivals(self) -> None:
        draw, moment = self.draw, 0
        if self._quiet:
            for moment in (draw.randrange(HOUR), draw.randrange(HOUR), *[WEEKEND + HOUR] * 3):
                self.machine.at(moment, self._refer)
                self._moments.append(moment)
            return
        for _ in range(draw.randrange(3, 8)):
            moment += int(draw.uniform(0, 0.8 * DAY))
            for _ in range(draw.choice((1, 2, 4, 16))):
                self.machine.at(moment, self._refer)
                self._moments.append(moment)
                moment += draw.choice((0, 0, SECOND, MINUTE))
                for act in (self._newer, self._repeat, self._overtake):
                    if draw.random() < 0.15:
                        self.machine.at(moment + int(draw.expovariate(1) * 6 * HOUR), act)
                if draw.random() < 0.6:
                    self.machine.at(moment + int(draw.expovariate(1) * 12 * HOUR), self._receipt)

    def _removals(self) -> None:
        for _ in range(self.draw.randrange(1, 3)):
            begins = self.draw.choice((int(self.draw.uniform(0, 4 * DAY)), self.draw.choice(self._moments) + SECOND))
            gone = self.draw.choice(sorted(self.agencies))
            left = {name: agency for name, agency in self.agencies.items() if name != gone}
            self.machine.at(begins, lambda left=left: self._restart(left))  # type: ignore[misc]
            self.machine.at(begins + 2 * MINUTE, self._look)
            self.machine.at(begins + int(self.draw.uniform(0, 2 * DAY)), lambda: self._restart(self.agencies))

    def _look(self) -> None:
        if self.machine.up:
            self.oracle.rest(self.machine)

    def _restart(self, agencies: Mapping[str, Agency]) -> None:
        self.machine.stop()
        self.machine.start(agencies)

    def _jumps(self) -> None:
        for _ in range(self.draw.randrange(1, 3)):
            by = self.draw.choice((-HOUR, HOUR))
            moment = self.draw.choice(self._moments) - self.draw.choice((0, MINUTE, HOUR))
            self.machine.at(max(0, moment), lambda by=by: self._jump(by))  # type: ignore[misc]

    def _jump(self, by: int) -> None:
        self.machine.skew += by
        self.oracle.jumped(self.machine, by)

    def _refer(self) -> None:
        self._tips += 1
        self._send(self._tips, self.draw.choice(sorted(self.agencies)), {})

    def _newer(self) -> None:
        """A correction or a withdrawal of something that went out, or a count of those who saw it too."""
        if not self._latest:
            return
        number = self.draw.choice(sorted(self._latest))
        old = self._latest[number]
        if old.action is not Action.WITHDRAWN:
            action = self.draw.choice((Action.UPDATE, Action.WITHDRAWN, Action.SIGHTINGS))
            self._send(number, old.destination, {"action": action, "replaces": old.referral_id})

    def _repeat(self) -> None:
        """The same record again, as an operator's replay brings it."""
        if self._latest:
            self._feed(self._latest[self.draw.choice(sorted(self._latest))])

    def _overtake(self) -> None:
        """An urgent correction comes by its own lane, before the routine version that it takes the place of."""
        self._tips += 1
        destination = self.draw.choice(sorted(self.agencies))
        earlier = self._version(self._tips, destination, {})
        action = self.draw.choice((Action.UPDATE, Action.WITHDRAWN))
        newer = {
            "action": action,
            "replaces": earlier.referral_id,
            "priority": Priority(self.draw.choice(("P0", "P1"))),
        }
        self._send(self._tips, destination, newer)
        later = self.draw.choice((0, SECOND, HOUR))
        self.machine.at(self.machine.true + later, lambda: self._feed(earlier))

    def _send(self, number: int, destination: str, more: dict[str, Any]) -> None:
        event = self._version(number, destination, more)
        if event.action is not Action.SIGHTINGS:
            self._latest[number] = event
        self._feed(event)

    def _version(self, number: int, destination: str, more: dict[str, Any]) -> ReferralRouted:
        version = self._versions[number] = self._versions.get(number, 0) + 1
        priority = Priority(self.draw.choice(("P0", "P1", "P2", "P2", "P3", "P3", "P4")))
        priority = more.get("priority", priority)
        tip = uuid5(NAMESPACE, f"tip {number}")
        values = {
            "destination": destination, "version": version, "referral_id": uuid5(tip, f"{version}/{destination}"),
            "priority": priority, "content": self.draw.choice((LINK, WORDS)), "known_to": (),
            "acknowledge_by": self.machine.now + timedelta(hours=TARGETS[priority.value]),
        }  # fmt: skip
        return a_referral(number, **(values | more))

    def _feed(self, event: ReferralRouted) -> None:
        topic = URGENT_TOPIC if event.priority.urgent else ROUTED
        self.machine.feed(topic, event.model_dump_json(by_alias=True).encode())

    def _receipt(self) -> None:
        """An agency answers: mostly well, sometimes for what it never got."""
        draw, cases = self.draw, self.oracle.cases
        if not cases:
            return
        event = cases[draw.choice(sorted(cases))].event
        agency = event.destination if draw.random() < 0.95 else draw.choice(sorted(self.agencies))
        values = draw.choice(RECEIPTS)
        receipt = Receipt(referral_id=event.referral_id, status=ReceiptStatus(values["status"]), **_rest(values))
        checked = ReceiptChecked(agency=agency, receipt=receipt, received_at=self.machine.now)
        self.machine.feed(CHECKED, checked.model_dump_json(by_alias=True).encode())


RECEIPTS: tuple[dict[str, str], ...] = (
    {"status": "acknowledged", "reference": "C-1"},
    {"status": "acknowledged", "reference": "C-2"},
    {"status": "actioned", "reference": "C-3", "outcome": "content_removed"},
    {"status": "closed", "reference": "C-4"},
    {"status": "nack", "nack": "not_ours"},
    {"status": "nack", "nack": "overload"},
    {"status": "question", "text": "Which one?"},
    {"status": "active_investigation", "reference": "C-5"},
)


def _rest(values: Mapping[str, str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "status"}


if __name__ == "__main__":
    found = Story(int(sys.argv[1])).run().wrong
    sys.stdout.write("\n".join(found) + "\n")
    raise SystemExit(1 if found else 0)
