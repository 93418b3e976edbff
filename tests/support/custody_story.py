"""Custody entries of an invented mesh, built as the chassis builds them, with the truth beside them."""

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid5

from services.chassis.hop import NAMESPACE, event_id, referral_id, tip_id

Entry = dict[str, Any]
End = Literal["acknowledged", "waiting", "escalated", "px", "sighting", "review", "review_decided", "dead", "withdrawn"]
ENDED = frozenset({"acknowledged", "px", "sighting", "review_decided", "withdrawn"})
ENDS: tuple[End, ...] = (
    "acknowledged", "waiting", "escalated", "px", "sighting", "review", "review_decided", "dead", "withdrawn",
)  # fmt: skip


@dataclass
class Story:
    """Entries of one tip, in the order of the log."""

    number: int
    end: End
    agencies: int = 1
    entries: list[Entry] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        """Tell it."""
        self.tip = tip_id("ecpat-se", f"E-{self.number}")
        received = self._entry("intake", "tip.accepted", self._outside(), [("tips-received", None)], {"revision": 1})[0]
        located = self._entry("geolocate", "hop.geolocated", received, [("tips-located", None)], topic="tips-received")[
            0
        ]
        self._route(located)

    def _route(self, located: UUID) -> None:
        count = 0 if self.end in ("px", "sighting", "review", "review_decided") else self.agencies
        referrals = [str(referral_id(self.tip, 1, f"police-{n}")) for n in range(count)]
        tally: dict[str, Any] = {"version": 1, "referrals": referrals, "px": "spam" if self.end == "px" else None}
        tally |= {"review": self.end.startswith("review"), "sighting": self.end == "sighting", "superseded": []}
        outs = self._entry(
            "router", "hop.routed", located, [("referrals-routed", None)] * count, tally, topic="tips-located"
        )
        for number, (event, referral) in enumerate(zip(outs, referrals, strict=True)):
            self._deliver(event, referral, f"police-{number}", first=number == 0)
        if self.end == "review_decided":
            self._entry("router", "review.decided", self._outside(), [], {"version": 1})
        if self.end == "withdrawn":
            self._entry(
                "router", "hop.routed", self._outside(), [], {"version": 2, "px": "withdrawn", "superseded": referrals}
            )

    def _deliver(self, event: UUID, referral: str, agency: str, *, first: bool) -> None:
        told = {"referral": referral, "agency": agency}
        if self.end == "dead" and first:
            self._entry("notifier", "tip.parked", event, [], {"dlq": "referrals-routed-dlq"}, topic="referrals-routed")
            return
        topic = f"referrals-agency-{agency}"
        self._entry("notifier", "hop.queued", event, [(topic, agency)], told, topic="referrals-routed")
        self._entry("notifier", "delivery.attempted", self._outside(), [], told | {"attempt": 1})
        self._entry("notifier", "delivery.delivered", self._outside(), [], told)
        if self.end == "escalated":
            self._entry("notifier", "delivery.escalated", self._outside(), [], told)
        elif self.end not in ("waiting", "withdrawn"):
            outcome = self._entry("notifier", "delivery.acknowledged", self._outside(), [("outcomes", None)], told)[0]
            self._entry("router", "outcome.taken", outcome, [], told, topic="outcomes")

    def _outside(self) -> UUID:
        self.steps += 1
        return uuid5(NAMESPACE, f"outside/{self.number}/{self.steps}")

    def _entry(  # noqa: PLR0913 - an entry has that many parts
        self, hop: str, kind: str, cause: UUID, outs: list[tuple[str, str | None]], tally: dict[str, Any] | None = None,
        *, topic: str | None = None,
    ) -> list[UUID]:  # fmt: skip
        events = [event_id(cause, hop, n) for n in range(len(outs))]
        entry: Entry = {
            "schema": "custody/1", "v": 1, "kind": kind, "event": str(uuid5(cause, f"{hop}/entry/0")),
            "tip": str(self.tip),
            "at": f"2026-11-22T09:15:00.{len(self.entries):03d}Z", "service": f"{hop}@1", "actor": f"svc:{hop}",
            "purpose": "test", "cause": str(cause), "basis": {}, "tally": tally or {}, "trace": "ab" * 16,
            "out": [
                {"event": str(event), "topic": name} | ({"to": to, "digest": "sha-256:00"} if to else {})
                for event, (name, to) in zip(events, outs, strict=True)
            ],
        }  # fmt: skip
        if topic is not None:
            entry["in"] = {"topic": topic, "partition": 0, "offset": "1", "digest": "sha-256:00"}
        self.entries.append(entry)
        return events
