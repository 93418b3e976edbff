"""
Who may send (``partners.toml``) and who really receives (``agencies.toml``).

Names of authorities are data of the registry; an address exists here only
because its owner gave it at onboarding. Secrets stand by reference
(``env:NAME`` or ``file:PATH``) and are resolved when used.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from contracts.vocabulary import AgencyKind, ChannelName, PartnerKind, Profile

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,60}[a-z0-9])?$")]
SecretRef = Annotated[str, StringConstraints(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]

RESERVED_ENDINGS = ("-urgent", "-status", "-dlq")
"""A partner id with one of these would collide with a topic of another partner."""


class Strict(BaseModel):
    """A row of a configuration file: an unknown key is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Partner(Strict):
    """One upstream sender. Its identity is its topic or its token, never a field in a body."""

    id: Id
    name: str
    country: CountryCode | None = None
    kind: PartnerKind
    agency: Id | None = None
    """The agency it is itself, onboarded or not: a tip never bounces back to it (R34, R36)."""
    vetted: bool = False
    """Its urgency flag is believed (U4), and its urgent tips are not counted."""
    urgent_per_hour: Annotated[int, Field(ge=1)] = 20
    """Urgent tips an hour of a partner that is not vetted that each call the duty desk; beyond it one a minute does."""
    token: SecretRef | None = None

    @field_validator("id")
    @classmethod
    def _no_reserved_ending(cls, value: str) -> str:
        if value.endswith(RESERVED_ENDINGS):
            raise ValueError(f"a partner id may not end in {', '.join(RESERVED_ENDINGS)}: its topics would collide")
        return value


class WebhookChannel(Strict):
    """Standard Webhooks to one address."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    secret: SecretRef | None = None
    """HMAC key (``v1``) as ``whsec_`` base64 or plain text."""
    signing_key: SecretRef | None = None
    """Our Ed25519 key (``v1a``)."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 15
    ca: str | None = None
    pinned_sha256: str | None = None
    client_cert: str | None = None
    client_key: SecretRef | None = None


class EmailChannel(Strict):
    """A content-free notice to one mailbox."""

    to: str
    sender: Annotated[str, Field(alias="from")]
    host: str | None = None
    """The mail server for this agency; unset: the mesh's own (``VIDARE_SMTP``)."""
    port: Annotated[int | None, Field(ge=1, le=65535)] = None
    starttls: bool = True
    """``false`` is plain text: refused unless it stays on this machine."""
    ca: str | None = None
    """File of certificates to trust instead of the system's."""
    username: SecretRef | None = None
    password: SecretRef | None = None
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 60
    """For the whole conversation; mail servers answer slowly (greylisting, filters)."""


class TopicChannel(Strict):
    """The agency's own Kafka topic ``referrals-agency-<id>``."""


class Region(Strict):
    """A police region and its share of routine tips (R38)."""

    name: str
    weight: Annotated[int, Field(ge=0)] = 1
    places: tuple[str, ...] = ()
    """Other names of it, and the areas (counties) that lie in it: a tip that names one goes there."""


class Agency(Strict):
    """One receiver: an onboarding record."""

    id: Id
    name: str
    kind: AgencyKind
    country: CountryCode | None = None
    profile: Profile
    basis: str
    """Why we may disclose to it."""
    channels: Annotated[tuple[ChannelName, ...], Field(min_length=1)]
    """In order; later ones are fallbacks. ``topic``, where named, is always written too: it is the agency's feed."""
    webhook: WebhookChannel | None = None
    email: EmailChannel | None = None
    topic: TopicChannel | None = None
    token: SecretRef | None = None
    """Bearer token for the pull channel and receipts by HTTP."""
    rate_per_minute: Annotated[int, Field(gt=0)] = 600
    concurrency: Annotated[int, Field(gt=0, le=64)] = 4
    digest_p4: bool = False
    encrypt_to: str | None = None
    """Path of the agency's public JWK, or of a set of them (its newest usable key is taken); referrals leave as JWE."""
    format: Literal["referral", "xarf"] = "referral"
    """``xarf``: providers and takedown desks get XARF v4; what that format has no form for leaves as ``referral/1``."""
    duty: str | None = None
    """Where the duty desk is reached, by reference; P0 only."""
    active: bool = True
    test: bool = False
    """It is being onboarded: its channels lead to a test endpoint, and it gets test referrals (``is_test``) only."""
    hold: bool = False
    weight: Annotated[int, Field(ge=0)] = 1
    regions: tuple[Region, ...] = ()

    @model_validator(mode="after")
    def _xarf_is_for_notices(self) -> "Agency":
        if self.format == "xarf" and self.kind not in (AgencyKind.PROVIDER, AgencyKind.TAKEDOWN):
            raise ValueError("format xarf is a notice to a provider: kind must be provider or takedown")
        if self.format == "xarf" and self.profile is not Profile.PROVIDER:
            raise ValueError("format xarf names one URL and the reason: profile must be provider")
        return self

    @model_validator(mode="after")
    def _channels_have_records(self) -> "Agency":
        for name in (ChannelName.WEBHOOK, ChannelName.EMAIL):
            if name in self.channels and getattr(self, name.value) is None:
                raise ValueError(f"channel {name.value} is named in channels, but there is no {name.value} = {{ ... }}")
        return self


class PartnersFile(Strict):
    """``partners.toml``."""

    partner: tuple[Partner, ...] = ()


class AgenciesFile(Strict):
    """``agencies.toml``."""

    agency: tuple[Agency, ...] = ()
    hold_countries: tuple[CountryCode, ...] = ()
    """Countries under legal hold: nothing goes there directly (R16)."""
