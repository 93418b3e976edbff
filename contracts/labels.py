"""
Closed lists of label values: what a metric's label may hold, whoever sends what.

Parties (``agency``, ``source``) come from registries, so they have a form instead of a list.
"""

import re
from http import HTTPStatus

from contracts import telemetry
from contracts.telemetry import Metric
from contracts.vocabulary import ChannelName, DeadReason, ReceiptStatus, RefusalReason

OTHER = "other"
"""Stands for a value that is not listed: somebody's words never become a label."""

HOPS = ("intake", "geolocate", "router", "notifier", "receipts")
DOOR = "door"
"""Where a metric with the label ``hop`` is counted by a door."""
TOPICS = frozenset({*telemetry.TEMPLATES, "timer", "told"})
AGES = ("routed", "delivered", "acknowledged")
LANES = ("urgent", "routine")
TASK_STATES = ("starting", "ready", "waiting")
VIAS = ("kafka", "http", "form", "cybertip", "xarf")
"""How a submission came; ``kafka`` is a publisher's own client."""
REFUSED = "refused"
"""Status of a receipt that was none."""
DELIVERED = "delivered"
FAULTS = ("timeout", "connect", "tls", "pin", "refused_address", "protocol", "internal", "no_channel")
IN_TIME = {True: "yes", False: "no"}
BACKLOG_STATES = ("queued", "sending", "waiting")
BOOK_STATES = ("accepted", "refused", "ended", "parked", "in_flight", "repeated")
SINKS = ("local", "otlp")
DROPS = ("queue_full", "unmade", "local_failed", "otlp_failed")
UNLISTED_KINDS = ("name", "value")
SMTP_REPLIES = (
    *(250, 251, 252, 421, 432, 450, 451, 452, 454, 455, 500, 501, 502, 503, 504),
    *(521, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556),
)
"""Replies that a mail server ends a message with; any other number is ``other``."""
STATUSES = frozenset(str(status.value) for status in HTTPStatus)
ENDS = frozenset(
    {DELIVERED, *FAULTS, *(f"http_{status}" for status in STATUSES), *(f"smtp_{reply}" for reply in SMTP_REPLIES)}
)

VALUES: dict[tuple[str, str], frozenset[str]] = {
    (telemetry.TIP_AGE.name, "to"): frozenset(AGES),
    (telemetry.TIP_AGE.name, "lane"): frozenset(LANES),
    (telemetry.TASKS.name, "state"): frozenset(TASK_STATES),
    (telemetry.DEAD_LETTERS.name, "reason"): frozenset(DeadReason),
    (telemetry.REFUSALS.name, "via"): frozenset(VIAS),
    (telemetry.REFUSALS.name, "reason"): frozenset(RefusalReason),
    (telemetry.REPEATS.name, "via"): frozenset(VIAS),
    (telemetry.ATTEMPTS.name, "channel"): frozenset(ChannelName),
    (telemetry.ATTEMPTS.name, "end"): ENDS,
    (telemetry.ATTEMPT_SECONDS.name, "channel"): frozenset(ChannelName),
    (telemetry.BACKLOG.name, "state"): frozenset(BACKLOG_STATES),
    (telemetry.RECEIPTS.name, "status"): frozenset({REFUSED, *ReceiptStatus}),
    (telemetry.ACKNOWLEDGED.name, "in_time"): frozenset(IN_TIME.values()),
    (telemetry.HTTP_REQUESTS.name, "route"): frozenset(telemetry.DOOR_ROUTES),
    (telemetry.HTTP_REQUESTS.name, "status"): STATUSES,
    (telemetry.HTTP_SECONDS.name, "route"): frozenset(telemetry.DOOR_ROUTES),
    (telemetry.SPANS_EXPORTED.name, "to"): frozenset(SINKS),
    (telemetry.SPANS_DROPPED.name, "reason"): frozenset(DROPS),
    (telemetry.UNLISTED.name, "kind"): frozenset(UNLISTED_KINDS),
    (telemetry.BOOKS.name, "state"): frozenset(BOOK_STATES),
}
"""Values by metric and label; ``hop`` and ``topic`` are the same in every metric."""

ANY_METRIC = {"hop": frozenset({*HOPS, DOOR}), "topic": TOPICS}
PARTY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Form of an agency's id and of a database's name."""


def listed(metric: Metric, label: str, value: str) -> bool:
    """True where *value* is on the list of *label*, or has the form of a party where that has no list."""
    values = VALUES.get((metric.name, label)) or ANY_METRIC.get(label)
    return value in values if values is not None else PARTY.fullmatch(value) is not None
