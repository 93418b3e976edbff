"""
``tip-submission/1``: what a partner publishes to its inbox or posts to the door.

The model is closed: an unknown field is refused in words (``unknown_field``),
because a misspelt field would silently lose what a reporter said.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from contracts.countries import COUNTRIES
from contracts.vocabulary import (
    AddressRole,
    AssessmentStatus,
    CountryBy,
    HashAlgorithm,
    Kind,
    Label,
    PersonRole,
    Signal,
)

MAX_SUBMISSION_BYTES = 256 * 1024
"""Above it: ``too_large``. Inbox records may be up to 1 MiB, so that the refusal can be said in words."""

MAX_INDICATORS = 1_000
"""URLs, addresses, hashes and accounts together; above it: ``too_many``, split the tip."""

MAX_DEPTH = 16
"""Deepest nesting of a submission's JSON."""


def _known(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError("no country has this code")
    return code


CountryText = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""What somebody or some tool says of an address: kept, and no vote where it is no country, like every odd indicator."""
CountryCode = Annotated[CountryText, AfterValidator(_known)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ShortText = Annotated[str, StringConstraints(max_length=2_000)]
LongText = Annotated[str, StringConstraints(max_length=MAX_SUBMISSION_BYTES)]
"""Bounded by the submission alone: whatever fits into it may be one text."""
TimeText = Annotated[str, StringConstraints(max_length=64)]
"""A time as sent; intake reads RFC 3339 and keeps one without a zone, flagged ``tz_unknown``."""


class Closed(BaseModel):
    """A part of a submission: nothing may be in it that the contract does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Address(Closed):
    """An address and whose it is."""

    ip: Annotated[str, StringConstraints(max_length=1_000)]
    role: Annotated[AddressRole, Field(strict=False)]
    port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    observed_at: TimeText | None = None
    possible_proxy: bool | None = None
    country: CountryText | None = None
    country_by: Annotated[CountryBy, Field(strict=False)] | None = None


class Hash(Closed):
    """A hash and how it was made."""

    algorithm: Annotated[HashAlgorithm, Field(strict=False)]
    value: ShortText


class Account(Closed):
    """An account on a service."""

    service: ShortText | None = None
    handle: ShortText


class Person(Closed):
    """Somebody in the tip."""

    role: Annotated[PersonRole, Field(strict=False)]
    nationalities: tuple[CountryCode, ...] | None = Field(default=None, strict=False, max_length=50)
    location: CountryCode | None = None
    age: Annotated[int, Field(ge=0, le=150)] | None = None
    name: ShortText | None = None
    note: LongText | None = None


class Place(Closed):
    """Where something happens."""

    country: CountryCode | None = None
    region: ShortText | None = None
    description: LongText | None = None


class Assessment(Closed):
    """What an analyst found."""

    status: Annotated[AssessmentStatus, Field(strict=False)] | None = None
    labels: tuple[Annotated[Label, Field(strict=False)], ...] | None = Field(default=None, strict=False, max_length=50)
    by: ShortText | None = None


class Urgency(Closed):
    """The sender's own urgency flag and its reason."""

    immediate_danger: bool | None = None
    reason: LongText | None = None


class Reporter(Closed):
    """How to reach the reporter, and whether the police may."""

    contact: LongText | None = None
    share_with_police: bool | None = None


class KnownTo(Closed):
    """An agency that already has a case."""

    agency: ShortText
    case: ShortText | None = None


class Submission(Closed):
    """
    A tip as its sender wrote it.

    Every field but ``reference`` and ``kind`` may be missing or null; whether
    it says anything at all (``empty_tip``) is intake's decision, not the model's.
    """

    schema_: Annotated[Literal["tip-submission/1"] | None, Field(alias="schema")] = None
    reference: Reference
    kind: Annotated[Kind, Field(strict=False)]
    observed_at: TimeText | None = None
    urls: tuple[Annotated[str, StringConstraints(max_length=65_536)], ...] | None = Field(default=None, strict=False)
    addresses: tuple[Address, ...] | None = Field(default=None, strict=False)
    hashes: tuple[Hash, ...] | None = Field(default=None, strict=False)
    accounts: tuple[Account, ...] | None = Field(default=None, strict=False)
    people: tuple[Person, ...] | None = Field(default=None, strict=False, max_length=1_000)
    place: Place | None = None
    assessment: Assessment | None = None
    urgency: Urgency | None = None
    signals: tuple[Annotated[Signal, Field(strict=False)], ...] | None = Field(
        default=None, strict=False, max_length=100
    )
    narrative: LongText | None = None
    language: Annotated[str, StringConstraints(max_length=35)] | None = None
    reporter: Reporter | None = None
    known_to: tuple[KnownTo, ...] | None = Field(default=None, strict=False, max_length=100)
    preserve_until: TimeText | None = None
    supersedes: Reference | None = None
    withdrawn: bool | None = None
    is_test: bool | None = None
