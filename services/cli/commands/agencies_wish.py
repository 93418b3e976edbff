"""What was asked for on the command line, as an order; and what refusals mean in words."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from contracts.events import AgencyOrdered
from contracts.vocabulary import Order
from services.chassis.errors import Misconfigured
from services.cli.commands.backtest import span_of
from services.cli.signed import whoever
from services.cli.wronguse import WrongUse
from services.notifier.ordering.orders import Refusal

LONGEST = timedelta(days=30)
"""How far back a replay may reach: as long as the topics of the way are kept."""

WHY: dict[str, str] = {
    Refusal.ALREADY_PAUSED: "it is paused already",
    Refusal.NOT_PAUSED: "it is not paused",
    Refusal.UNKNOWN_REFERRAL: "this agency has no such referral, or it is over and forgotten",
    Refusal.ENDED: "it has ended: closed, refused by the agency, or withdrawn",
    Refusal.ACKNOWLEDGED: "the agency has acknowledged it; --force sends it all the same",
    Refusal.FEED_ONLY: "the agency is not pushed to; the document stands in its feed, where it can read it again",
    Refusal.NOT_KEPT: "its document is not kept here any longer; the agency's feed has it for 90 days",
    Refusal.UNDER_WAY: "it is in the queue or on its way at this moment",
    Refusal.OVERTAKEN: "somebody else was quicker: there was an attempt since you looked",
    Refusal.JUST_REPLAYED: "it was sent again less than ten minutes ago; --force sends it once more",
    Refusal.NEEDS_TWO: "a P0 that nobody acknowledged is closed by two people: name the second with another --by",
    Refusal.REMOVED: "the agency is not onboarded, suspended or on hold; it goes out when the agency is back",
    Refusal.BUSY: "an earlier replay of this agency is still going on",
}
"""Refusals in words."""


class Wish(NamedTuple):
    """What was asked for on the command line."""

    by: tuple[str, ...] = ()
    reason: str | None = None
    referral: str | None = None
    since: str | None = None
    force: bool = False
    wait_s: float = 30.0


def order_of(what: Order, agency: str, wish: Wish, now: datetime) -> AgencyOrdered:
    """
    The order that *wish* is.

    Raises:
        WrongUse: It says too little, too much, or something that means nothing; says what.
    """
    referral = uuid_of(wish.referral) if wish.referral else None
    by = tuple(dict.fromkeys(name.strip() for name in wish.by if name.strip())) or (whoever(None),)
    values = {
        "order": what, "agency": agency, "referral": referral, "since": _since(wish.since, now), "force": wish.force,
        "by": by, "reason": wish.reason, "at": now,
    }  # fmt: skip
    try:
        return AgencyOrdered.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise WrongUse(f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()) from None


def _since(text: str | None, now: datetime) -> datetime | None:
    """A length of time such as ``24h``, or a moment; not longer ago than 30 days."""
    if text is None:
        return None
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        try:
            since = now - span_of(text)
        except Misconfigured as error:
            raise WrongUse(f"{error}, or a time such as 2026-11-22T09:00:00Z") from None
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    if not now - LONGEST <= since <= now:
        raise WrongUse("--since must lie in the last 30 days")
    return since


def uuid_of(text: str) -> UUID:
    """
    The referral id that *text* is.

    Raises:
        WrongUse: It is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise WrongUse("a referral id is a UUID; `vidare agencies ID` names those that are parked") from None
