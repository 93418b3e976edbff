"""A small world around the notifier's hop: a store in a dict, a clock that jumps, agencies that answer as told."""

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid5

import orjson

from contracts.events import Content, KnownCase, ReferralRouted, RulebookRef, Why
from contracts.indicators import AccountIndicator, AddressIndicator, HashIndicator, Indicators, UrlIndicator
from contracts.onboarding import Agency
from contracts.referral import Receipt, ReceiptChecked
from contracts.vocabulary import AddressRole, HashAlgorithm, Priority, ReceiptStatus
from services.chassis.hop import NAMESPACE, Effect, Emit, Entry, Input, Outcome, Record, Timer, Told
from services.notifier.delivering.attempt import AttemptEnd, ask, tell
from services.notifier.delivering.delivery import begin
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from services.notifier.ordering import removal

START = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)

Plays = Callable[[Effect, datetime], AttemptEnd]


def an_agency(**changes: Any) -> Agency:
    """A hotline with webhook and topic, or what *changes* make of it."""
    row: dict[str, Any] = {
        "id": "hotline-nl",
        "name": "Example hotline",
        "kind": "hotline",
        "country": "NL",
        "profile": "hotline",
        "basis": "test",
        "channels": ["webhook", "topic"],
        "webhook": {"url": "http://127.0.0.1:8190/agencies/hotline-nl", "secret": "env:VIDARE_TEST_SECRET"},
    }
    return Agency.model_validate(row | changes)


SECRETS = {
    "url": "https://user:hunter2@host.example/a/b?id=7",
    "second_url": "https://other.example/second",
    "upload": "198.51.100.77",
    "hosting": "192.0.2.7",
    "handle": "someone-handle",
    "narrative": "neutral narrative words",
    "person": "Invented Person",
    "contact": "reporter@mail.example",
    "place": "an invented harbour",
    "case": "5000-K123-26",
    "urgency": "an invented urgency reason",
    "hash": "9f" * 32,
}
"""What stands in the full referral of these tests, by what it is."""


def full_content() -> Content:
    """Everything that a tip may say, in invented words."""
    return Content(
        indicators=Indicators(
            urls=(UrlIndicator(raw=SECRETS["url"]), UrlIndicator(raw=SECRETS["second_url"])),
            addresses=(
                AddressIndicator(raw=SECRETS["hosting"], role=AddressRole.HOSTING, port=443),
                AddressIndicator(raw=SECRETS["upload"], role=AddressRole.UPLOAD),
            ),
            hashes=(HashIndicator(algorithm=HashAlgorithm.SHA256, value=SECRETS["hash"], raw=SECRETS["hash"]),),
            accounts=(AccountIndicator(service="chat.example", handle=SECRETS["handle"]),),
        ),
        people=({"role": "victim", "name": SECRETS["person"], "age": 12},),
        place={"country": "SE", "description": SECRETS["place"]},
        narrative=SECRETS["narrative"],
        reporter={"contact": SECRETS["contact"], "share_with_police": True},
        observed_at="2026-11-22T09:15:00+01:00",
        urgency_reason=SECRETS["urgency"],
    )


def a_referral(number: int = 1, **changes: Any) -> ReferralRouted:
    """A routed referral; *number* makes its ids."""
    tip = uuid5(NAMESPACE, f"tip {number}")
    values: dict[str, Any] = {
        "referral_id": uuid5(tip, "1/hotline-nl"),
        "tip_id": tip,
        "version": 1,
        "destination": "hotline-nl",
        "group": "0f" * 16,
        "via": ("ecpat-se",),
        "priority": Priority.P2,
        "priority_reasons": ("M1",),
        "kind": "csam",
        "partner": "ecpat-se",
        "reference": f"E-{number}",
        "received_at": START,
        "routed_at": START,
        "why": (Why(rule="R08", text="hosted in NL, which has an INHOPE hotline"),),
        "rulebook": RulebookRef(id="default", digest="sha256:00"),
        "status": "baseline",
        "labels": ("A1",),
        "known_to": (KnownCase(agency="police-se", case=SECRETS["case"]),),
        "share_with_police": True,
        "content": full_content(),
    }
    return ReferralRouted(**(values | changes))


def an_effect(agency: str, referral: UUID, document: bytes, tries: int = 1) -> Effect:
    """The effect of sending *document*."""
    row = begin(a_referral(), an_agency(), START, document=document)
    way = row.ways[0].model_copy(update={"tries": tries})
    return ask(row.model_copy(update={"agency": agency, "referral_id": referral}), way, document)


class World:
    """Runs the hop's decisions as the runner does, with a clock of its own."""

    def __init__(self, *agencies: Agency, plays: Plays | None = None, takes: timedelta = timedelta(seconds=1)) -> None:
        self.now = START
        self.store: dict[str, bytes] = {}
        self.timers: dict[str, datetime] = {}
        self.events: list[Emit] = []
        self.entries: list[Entry] = []
        self.sent: list[tuple[datetime, Effect]] = []
        self.plays = plays or (lambda _effect, _now: AttemptEnd(status=200))
        self.takes = takes
        self._ends: list[tuple[datetime, int, Effect]] = []
        self._order = count()
        self.onboard(*(agencies or (an_agency(),)))

    def onboard(self, *agencies: Agency) -> None:
        """Start the hop anew with these agencies; the store stays."""
        records = {agency.id: agency for agency in agencies}
        self.hop = NotifierHop(Onboarded(records), partitions=1, proofs="http://127.0.0.1:8105")

    def get(self, key: str) -> bytes | None:
        """The view's `get`."""
        return self.store.get(key)

    def scan(self, prefix: str, *, limit: int = 1000) -> Iterator[tuple[str, bytes]]:
        """The view's `scan`."""
        keys = sorted(key for key in self.store if key.startswith(prefix))[:limit]
        yield from ((key, self.store[key]) for key in keys)

    def refer(self, event: ReferralRouted) -> Outcome:
        """Give the hop a routed referral."""
        return self._record("referrals-routed", event.model_dump_json(by_alias=True).encode())

    def answer(self, referral: UUID, status: str, agency: str = "hotline-nl", **fields: Any) -> Outcome:
        """Give the hop a checked receipt."""
        receipt = Receipt(referral_id=referral, status=ReceiptStatus(status), **fields)
        checked = ReceiptChecked(agency=agency, receipt=receipt, received_at=self.now)
        return self._record("receipts-checked", checked.model_dump_json(by_alias=True).encode())

    def run(self, span: timedelta = timedelta(0)) -> None:
        """Let time pass; timers fire and attempts end in their order."""
        until = self.now + span
        while (moment := self._next()) is not None and moment <= until:
            self.now = max(self.now, moment)
            if self._ends and self._ends[0][0] <= moment:
                effect = heapq.heappop(self._ends)[2]
                self._decide(told=tell(effect.key, self.plays(effect, self.now)))
            else:
                key = min(self.timers, key=lambda each: self.timers[each])
                self._decide(timer=Timer(key, self.timers.pop(key)))
        self.now = until

    def restart(self) -> None:
        """Forget what was under way, as a killed process does, and resume."""
        self._ends.clear()
        self._start(self.hop.resume(self))

    def tell(self, key: str, end: AttemptEnd) -> Outcome:
        """Give the hop the end of an attempt, whether it is under way or not."""
        return self._decide(told=tell(key, end))

    def rows(self, topic: str) -> list[dict[str, Any]]:
        """Bodies of the events of *topic*, in order."""
        return [orjson.loads(event.body) for event in self.events if event.topic == topic]

    def words(self) -> list[str]:
        """What was recorded in ``deliveries``, in order."""
        return [row["what"] for row in self.rows("deliveries")]

    def row(self, referral: UUID, agency: str = "hotline-nl") -> dict[str, Any]:
        """The stored row of a delivery, and beside its own fields those of its first way."""
        found: dict[str, Any] = orjson.loads(self.store[f"r/{agency}/{referral}"])
        return (found["ways"][0] if "ways" in found else {}) | found

    def way(self, referral: UUID, channel: str, agency: str = "hotline-nl") -> dict[str, Any]:
        """How far the copy of a delivery for *channel* is; empty where that channel is not in use."""
        row: dict[str, Any] = orjson.loads(self.store[f"r/{agency}/{referral}"])
        return next((way for way in row.get("ways", ()) if way["channel"] == channel), {})

    def _next(self) -> datetime | None:
        moments = [*self.timers.values(), *(end[0] for end in self._ends[:1])]
        return min(moments, default=None)

    def _record(self, topic: str, value: bytes) -> Outcome:
        return self._decide(record=Record(topic, 0, next(self._order), b"k", value, (), 0))

    def _decide(self, *, record: Record | None = None, timer: Timer | None = None, told: Told | None = None) -> Outcome:
        event = uuid5(NAMESPACE, str(next(self._order)))
        outcome = self.hop.decide(Input(event, self.now, record, timer, told), self)
        for key, value in outcome.puts.items():
            if value is None:
                self.store.pop(key, None)
            else:
                self.store[key] = value
        for key in outcome.cancels:
            self.timers.pop(key, None)
        self.timers |= {each.key: each.due for each in outcome.timers}
        self.events += outcome.events
        self.entries += outcome.entries
        self._start(outcome.effects)
        return outcome

    def _start(self, effects: list[Effect]) -> None:
        for effect in effects:
            if effect.kind == removal.SWEEP:
                self._decide(told=tell(effect.key, AttemptEnd(fault="no_channel")))
                continue
            self.sent.append((self.now, effect))
            heapq.heappush(self._ends, (self.now + self.takes, next(self._order), effect))
