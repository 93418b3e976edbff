"""
Every event between hops: ``facts`` (what decisions read) and ``content`` (what only receivers read).

``content`` is one sealed blob: the codec is clear text today and may become a
per-tip key later, which is why nothing behind intake may decide on it, except
geolocate, which reads ``content.indicators``.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator

from contracts.indicators import Frozen, Indicators
from contracts.vocabulary import (
    Action,
    AddressRole,
    AssessmentStatus,
    ChannelName,
    Flag,
    Kind,
    Label,
    Nack,
    Order,
    PersonRole,
    Priority,
    ReceiptOutcome,
    Signal,
)


class PersonFacts(Frozen):
    """Somebody in the tip, as far as a decision may look."""

    role: PersonRole
    nationalities: tuple[str, ...] = ()
    location: str | None = None
    age: int | None = None
    named: bool = False


class KnownCase(Frozen):
    """An agency that the sender says has a case already."""

    agency: str
    case: str | None = None


class TipFacts(Frozen):
    """What triage and rules read of a tip; holds no address, URL, hash, name or text."""

    kind: Kind
    observed_at: datetime | None = None
    """When it was observed; without zone when ``tz_unknown`` is in ``flags``; None when in the future or unread."""
    status: AssessmentStatus = AssessmentStatus.UNASSESSED
    labels: tuple[Label, ...] = ()
    signals: tuple[Signal, ...] = ()
    text_signals: tuple[str, ...] = ()
    """Reason codes that the text lists ask for (``U1``, ``U3`` ...); they may only raise."""
    immediate_danger: bool = False
    danger_reason: bool = False
    """A reason text stood beside the urgency flag."""
    people: tuple[PersonFacts, ...] = ()
    place_country: str | None = None
    place_region: str | None = None
    place_area: str | None = None
    """The area (county) that the place's fields name by the maintained table of its country; one of a closed list."""
    language: str | None = None
    place_described: bool = False
    """A place is told in words, whether or not its country is."""
    url_count: int = 0
    address_roles: tuple[AddressRole, ...] = ()
    traceable: bool = False
    """An address stands with its time and port: an operator can tell whose it was."""
    hash_count: int = 0
    """Hashes that identify something; the empty file's are not counted."""
    account_count: int = 0
    has_narrative: bool = False
    contactable: bool = False
    share_with_police: bool = False
    known_to: tuple[KnownCase, ...] = ()
    preserve_until: AwareDatetime | None = None
    withdrawn: bool = False
    is_test: bool = False
    flags: tuple[Flag, ...] = ()
    fingerprints: tuple[str, ...] = ()
    """Keyed digests of each account, person, URL and hash: what is a new fact, without telling what it is."""


class Content(Frozen):
    """What a tip says, for receivers: indicators as understood, everything else as sent."""

    indicators: Indicators = Indicators()
    people: tuple[dict[str, Any], ...] = ()
    place: dict[str, Any] | None = None
    narrative: str | None = None
    reporter: dict[str, Any] | None = None
    observed_at: str | None = None
    assessment_by: str | None = None
    urgency_reason: str | None = None


class Notice(Frozen):
    """
    How many urgent tips of a sender with an urgent budget one call of a duty desk speaks for.

    Within the budget each tip is a notice of its own; beyond it one a minute
    carries the count, and the others keep their level and go out without a call.
    """

    count: int = Field(ge=0)
    """0: another tip's notice speaks for this one."""
    at: AwareDatetime
    late: bool = False
    """The tip went on before; only its notice is new."""


class TipReceived(Frozen):
    """``tip-received/1``: intake accepted a tip, or the next revision of one."""

    schema_: Annotated[Literal["tip-received/1"], Field(alias="schema")] = "tip-received/1"
    tip_id: UUID
    revision: int = Field(ge=1)
    """1 for the first submission, then one more for each correction; intake counts."""
    group_id: str
    partner: str
    reference: str
    """The sender's reference of this revision; statuses are keyed by it."""
    received_at: AwareDatetime
    urgent: bool = False
    notice: Notice | None = None
    """Set for urgent tips of a partner that is not vetted."""
    facts: TipFacts
    content: Content


class Evidence(Frozen):
    """What one source says of one address."""

    source: str
    says: str | None
    built: str | None = None
    """Date of the build, ISO 8601; None where the source has none (a person's claim)."""


class Network(Frozen):
    """Who operates the network an address lies in."""

    asn: int
    name: str


class Verdict(Frozen):
    """Where one indicator points, how sure, and why."""

    target: str
    """JSON pointer of the indicator in ``content.indicators``: ``/urls/0``, ``/addresses/2``."""
    role: AddressRole
    canonical: str | None = None
    country: str | None = None
    confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    candidates: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    network: Network | None = None
    operator: str | None = None
    """Agency id of a proxy operator's desk (``cdn-cloudflare``) where the address is an edge of it."""
    domain: str | None = None
    """Registrable domain, else host, else address: what the choice among several hotlines is stable in."""
    observed_at: datetime | None = None
    flags: tuple[Flag, ...] = ()


class Jurisdiction(Frozen):
    """Every verdict of a tip; ``builds`` names the databases that were used."""

    hosting: tuple[Verdict, ...] = ()
    persons: tuple[Verdict, ...] = ()
    """Roles upload, login, registration, peer."""
    flags: tuple[Flag, ...] = ()
    builds: dict[str, str] = Field(default_factory=dict)


class TipLocated(Frozen):
    """``tip-located/1``: the tip and where its indicators point."""

    schema_: Annotated[Literal["tip-located/1"], Field(alias="schema")] = "tip-located/1"
    located_at: AwareDatetime
    jurisdiction: Jurisdiction
    received: TipReceived


class Why(Frozen):
    """One rule that asked for a destination."""

    rule: str
    text: str


class HostingCountry(Frozen):
    """A hosting verdict as an agency reads it."""

    country: str | None
    confidence: float
    evidence: tuple[Evidence, ...] = ()


class ReferralJurisdiction(Frozen):
    """What an agency is told of where the content lies."""

    hosting: tuple[HostingCountry, ...] = ()
    flags: tuple[Flag, ...] = ()


class RulebookRef(Frozen):
    """Which rulebook decided."""

    id: str
    digest: str


class ReferralRouted(Frozen):
    """``referral-routed/1``: one tip version for one destination, everything that the profiles may show."""

    schema_: Annotated[Literal["referral-routed/1"], Field(alias="schema")] = "referral-routed/1"
    referral_id: UUID
    tip_id: UUID
    revision: int = 1
    version: int = Field(ge=1)
    action: Action = Action.NEW
    replaces: UUID | None = None
    destination: str
    region: str | None = None
    is_test: bool = False
    group: str
    related: tuple[UUID, ...] = ()
    sightings: int = 1
    via: tuple[str, ...] = ()
    priority: Priority
    priority_reasons: tuple[str, ...] = ()
    actionability: int = 0
    acknowledge_by: AwareDatetime | None = None
    duty: bool = False
    duty_count: int | None = None
    """Urgent tips of one sender that this call speaks for, where its budget is spent."""
    deconflict: bool = False
    kind: Kind
    partner: str
    reference: str
    received_at: AwareDatetime
    routed_at: AwareDatetime
    why: tuple[Why, ...]
    rulebook: RulebookRef
    jurisdiction: ReferralJurisdiction = ReferralJurisdiction()
    status: AssessmentStatus = AssessmentStatus.UNASSESSED
    labels: tuple[Label, ...] = ()
    legality: str | None = None
    signals: tuple[Signal, ...] = ()
    known_to: tuple[KnownCase, ...] = ()
    preserve_until: AwareDatetime | None = None
    share_with_police: bool = False
    url: int | None = None
    """Which of ``content.indicators.urls`` lies with this destination, where it is a proxy's operator."""
    content: Content


class ConditionTruth(Frozen):
    """One rule's answer on the facts: matched, or the first condition that failed."""

    rule: str
    matched: bool
    failed: str | None = None


class DestinationDecided(Frozen):
    """One destination of a decision."""

    id: str
    rules: tuple[str, ...]
    priority: Priority
    region: str | None = None


class DecisionRecorded(Frozen):
    """``decision/1``: facts, digests and the truth of every condition; no content."""

    schema_: Annotated[Literal["decision/1"], Field(alias="schema")] = "decision/1"
    tip_id: UUID
    revision: int
    version: int
    group_id: str
    partner: str
    decided_at: AwareDatetime
    rulebook: RulebookRef
    builds: dict[str, str] = Field(default_factory=dict)
    facts: dict[str, Any]
    """The flat facts that the rules read, by their names in the rulebook's vocabulary."""
    truth: tuple[ConditionTruth, ...]
    destinations: tuple[DestinationDecided, ...] = ()
    later: tuple[dict[str, Any], ...] = ()
    suppressed: tuple[dict[str, Any], ...] = ()
    why_not: tuple[dict[str, Any], ...] = ()
    priority: Priority
    priority_reasons: tuple[str, ...] = ()
    actionability: int = 0
    px: str | None = None
    sighting_of: tuple[UUID, ...] = ()
    gist: dict[str, Any] = Field(default_factory=dict)
    """All that the decision read of the tip: with the same rulebook and world it is taken again, byte for byte."""
    world: str | None = None
    """Digest of the country registry, the onboarding records and the partners at that time."""


class ReviewAsked(Frozen):
    """``review/1``: what a person must decide, and later what was decided."""

    schema_: Annotated[Literal["review/1"], Field(alias="schema")] = "review/1"
    review_id: UUID
    tip_id: UUID
    version: int
    group_id: str
    partner: str
    state: Literal["open", "decided"] = "open"
    reasons: tuple[str, ...] = ()
    """Rule ids that asked for a person."""
    priority: Priority
    opened_at: AwareDatetime
    decide_by: AwareDatetime
    decision: dict[str, Any] | None = None
    decided_by: tuple[str, ...] = ()
    decided_at: AwareDatetime | None = None


OutcomeWord = Literal[
    "acknowledged",
    "actioned",
    "closed",
    "closed_by_person",
    "nack",
    "moved",
    "expired",
    "agency_removed",
    "active_investigation",
]


class OutcomeReported(Frozen):
    """``outcome/1``: what came of a referral, from the notifier back to the router."""

    schema_: Annotated[Literal["outcome/1"], Field(alias="schema")] = "outcome/1"
    referral_id: UUID
    tip_id: UUID
    version: int
    group_id: str
    destination: str
    what: OutcomeWord
    nack: Nack | None = None
    outcome: ReceiptOutcome | None = None
    moved_to: str | None = None
    at: AwareDatetime


DeliveryWord = Literal[
    "dispatched",
    "attempted",
    "delivered",
    "acknowledged",
    "actioned",
    "closed",
    "nacked",
    "question",
    "active_investigation",
    "withdrawn",
    "parked",
    "escalated",
    "expired",
    "receipt_ignored",
    "reopened",
]


class DeliveryRecorded(Frozen):
    """``delivery/1``: every attempt, receipt and escalation of one referral, with its reason."""

    schema_: Annotated[Literal["delivery/1"], Field(alias="schema")] = "delivery/1"
    referral_id: UUID
    tip_id: UUID
    version: int
    destination: str
    what: DeliveryWord
    channel: ChannelName | None = None
    attempt: int = 0
    reason: str | None = None
    reference: str | None = None
    """The agency's own case number; never the sender's."""
    next_at: AwareDatetime | None = None
    at: AwareDatetime


Person = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class AgencyOrdered(Frozen):
    """
    ``agency-order/1``: what operators order for one agency; ``pause`` and ``close`` need a reason.

    ``close`` and ``redeliver`` name a referral; ``redeliver`` may name a time
    instead, and then means everything that came since.
    """

    schema_: Annotated[Literal["agency-order/1"], Field(alias="schema")] = "agency-order/1"
    order: Order
    agency: Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,60}[a-z0-9])?$")]
    referral: UUID | None = None
    since: AwareDatetime | None = None
    seen: Annotated[int, Field(ge=0)] | None = None
    """Attempts of the referral that the operator saw: were there more since, somebody else was quicker."""
    force: bool = False
    """Of ``redeliver``: also what the agency has acknowledged, and what was sent again a moment ago."""
    by: Annotated[tuple[Person, ...], Field(min_length=1, max_length=5)]
    """Who orders; twice where two people must."""
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = None
    """Stands in the custody log, so no word of the tip itself."""
    at: AwareDatetime

    @model_validator(mode="after")
    def _needs(self) -> "AgencyOrdered":
        if self.order in (Order.PAUSE, Order.CLOSE) and self.reason is None:
            raise ValueError(f"{self.order.value} needs a reason")
        if self.order is Order.CLOSE and (self.referral is None or self.since is not None):
            raise ValueError("close needs a referral")
        if self.order is Order.REDELIVER and (self.referral is None) == (self.since is None):
            raise ValueError("redeliver needs either a referral or since")
        if self.order in (Order.PAUSE, Order.RESUME) and (self.referral or self.since):
            raise ValueError(f"{self.order.value} is for the whole agency")
        return self


def _no_float(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("custody entries hold no floating point numbers")  # noqa: TRY004  (pydantic wants ValueError)
    return value


class ReceivedFrom(Frozen):
    """Where the bytes came from that a hop worked on."""

    topic: str
    partition: int
    offset: str
    digest: str
    """``sha-256:`` and hex of the bytes received."""


class Produced(Frozen):
    """One event that a hop wrote: the books balance when each has an entry of its own."""

    event: str
    topic: str
    to: str | None = None
    """Agency id, for a disclosure."""
    digest: str | None = None


class CustodyEntry(Frozen):
    """
    ``custody/1``: one entry per hop and per disclosure, written in the hop's own transaction.

    ``cause`` is the id of the event that was worked on; ``out`` names what it
    led to among events that must themselves get an entry.
    """

    schema_: Annotated[Literal["custody/1"], Field(alias="schema")] = "custody/1"
    v: Literal[1] = 1
    kind: str
    event: str
    tip: str | None = None
    at: str
    """RFC 3339 UTC with three decimals and ``Z``."""
    service: str
    actor: str
    purpose: str
    cause: str | None = None
    prev: str | None = None
    """Id of the entry that caused this one, carried in a header."""
    received: Annotated[ReceivedFrom | None, Field(alias="in")] = None
    out: tuple[Produced, ...] = ()
    basis: Annotated[dict[str, Any], BeforeValidator(_no_float)] = Field(default_factory=dict)
    trace: str | None = None
    tally: dict[str, Any] = Field(default_factory=dict)
    """What the reconciler counts: destinations, referral id, end state. No content."""
