"""
What a committed transaction counts for: the metrics of a hop process.

Most are the same for every hop; a few are known from the attributes that its
decisions set. All records pay for it, so topics are resolved once per transaction.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from contracts import headers, labels, telemetry
from contracts.topics import AGENCY, LOCATED, RECEIPTS_INBOX
from contracts.vocabulary import Priority
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.spanmaker import Attempt, place_of
from services.chassis.telemetry.telemetry_port import Processed

_URGENT = frozenset(level.value for level in Priority if level.urgent)
_ESCALATIONS = ("escalated", "expired")
WEBHOOK, TOPIC = "webhook", "topic"


class Measurer:
    """Counts what one hop process does."""

    def __init__(self, metrics: Metrics, hop: str) -> None:
        self._metrics = metrics
        self._hop = hop
        self._special = _SPECIAL.get(hop)
        known_from_the_start(metrics, hop)

    def transaction(self, processed: Sequence[Processed]) -> None:
        """Count and time what one transaction did."""
        metrics, hop, first = self._metrics, self._hop, processed[0]
        metrics.count(telemetry.TRANSACTIONS, hop=hop)
        metrics.observe(telemetry.COMMIT_SECONDS, (first.committed_ns - first.began_ns) / 1e9, hop=hop)
        timed: dict[str, list[int]] = {}
        sent: Counter[str] = Counter([one.topic for done in processed for one in done.sent])
        for done in processed:
            record = done.given.record
            timed.setdefault(place_of(done) if record is None else record.topic, []).append(
                done.ended_ns - done.started_ns
            )
            if done.dead is not None:
                self._dead(done)
            elif self._special is not None:
                self._special(metrics, done)
        for place, spent in timed.items():
            self._timed(telemetry.topic_template(place), spent)
        for topic, count in sent.items():
            self._sent(topic, count)

    def attempt(self, attempt: Attempt) -> None:
        """Count and time one delivery attempt."""
        end, channel = attempt.error or labels.DELIVERED, attempt.channel
        self._metrics.count(telemetry.ATTEMPTS, agency=attempt.agency, channel=channel, end=end)
        self._metrics.observe(telemetry.ATTEMPT_SECONDS, (attempt.end_ns - attempt.start_ns) / 1e9, channel=channel)

    def _timed(self, topic: str, spent: list[int]) -> None:
        self._metrics.count(telemetry.CONSUMED, len(spent), hop=self._hop, topic=topic)
        observe = self._metrics.histogram(telemetry.PROCESS_SECONDS, hop=self._hop, topic=topic).observe
        for nanoseconds in spent:
            observe(nanoseconds / 1e9)

    def _sent(self, topic: str, count: int) -> None:
        template = telemetry.topic_template(topic)
        self._metrics.count(telemetry.SENT, count, hop=self._hop, topic=template)
        if template != topic and topic.startswith(AGENCY):
            agency = topic.removeprefix(AGENCY)
            self._metrics.count(telemetry.ATTEMPTS, count, agency=agency, channel=TOPIC, end=labels.DELIVERED)

    def _dead(self, done: Processed) -> None:
        if done.dead is not None:
            topic = telemetry.topic_template(place_of(done))
            self._metrics.count(telemetry.DEAD_LETTERS, hop=self._hop, topic=topic, reason=done.dead.value)


def _intake(metrics: Metrics, done: Processed) -> None:
    attributes = done.attributes
    if telemetry.REFUSAL in attributes:
        metrics.count(telemetry.REFUSALS, via=_via(done), reason=str(attributes[telemetry.REFUSAL]))
    elif telemetry.REPEATED in attributes:
        metrics.count(telemetry.REPEATS, via=_via(done))


def _router(metrics: Metrics, done: Processed) -> None:
    """Only a tip has an age: an outcome or a review that is decided again would count from its own beginning."""
    if done.accepted_at is not None and done.record is not None and done.record.topic.startswith(LOCATED):
        age(metrics, done.accepted_at, done.committed_ns, "routed", urgent=done.urgent)


def _notifier(metrics: Metrics, done: Processed) -> None:
    attributes = done.attributes
    agency = str(attributes.get(telemetry.AGENCY, labels.OTHER))
    if telemetry.RECEIPT in attributes:
        metrics.count(telemetry.RECEIPTS, agency=agency, status=str(attributes[telemetry.RECEIPT]))
    for word in _words(done, telemetry.DELIVERY):
        if word in _ESCALATIONS:
            metrics.count(telemetry.ESCALATIONS, agency=agency)
    if telemetry.IN_TIME in attributes:
        in_time = labels.IN_TIME[bool(attributes[telemetry.IN_TIME])]
        metrics.count(telemetry.ACKNOWLEDGED, agency=agency, in_time=in_time)
    accepted = attributes.get(telemetry.ACCEPTED_AT)
    if isinstance(accepted, str):
        urgent = attributes.get(telemetry.PRIORITY) in _URGENT
        for to in _words(done, telemetry.REACHED):
            age(metrics, accepted.encode(), done.committed_ns, to, urgent=urgent)


def _receipts(metrics: Metrics, done: Processed) -> None:
    """Those that are passed on are counted by the notifier, which knows what they answer."""
    record = done.record
    if record is not None and done.attributes.get(telemetry.RECEIPT) == labels.REFUSED:
        agency = record.topic.removeprefix(RECEIPTS_INBOX)
        metrics.count(telemetry.RECEIPTS, agency=agency, status=labels.REFUSED)


_SPECIAL: dict[str, Callable[[Metrics, Processed], None]] = {
    "intake": _intake,
    "router": _router,
    "notifier": _notifier,
    "receipts": _receipts,
}
"""What the decisions of one hop count for, beside what all hops do."""


def _via(done: Processed) -> str:
    """How a submission came: the header is anybody's, so only listed words are taken."""
    said = done.record.header(headers.VIDARE_VIA) if done.record is not None else None
    word = said.decode("ascii", "replace") if said else ""
    return word if word in labels.VIAS else labels.VIAS[0]


def _words(done: Processed, attribute: str) -> list[str]:
    said = done.attributes.get(attribute)
    return said if isinstance(said, list) else []


def age(metrics: Metrics, accepted_at: bytes, now_ns: int, to: str, *, urgent: bool) -> None:
    """Observe how long after intake accepted it a tip got *to* ``routed``, ``delivered`` or ``acknowledged``."""
    seconds = age_s(accepted_at, now_ns)
    if seconds is not None:
        metrics.observe(telemetry.TIP_AGE, seconds, to=to, lane=labels.LANES[0 if urgent else 1])


def age_s(accepted_at: bytes, now_ns: int) -> float | None:
    """Seconds from the header ``vidare-accepted-at`` to *now_ns*; None where the header is not a time."""
    try:
        return max(0.0, now_ns / 1e9 - datetime.fromisoformat(accepted_at.decode("ascii")).timestamp())
    except (ValueError, UnicodeDecodeError):
        return None


def known_from_the_start(metrics: Metrics, hop: str) -> None:
    """Show counters of rare things as 0: an alert on their increase would miss the first one otherwise."""
    metrics.count(telemetry.BAD_TRACE_HEADERS, 0, hop=hop)
    metrics.count(telemetry.CRASHES, 0, hop=hop)
    metrics.count(telemetry.TRANSACTIONS, 0, hop=hop)
    if hop == "intake":
        for via in labels.VIAS:
            metrics.count(telemetry.REPEATS, 0, via=via)
            for reason in sorted(labels.VALUES[telemetry.REFUSALS.name, "reason"]):
                metrics.count(telemetry.REFUSALS, 0, via=via, reason=str(reason))
