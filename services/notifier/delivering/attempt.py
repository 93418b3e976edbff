"""An attempt as it is asked for and as it ends: the values between the hop and its pushed channels."""

from typing import NamedTuple
from uuid import UUID

from pydantic import AwareDatetime

from contracts.indicators import Frozen
from contracts.vocabulary import ChannelName
from services.chassis.hop import Effect, Told
from services.notifier.delivering.delivery import Delivery, Way, sealed
from services.notifier.delivering.digest import Digest, Line, line_of
from services.notifier.delivering.order import lane_name, read_lane_name


class AttemptEnd(Frozen):
    """How one attempt ended."""

    status: int | None = None
    """Of HTTP."""
    reply: int | None = None
    """Of SMTP: the reply after the message, or the one that refused a step before it."""
    fault: str | None = None
    retry_after_s: int | None = None
    answer: str | None = None
    """The body of a 2xx, where it is text and not longer than a receipt may be: perhaps a ``receipt/1``."""


class Notice(Frozen):
    """What a message says: the referrals that it tells of, and whether it is a digest."""

    id: UUID
    """Of the referral or the digest: the message's own name, the same for every attempt."""
    lines: tuple[Line, ...]
    digest: bool = False


class Asked(Frozen):
    """What the channel tells of an attempt in its span, and what a notice says; nothing of the tip."""

    tip: str | None = None
    queued_at: AwareDatetime
    trace: str | None = None
    """``traceparent`` that the referral came with."""
    number: int | None = None
    """Of the document in the agency's feed; a header says it, for a sealed document shows nothing."""
    previous: str | None = None
    """Digest of the document before it there."""
    is_test: bool | None = None
    """Whether the referral is a test; None for a digest, whose referrals each were let in."""
    notice: Notice | None = None
    """For channels that send a notice instead of the document."""


class Named(NamedTuple):
    """What an effect's key names."""

    agency: str
    channel: ChannelName
    id: UUID
    """Of the referral, or of the digest."""
    tries: int = 0

    @property
    def lane(self) -> str:
        """Name of the lane it goes by."""
        return lane_name(self.agency, self.channel)


def ask(row: Delivery, way: Way, document: bytes) -> Effect:
    """
    The effect of sending *document* by *way*: its key names lane, referral and try, and is the same after a restart.

    A mail gets the document only where it is encrypted to the agency's key.
    """
    mail = way.channel is ChannelName.EMAIL
    notice = Notice(id=row.referral_id, lines=(line_of(row),)) if mail else None
    asked = Asked(
        tip=str(row.tip_id),
        queued_at=row.queued_at,
        trace=row.trace,
        number=row.number,
        previous=row.previous,
        is_test=row.is_test,
        notice=notice,
    )
    named = Named(row.agency, way.channel, row.referral_id, way.tries)
    return _effect(named, asked, document if not mail or sealed(document) else b"")


def ask_digest(digest: Digest) -> Effect:
    """The effect of sending *digest*."""
    notice = Notice(id=digest.id, lines=digest.lines, digest=True)
    asked = Asked(queued_at=digest.made_at, notice=notice)
    return _effect(Named(digest.agency, ChannelName.EMAIL, digest.id, digest.tries), asked, b"")


def _effect(named: Named, asked: Asked, document: bytes) -> Effect:
    return Effect(
        key=f"{named.lane}/{named.id}/{named.tries}",
        kind=named.channel.value,
        body=asked.model_dump_json(exclude_none=True).encode() + b"\n" + document,
        lane=named.lane,
    )


def read_body(body: bytes) -> tuple[Asked, bytes]:
    """What an effect's body says of the attempt, and the document to send (empty where it is gone, or stays here)."""
    asked, _, document = body.partition(b"\n")
    return Asked.model_validate_json(asked), document


def read_key(key: str) -> Named:
    """What an effect's key names."""
    lane, each, tries = key.split("/")
    return Named(*read_lane_name(lane), UUID(each), int(tries))


def tell(key: str, end: AttemptEnd) -> Told:
    """The end, on its way back to the task."""
    return Told(key=key, body=end.model_dump_json(exclude_none=True).encode())
