"""
Every topic: who writes and reads it, its key, partitions, retention and largest record.

Names are hyphenated: a dot collides with an underscore in metric names.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

DAY_MS = 86_400_000
MIB = 1024 * 1024

URGENT = "-urgent"
DLQ = "-dlq"

INBOX = "tips-inbox-"
STATUS = "tips-status-"
RECEIVED = "tips-received"
LOCATED = "tips-located"
ROUTED = "referrals-routed"
AGENCY = "referrals-agency-"
RECEIPTS_INBOX = "receipts-inbox-"
RECEIPTS_CHECKED = "receipts-checked"
DECISIONS = "decisions"
OUTCOMES = "outcomes"
DELIVERIES = "deliveries"
REVIEWS = "reviews"
CUSTODY = "custody"
ORDERS = "agency-orders"
RULEBOOKS = "rulebooks"
ACTIVE = "active"
"""Key of the topic `RULEBOOKS` that names the digest in force; every other key is a digest."""

CHANGELOG = "changelog-"

LANE_KEYS = {RECEIVED: "group id", LOCATED: "group id", ROUTED: "agency id"}

DEFAULT_PARTITIONS = 12
"""Tasks per hop. Changing it for a running mesh would move keys between tasks: hops end with 78 instead."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the contract."""

    name: str
    key: str
    event: str
    partitions: int
    retention_ms: int
    """-1 keeps for ever."""
    max_message_bytes: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    cleanup: Literal["delete", "compact"] = "delete"

    @property
    def config(self) -> dict[str, str]:
        """The broker's own settings for this topic."""
        base = {"max.message.bytes": str(self.max_message_bytes), "cleanup.policy": self.cleanup}
        if self.cleanup == "delete":
            base["retention.ms"] = str(self.retention_ms)
        else:
            base |= {"delete.retention.ms": str(DAY_MS), "min.cleanable.dirty.ratio": "0.3"}
        if self.name.startswith((INBOX, RECEIPTS_INBOX)):
            # A sender may compress; the broker unpacks, so that no codec we lack and no bomb reaches a hop.
            base["compression.type"] = "uncompressed"
        return base


def inbox(partner: str, *, urgent: bool = False) -> str:
    """Name of the topic that partner *partner* publishes to."""
    return f"{INBOX}{partner}{URGENT if urgent else ''}"


def _lanes(name: str, event: str, partitions: int, writers: tuple[str, ...], readers: tuple[str, ...]) -> list[Topic]:
    made = [
        Topic(lane, LANE_KEYS[name], event, partitions, 30 * DAY_MS, 2 * MIB, writers, readers)
        for lane in (name, name + URGENT)
    ]
    dead = [
        Topic(t.name + DLQ, "as original", "original bytes", 1, 365 * DAY_MS, 3 * MIB, readers, ("operators",))
        for t in made
    ]
    return made + dead


def partner_topics(partner: str) -> list[Topic]:
    """Topics of one partner: two inboxes, a status topic and intake's changelog for its task."""
    writer = f"partner {partner}"
    return [
        *(
            Topic(
                inbox(partner, urgent=u),
                "any",
                "tip-submission/1",
                1,
                30 * DAY_MS,
                MIB + 64 * 1024,
                (writer, "intake door"),
                ("intake",),
            )
            for u in (False, True)
        ),
        Topic(
            STATUS + partner,
            "sender's reference",
            "tip-status/1",
            1,
            90 * DAY_MS,
            MIB,
            ("intake", "router", "notifier"),
            (writer,),
        ),
        Topic(CHANGELOG + "intake-" + partner, "state key", "state", 1, -1, MIB, ("intake",), ("intake",), "compact"),
    ]


def agency_topics(agency: str) -> list[Topic]:
    """Topics of one agency: its referrals, its receipts and the changelog of the receipts task."""
    reader = f"agency {agency}"
    return [
        Topic(AGENCY + agency, "referral id", "referral/1", 1, 90 * DAY_MS, 2 * MIB, ("notifier",), (reader,)),
        Topic(
            RECEIPTS_INBOX + agency, "referral id", "receipt/1", 1, 30 * DAY_MS, 256 * 1024, (reader,), ("notifier",)
        ),
        Topic(
            CHANGELOG + "receipts-" + agency, "state key", "state", 1, -1, MIB, ("notifier",), ("notifier",), "compact"
        ),
    ]


def mesh_topics(partitions: int = DEFAULT_PARTITIONS) -> list[Topic]:
    """Topics that exist once, whoever sends and receives."""

    def keyed(name: str, event: str, key: str, writers: tuple[str, ...], readers: tuple[str, ...]) -> Topic:
        return Topic(name, key, event, partitions, 30 * DAY_MS, 2 * MIB, writers, readers)

    def changelog(hop: str) -> Topic:
        return Topic(CHANGELOG + hop, "state key", "state", partitions, -1, 3 * MIB, (hop,), (hop,), "compact")

    def dead(name: str, reader: str) -> Topic:
        return Topic(name + DLQ, "as original", "original bytes", 1, 365 * DAY_MS, 3 * MIB, (reader,), ("operators",))

    return [
        *_lanes(RECEIVED, "tip-received/1", partitions, ("intake",), ("geolocate",)),
        *_lanes(LOCATED, "tip-located/1", partitions, ("geolocate",), ("router",)),
        *_lanes(ROUTED, "referral-routed/1", partitions, ("router",), ("notifier",)),
        keyed(OUTCOMES, "outcome/1", "group id", ("notifier",), ("router",)),
        dead(OUTCOMES, "router"),
        keyed(RECEIPTS_CHECKED, "receipt-checked/1", "agency id", ("notifier",), ("notifier",)),
        dead(RECEIPTS_CHECKED, "notifier"),
        keyed(ORDERS, "agency-order/1", "agency id", ("vidare agencies", "console"), ("notifier",)),
        dead(ORDERS, "notifier"),
        keyed(REVIEWS, "review/1", "group id", ("router", "console"), ("router", "console")),
        dead(REVIEWS, "router"),
        keyed(DECISIONS, "decision/1", "group id", ("router",), ("console", "backtest")),
        keyed(DELIVERIES, "delivery/1", "referral id", ("notifier",), ("custody", "console")),
        Topic(CUSTODY, "tip id", "custody/1", 1, -1, MIB, ("intake", "geolocate", "router", "notifier"), ("custody",)),
        Topic(
            RULEBOOKS, "digest, or active", "rulebook", 1, -1, MIB, ("vidare rules activate",), ("router",), "compact"
        ),
        changelog("router"),
        changelog("notifier"),
    ]


def all_topics(partners: Iterable[str], agencies: Iterable[str], partitions: int = DEFAULT_PARTITIONS) -> list[Topic]:
    """Every topic of a mesh with these partners and agencies."""
    return [
        *mesh_topics(partitions),
        *(topic for partner in partners for topic in partner_topics(partner)),
        *(topic for agency in agencies for topic in agency_topics(agency)),
    ]
