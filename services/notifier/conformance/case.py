"""What a case of the kit is made of."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.vocabulary import Action


class Want(StrEnum):
    """What a call must come to."""

    TAKEN = "taken"
    REFUSED = "refused"


class Sign(StrEnum):
    """How a call is signed: well in the first three, in some wrong way in all others."""

    GOOD = "good"
    GOOD_AMONG_OTHERS = "good_among_others"
    GOOD_LAST_OF_SIXTEEN = "good_last_of_sixteen"
    GOOD_LAST_OF_THOUSAND = "good_last_of_thousand"
    RANDOM = "random"
    OTHER_BODY = "other_body"
    OTHER_ID = "other_id"
    OTHER_TIME = "other_time"
    STRANGER = "stranger"
    STRANGER_V1A = "stranger_v1a"
    V1_HOLDS_V1A = "v1_holds_v1a"
    V1A_HOLDS_V1 = "v1a_holds_v1"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Doc:
    """One test referral; two with the same name have the same id."""

    name: str
    action: Action = Action.NEW
    replaces: str | None = None
    """Name of the document that it updates or takes back."""
    text: str = "a test"
    """Two texts under one name are the same id with another body."""
    unknown: bool = False
    """With fields that no version of ``referral/1`` has yet."""
    size: int = 0
    """At least so many bytes."""
    feed: int | None = None
    """Its number in the feed of this run."""
    previous: str | None = None
    """Name of the document before it in the feed; a name that no document has makes a chain that does not hold."""
    skipped: str | None = None
    """Name of a document, one number before it, that is never sent, and that it says so of."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request and what it must come to."""

    doc: Doc
    want: Want = Want.TAKEN
    sign: Sign = Sign.GOOD
    age_s: int = 0
    """How long ago it says that it was sent; negative: in the future."""
    without: str | None = None
    """The header that is left out."""
    title_case: bool = False
    pieces: int = 1
    """In how many pieces the body comes, with a pause between them."""
    expected: int | None = None
    """What ``vidare-feed-expected`` must say in the answer."""
    broken: int | None = None
    """What ``vidare-feed-broken`` must say in the answer."""


@dataclass(frozen=True, slots=True)
class Case:
    """A few calls and what they show."""

    name: str
    shows: str
    advice: str
    """What the agency's engineer does where it fails."""
    calls: tuple[Call, ...]
    required: bool = True
    same: bool = False
    """Every call that is taken must be answered with the same case number."""
    beside: bool = False
    """All calls at the same time."""
    kept: bool = False
    """All calls on one connection, where the receiver keeps it."""
