"""
Closed lists of telemetry: every span name, span attribute and metric, and what must never be recorded.

A name that is not here is not recorded: spans drop the attribute and count it,
metrics raise when they are built, a test reads the code for strangers.

Topics of one party are named by their template (``tips-inbox-{partner}``), so
that the list of span names is finite whoever is onboarded. The module is long because it is one list.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from contracts import topics
from contracts.vocabulary import ChannelName

SCOPE = "vidare"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""Semantic conventions that the ``messaging.*`` and ``http.*`` names below are taken from."""

# --- topics in names ------------------------------------------------------------------------------------------------

PARTY_TOPICS = {
    topics.INBOX: "{partner}",
    topics.STATUS: "{partner}",
    topics.AGENCY: "{agency}",
    topics.RECEIPTS_INBOX: "{agency}",
}
"""Prefix of a topic that exists once per party, and what stands for the party's id."""


@lru_cache(maxsize=4096)
def topic_template(topic: str) -> str:
    """Name *topic* without the party it belongs to: ``tips-inbox-ecpat-se`` -> ``tips-inbox-{partner}``."""
    for prefix, party in PARTY_TOPICS.items():
        if topic.startswith(prefix):
            urgent = prefix == topics.INBOX and topic.endswith(topics.URGENT)
            return f"{prefix}{party}{topics.URGENT if urgent else ''}"
    return topic


TEMPLATES = tuple(
    sorted(
        {
            topic_template(topic.name)
            for topic in topics.all_topics(["any"], ["any"])
            if topic.name != topics.CUSTODY and not topic.name.startswith(topics.CHANGELOG)
        }
    )
)
"""Topics whose records are events; entries and state changes have no spans of their own."""

# --- spans ----------------------------------------------------------------------------------------------------------

SpanKind = Literal["server", "client", "consumer", "producer", "internal"]

PROCESS = "process"
SEND = "send"
COMMIT = "commit"
DELIVER = "deliver"
LOCATE = "locate"
ROUTE = "route"
TIMER = "process timer"
TOLD = "process told"

DECISION_SPANS = {"geolocate": LOCATE, "router": ROUTE}
"""Hops whose decision gets an internal span of its own, below ``process``; it carries the decision's attributes."""

DOOR_ROUTES = (
    "POST /v1/tips",
    "POST /v1/tips/batch",
    "POST /v1/import/cybertip",
    "POST /v1/import/xarf",
    "GET /v1/tips/{tip_id}",
    "POST /report",
    "POST /follow-up",
    "GET /v1/locate",
    "POST /v1/explain",
    "GET /v1/referrals",
    "POST /v1/referrals/{id}/receipts",
    "GET /receipts/{token}",
    "POST /receipts/{token}",
)
"""Doors' spans are named by method and route template, never by the path that was called."""

SPANS: dict[str, SpanKind] = {
    **{f"{PROCESS} {topic}": "consumer" for topic in TEMPLATES},
    **{f"{SEND} {topic}": "producer" for topic in TEMPLATES},
    **{f"{COMMIT} {topic}": "client" for topic in TEMPLATES},
    **{f"{DELIVER} {channel.value}": "client" for channel in ChannelName},
    **dict.fromkeys(DOOR_ROUTES, "server"),
    TIMER: "internal",
    TOLD: "internal",
    f"{COMMIT} timer": "client",
    f"{COMMIT} told": "client",
    LOCATE: "internal",
    ROUTE: "internal",
}
"""Every span name and its kind."""

# --- attributes -----------------------------------------------------------------------------------------------------

# Set by the chassis from where a record lies; names of the messaging and HTTP conventions.
MESSAGING_SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
DESTINATION_TEMPLATE = "messaging.destination.template"
PARTITION = "messaging.destination.partition.id"
GROUP = "messaging.consumer.group.name"
OFFSET = "messaging.kafka.offset"
MESSAGE_ID = "messaging.message.id"
CONVERSATION = "messaging.message.conversation_id"
BATCH = "messaging.batch.message_count"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
ERROR_TYPE = "error.type"
# Set by decisions (Outcome.attributes) and by delivery attempts.
TIP = "vidare.tip"
HOP = "vidare.hop"
PARTNER = "vidare.partner"
KIND = "vidare.kind"
PRIORITY = "vidare.priority"
REVISION = "vidare.revision"
VERSION = "vidare.version"
REFUSAL = "vidare.refusal"
REPEATED = "vidare.repeated"
COUNTRIES = "vidare.countries"
PERSON_COUNTRIES = "vidare.person_countries"
CONFIDENCE = "vidare.confidence"
FLAGS = "vidare.flags"
BUILDS = "vidare.builds"
RULES = "vidare.rules"
RULEBOOK = "vidare.rulebook"
DESTINATIONS = "vidare.destinations"
PX = "vidare.px"
REVIEW = "vidare.review"
SIGHTING = "vidare.sighting"
AGENCY = "vidare.agency"
CHANNEL = "vidare.channel"
REFERRAL = "vidare.referral"
ATTEMPT = "vidare.attempt"
BREAKER = "vidare.breaker"
RECEIPT = "vidare.receipt"
ORDER = "vidare.order"
DEAD_REASON = "vidare.dead_reason"
DELIVERY = "vidare.delivery"
REACHED = "vidare.reached"
ACCEPTED_AT = "vidare.accepted_at"
IN_TIME = "vidare.in_time"

ATTRIBUTES: dict[str, str] = {
    MESSAGING_SYSTEM: "always kafka",
    OPERATION_NAME: "process, send or commit",
    OPERATION_TYPE: "process, send or settle",
    DESTINATION: "topic",
    DESTINATION_TEMPLATE: "topic without the party's id",
    PARTITION: "partition, as text",
    GROUP: "consumer group = name of the hop",
    OFFSET: "offset of the record",
    MESSAGE_ID: "event id",
    CONVERSATION: "tip id",
    BATCH: "records of a transaction",
    HTTP_METHOD: "method",
    HTTP_ROUTE: "route template, never the path",
    HTTP_STATUS: "status code answered",
    ERROR_TYPE: "class of what went wrong, a closed word or a status code; never a message",
    TIP: "tip id",
    HOP: "name of the hop",
    PARTNER: "partner id",
    KIND: "kind of the tip",
    PRIORITY: "P0 to P4, PX",
    REVISION: "the sender's n-th correction",
    VERSION: "the router's version of the tip",
    REFUSAL: "reason of a refusal",
    REPEATED: "true for a submission received again",
    COUNTRIES: "hosting countries of the verdict",
    PERSON_COUNTRIES: "countries of persons' addresses",
    CONFIDENCE: "lowest confidence among the hosting verdicts",
    FLAGS: "flags of indicators and verdicts",
    BUILDS: "source=build date of the databases used",
    RULES: "ids of the rules that asked for a destination",
    RULEBOOK: "first 12 hex digits of the rulebook's digest",
    DESTINATIONS: "agency ids, or review",
    PX: "why a tip is not referable",
    REVIEW: "true where a person must decide",
    SIGHTING: "true where the tip became a sighting",
    AGENCY: "agency id",
    CHANNEL: "channel of a delivery",
    REFERRAL: "referral id",
    ATTEMPT: "number of the attempt, from 1",
    BREAKER: "closed, half_open or open",
    RECEIPT: "status of an agency's receipt",
    ORDER: "what an operator ordered: pause, resume, redeliver, close",
    DEAD_REASON: "why a record became a dead letter",
    DELIVERY: "what was noted of a delivery: dispatched, attempted, parked, escalated",
    REACHED: "delivered or acknowledged, where the referral is so for the first time",
    IN_TIME: "true where an acknowledgement came before its deadline",
    ACCEPTED_AT: "when intake accepted the tip",
}
"""Every span attribute and what it holds."""

RESOURCE = ("service.name", "service.namespace", "service.version", "service.instance.id")
"""Who recorded a span: hop or door, ``vidare``, version, id of the process."""

# --- metrics --------------------------------------------------------------------------------------------------------

MetricType = Literal["counter", "gauge", "histogram"]

WORK_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
AGE_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Seconds. 1 and 60 are the aim and the promise for the most urgent tips."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: labels have closed or small sets of values; a tip is never a label."""

    name: str
    type: MetricType
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CONSUMED = Metric("vidare_messages_consumed_total", "counter", "records", "records decided on", ("hop", "topic"))
SENT = Metric("vidare_messages_sent_total", "counter", "records", "events written", ("hop", "topic"))
PROCESS_SECONDS = Metric(
    "vidare_process_duration_seconds", "histogram", "s", "time of one decision", ("hop", "topic"), WORK_BUCKETS
)
COMMIT_SECONDS = Metric(
    "vidare_transaction_duration_seconds", "histogram", "s", "begin to commit", ("hop",), WORK_BUCKETS
)
TRANSACTIONS = Metric("vidare_transactions_total", "counter", "transactions", "committed", ("hop",))
CRASHES = Metric(
    "vidare_crashes_total", "counter", "ends", "in the middle of work: the broker aborted what was open", ("hop",)
)
TIP_AGE = Metric(
    "vidare_tip_age_seconds",
    "histogram",
    "s",
    "accepted to routed, delivered or acknowledged",
    ("to", "lane"),
    AGE_BUCKETS,
)
LAG = Metric("vidare_consumer_lag_records", "gauge", "records", "records not worked yet", ("hop", "topic"))
LAG_SECONDS = Metric("vidare_consumer_lag_seconds", "gauge", "s", "age of the oldest unread record", ("hop", "topic"))
REBALANCES = Metric("vidare_rebalances_total", "counter", "rebalances", "changes of assignment", ("hop",))
TASKS = Metric("vidare_tasks", "gauge", "tasks", "tasks this process works", ("hop", "state"))
DEAD_LETTERS = Metric(
    "vidare_dead_letters_total", "counter", "records", "kept whole, to be looked at", ("hop", "topic", "reason")
)
REFUSALS = Metric("vidare_refusals_total", "counter", "submissions", "refused in words", ("via", "reason"))
REPEATS = Metric("vidare_repeats_total", "counter", "submissions", "received again", ("via",))
BAD_TRACE_HEADERS = Metric("vidare_trace_bad_headers_total", "counter", "records", "traceparent ignored", ("hop",))
ATTEMPTS = Metric("vidare_delivery_attempts_total", "counter", "attempts", "by end", ("agency", "channel", "end"))
ATTEMPT_SECONDS = Metric(
    "vidare_delivery_duration_seconds", "histogram", "s", "time of one attempt", ("channel",), WORK_BUCKETS
)
BACKLOG = Metric("vidare_backlog_referrals", "gauge", "referrals", "not delivered yet", ("agency", "state"))
BACKLOG_AGE = Metric(
    "vidare_backlog_oldest_seconds", "gauge", "s", "age of the oldest referral not delivered yet", ("agency",)
)
PARKED = Metric("vidare_parked_referrals", "gauge", "referrals", "parked with an owner and a clock", ("agency",))
ESCALATIONS = Metric("vidare_escalations_total", "counter", "escalations", "clocks that ran out", ("agency",))
RECEIPTS = Metric("vidare_receipts_total", "counter", "receipts", "agencies' answers", ("agency", "status"))
BREAKER_STATE = Metric("vidare_breaker_state", "gauge", "state", "0 closed, 1 half open, 2 open", ("agency",))
PAUSED = Metric("vidare_agency_paused", "gauge", "state", "1 while operators have paused it", ("agency",))
FEED = Metric("vidare_feed_documents", "gauge", "documents", "number of the last one of its feed", ("agency",))
ACKNOWLEDGED = Metric(
    "vidare_acknowledgements_total", "counter", "referrals", "acknowledged, in time or late", ("agency", "in_time")
)
GEODATA_AGE = Metric("vidare_geodata_age_seconds", "gauge", "s", "age of a database", ("source",))
GEODATA_BROKEN = Metric(
    "vidare_geodata_broken", "gauge", "files", "database files that cannot be opened; old ones stay"
)
RULEBOOK_REFUSED = Metric(
    "vidare_rulebook_refused",
    "gauge",
    "rulebooks",
    "published or activated last and unfit for use; the one before stays",
)
HTTP_REQUESTS = Metric("vidare_http_requests_total", "counter", "requests", "by route template", ("route", "status"))
HTTP_SECONDS = Metric(
    "vidare_http_request_duration_seconds", "histogram", "s", "by route template", ("route",), WORK_BUCKETS
)
SPANS_EXPORTED = Metric("vidare_spans_exported_total", "counter", "spans", "handed on", ("to",))
SPANS_DROPPED = Metric("vidare_spans_dropped_total", "counter", "spans", "never held up a tip", ("reason",))
UNLISTED = Metric(
    "vidare_telemetry_unlisted_total", "counter", "attributes", "names or values that were not recorded", ("kind",)
)
BOOKS = Metric("vidare_reconcile_tips", "gauge", "tips", "the books by state", ("state",))
UNACCOUNTED = Metric("vidare_reconcile_unaccounted", "gauge", "tips", "must be 0")
DUPLICATES = Metric("vidare_reconcile_duplicates", "gauge", "referrals", "doubled; must be 0")
CUSTODY_ENTRIES = Metric("vidare_custody_entries_total", "counter", "entries", "read by the custody service")

METRICS: dict[str, Metric] = {value.name: value for value in list(globals().values()) if isinstance(value, Metric)}
"""Every metric by name."""

# --- what must never be recorded ------------------------------------------------------------------------------------

NEVER = (
    "a URL, host or domain of a tip",
    "an address of a tip",
    "a hash of a tip",
    "an account or handle",
    "free text: narrative, notes, descriptions, reasons, an agency's question",
    "a person's name, age or nationality",
    "a reporter's contact",
    "the sender's reference (statuses are keyed by it; it may hold anything)",
    "a Kafka key or the bytes of a record",
    "a secret, token or signature",
    "the text of an exception",
)
"""In no span, log line, metric, Kafka key, error message or dead-letter reason."""

_SHAPES = (
    ("url", re.compile(r"[a-z][a-z0-9+.-]{1,20}://", re.IGNORECASE)),
    ("ipv4", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")),
    (
        "ipv6",
        re.compile(
            r"(?<![\w:])(?:(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){1,6}:[0-9a-f:]*)", re.IGNORECASE
        ),
    ),
    ("mail", re.compile(r"[^\s@]+@[^\s@]+\.[a-z]{2,}", re.IGNORECASE)),
    ("hash", re.compile(r"(?<![0-9a-f-])(?:[0-9a-f]{40}|[0-9a-f]{64})(?![0-9a-f-])", re.IGNORECASE)),
)
MAX_VALUE_CHARS = 200
"""Our ids, codes and dates are short; whatever is longer is somebody's text."""


def forbidden_shape(value: str) -> str | None:
    """Say which shape of tip content *value* has, or None; what is recorded is held against it."""
    if len(value) > MAX_VALUE_CHARS or "\n" in value:
        return "text"
    return next((name for name, pattern in _SHAPES if pattern.search(value)), None)


def span_name(operation: str, topic: str) -> str:
    """Name a span of *operation* on *topic*: ``send referrals-agency-{agency}``."""
    return f"{operation} {topic_template(topic)}"
