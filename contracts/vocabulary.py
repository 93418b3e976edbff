"""
Closed lists: every word that a field, a reason or a flag may hold.

A list grows by addition only; renaming or removing a word is a breaking
change and fails the compatibility gate (``contracts.compat``).
"""

from enum import StrEnum


class Kind(StrEnum):
    """What a tip is about."""

    CSAM = "csam"
    GROOMING = "grooming"
    SEXTORTION = "sextortion"
    LIVE_ABUSE = "live_abuse"
    TRAFFICKING = "trafficking"
    TRAVELLING_OFFENDER = "travelling_offender"
    SOLICITATION = "solicitation"
    OTHER = "other"


class AddressRole(StrEnum):
    """Whose address it is: ``hosting`` is the server, the others are a person's."""

    HOSTING = "hosting"
    UPLOAD = "upload"
    LOGIN = "login"
    REGISTRATION = "registration"
    PEER = "peer"
    OTHER = "other"


class HashAlgorithm(StrEnum):
    """How a hash was made; never guessed from its length."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    PDQ = "pdq"
    PHOTODNA = "photodna"


class CountryBy(StrEnum):
    """Who named the country of an address: a person who looked, or a tool."""

    ANALYST = "analyst"
    TOOL = "tool"


class PersonRole(StrEnum):
    """What a person is in the tip."""

    VICTIM = "victim"
    SUSPECT = "suspect"
    REPORTER = "reporter"


class AssessmentStatus(StrEnum):
    """What an analyst found: ``national`` is illegal in the sender's country."""

    UNASSESSED = "unassessed"
    BASELINE = "baseline"
    NATIONAL = "national"
    HARMFUL = "harmful"
    NOT_ILLEGAL = "not_illegal"


class Label(StrEnum):
    """Labels of the industry classification and of severity."""

    A1 = "A1"
    A2 = "A2"
    B1 = "B1"
    B2 = "B2"
    INFANT = "infant"
    VIOLENCE = "violence"
    BESTIALITY = "bestiality"


class Signal(StrEnum):
    """Structured signals that triage reads."""

    LIVE_STREAMING = "live_streaming"
    ONGOING_CONTACT = "ongoing_contact"
    PLANNED_MEETING = "planned_meeting"
    CRISIS = "crisis"
    VIRAL = "viral"
    KNOWN_MATERIAL = "known_material"
    MINOR_TO_MINOR = "minor_to_minor"
    SELF_GENERATED = "self_generated"
    SELF_REPORT = "self_report"
    GENERATIVE_AI = "generative_ai"
    DRAWN = "drawn"
    NEW_MATERIAL = "new_material"
    COMMERCIAL = "commercial"
    ACCESS_TO_CHILDREN = "access_to_children"
    PRIOR_REPORTS = "prior_reports"
    SPAM = "spam"


class Priority(StrEnum):
    """How fast; ``PX`` is not referable. Sorts from most to least urgent."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    PX = "PX"

    @property
    def urgent(self) -> bool:
        """True for the levels that travel in the urgent lane."""
        return self in (Priority.P0, Priority.P1)


class RefusalReason(StrEnum):
    """Why intake says no."""

    NOT_JSON = "not_json"
    NOT_PERMITTED = "not_permitted"
    REFERENCE_REUSED = "reference_reused"
    TOO_LARGE = "too_large"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNKNOWN_FIELD = "unknown_field"
    INVALID_FIELD = "invalid_field"
    EMPTY_TIP = "empty_tip"
    TOO_MANY = "too_many"
    MEDIA_REFUSED = "media_refused"
    UNKNOWN_REFERENCE = "unknown_reference"


REFUSAL_HTTP_STATUS = {
    RefusalReason.NOT_JSON: 400,
    RefusalReason.NOT_PERMITTED: 403,
    RefusalReason.REFERENCE_REUSED: 409,
    RefusalReason.TOO_LARGE: 413,
    RefusalReason.UNKNOWN_SCHEMA: 422,
    RefusalReason.UNKNOWN_FIELD: 422,
    RefusalReason.INVALID_FIELD: 422,
    RefusalReason.EMPTY_TIP: 422,
    RefusalReason.TOO_MANY: 422,
    RefusalReason.MEDIA_REFUSED: 422,
    RefusalReason.UNKNOWN_REFERENCE: 422,
}


class Flag(StrEnum):
    """What is odd or special about an indicator or a verdict."""

    UNROUTABLE = "unroutable"
    NONSTANDARD_IP = "nonstandard_ip"
    MAPPED = "mapped"
    EMBEDDED_IPV4 = "embedded_ipv4"
    CDN = "cdn"
    ANYCAST = "anycast"
    TOR_EXIT = "tor_exit"
    ONION = "onion"
    ONION_V2 = "onion_v2"
    ONION_INVALID = "onion_invalid"
    I2P = "i2p"
    CONFLICT = "conflict"
    NOT_A_COUNTRY = "not_a_country"
    NO_ADDRESS = "no_address"
    REDIRECTOR = "redirector"
    OTHER_SCHEME = "other_scheme"
    AMBIGUOUS_HOST = "ambiguous_host"
    BAD_PORT = "bad_port"
    REFANGED = "refanged"
    CONTROL_CHARS = "control_chars"
    IDNA = "idna"
    NEEDS_PORT = "needs_port"
    BAD_HASH = "bad_hash"
    NULL_HASH = "null_hash"
    HASH_MISMATCH = "hash_mismatch"
    TZ_UNKNOWN = "tz_unknown"
    LANG_UNKNOWN = "lang_unknown"
    STALE_GEODATA = "stale_geodata"
    BAD_URL = "bad_url"
    BAD_ADDRESS = "bad_address"
    ASSUMED_SCHEME = "assumed_scheme"
    TRIMMED = "trimmed"
    EXTRACTED = "extracted"
    CONFUSABLE = "confusable"
    FUTURE_TIME = "future_time"
    POSSIBLE_PROXY = "possible_proxy"


class UrlKind(StrEnum):
    """What sort of place a URL names."""

    WEB = "web"
    ONION = "onion"
    I2P = "i2p"
    IPFS = "ipfs"
    P2P = "p2p"
    MESSENGER = "messenger"
    LOCAL = "local"
    OTHER = "other"


class PartnerKind(StrEnum):
    """What sort of sender a partner is."""

    HOTLINE = "hotline"
    CLEARING_HOUSE = "clearing_house"
    CRAWLER = "crawler"
    POLICE = "police"
    PLATFORM = "platform"
    PUBLIC = "public"


class AgencyKind(StrEnum):
    """What sort of receiver an agency is."""

    POLICE = "police"
    HOTLINE = "hotline"
    INTERPOL = "interpol"
    EUROPOL = "europol"
    PROVIDER = "provider"
    TAKEDOWN = "takedown"
    CRAWLER = "crawler"


class Profile(StrEnum):
    """Which parts of a tip an agency may have."""

    POLICE = "police"
    HOTLINE = "hotline"
    INTERPOL_NCB = "interpol-ncb"
    INTERPOL_ICCAM = "interpol-iccam"
    PROVIDER = "provider"


class ChannelName(StrEnum):
    """How an agency is reached."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    TOPIC = "topic"
    PULL = "pull"


class Action(StrEnum):
    """What a referral asks of its receiver."""

    NEW = "new"
    UPDATE = "update"
    WITHDRAWN = "withdrawn"
    SIGHTINGS = "sightings"


class StatusWord(StrEnum):
    """What ``tips-status-<p>`` may say."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    ROUTED = "routed"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    OUTCOME = "outcome"
    QUESTION = "question"


class ReceiptStatus(StrEnum):
    """What an agency may answer."""

    ACKNOWLEDGED = "acknowledged"
    ACTIONED = "actioned"
    CLOSED = "closed"
    NACK = "nack"
    QUESTION = "question"
    ACTIVE_INVESTIGATION = "active_investigation"


class ReceiptOutcome(StrEnum):
    """What came of a referral, in the agency's words."""

    CONTENT_REMOVED = "content_removed"
    CONTENT_UNAVAILABLE = "content_unavailable"
    MOVED = "moved"
    REPORTED_LEA = "reported_lea"
    REPORTED_ISP = "reported_isp"
    NOT_ILLEGAL = "not_illegal"
    DUPLICATE = "duplicate"


class Nack(StrEnum):
    """Why an agency says that a referral is not for it."""

    NOT_OURS = "not_ours"
    OVERLOAD = "overload"
    MALFORMED = "malformed"
    LEGAL = "legal"


class EntryKind(StrEnum):
    """What a custody entry records."""

    TIP_ACCEPTED = "tip.accepted"
    TIP_NOTICED = "tip.noticed"
    TIP_REPEATED = "tip.repeated"
    TIP_REFUSED = "tip.refused"
    HOP_GEOLOCATED = "hop.geolocated"
    HOP_ROUTED = "hop.routed"
    HOP_QUEUED = "hop.queued"
    DELIVERY_ATTEMPTED = "delivery.attempted"
    DELIVERY_DELIVERED = "delivery.delivered"
    DELIVERY_ACKNOWLEDGED = "delivery.acknowledged"
    DELIVERY_CLOSED = "delivery.closed"
    DELIVERY_ESCALATED = "delivery.escalated"
    DELIVERY_PARKED = "delivery.parked"
    RECEIPT_CHECKED = "receipt.checked"
    RECEIPT_REFUSED = "receipt.refused"
    OUTCOME_TAKEN = "outcome.taken"
    REVIEW_DECIDED = "review.decided"
    DELIVERY_REOPENED = "delivery.reopened"
    AGENCY_ORDERED = "agency.ordered"
    TIP_PARKED = "tip.parked"
    TIP_REOPENED = "tip.reopened"
    TIP_CLOSED = "tip.closed"
    POLICY_CHANGED = "policy.changed"


class Order(StrEnum):
    """What an operator may order for one agency."""

    PAUSE = "pause"
    """No attempt begins; rows wait, clocks and escalation go on, the agency's own feed is written as ever."""
    RESUME = "resume"
    """Attempts begin again, in the lane's own order."""
    REDELIVER = "redeliver"
    """Send again, the same id and the same bytes, what the agency has not acknowledged."""
    CLOSE = "close"
    """A person ends one referral, with name and reason."""


class DeadReason(StrEnum):
    """Why a record behind intake could not be worked."""

    NOT_JSON = "not_json"
    INVALID_EVENT = "invalid_event"
    UNKNOWN_VERSION = "unknown_version"
    NULL_VALUE = "null_value"
    TOO_LARGE = "too_large"
    CRASHED_THREE_TIMES = "crashed_three_times"
    UNKNOWN_AGENCY = "unknown_agency"


NULL_HASHES = frozenset(
    {
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
)
"""Hashes of the empty file: they identify nothing (the published XARF sample carries one)."""
