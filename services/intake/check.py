"""Bytes to a tip or a reasoned no, as far as no memory is needed; shared by the door, the hop and the command line."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from contracts.events import TipReceived
from contracts.onboarding import Partner
from contracts.submission import Submission
from services.intake.decision import Asked, Taken, first_guess
from services.intake.facts import content_of, facts_of
from services.intake.groups import group_of
from services.intake.normalise import normalise
from services.intake.refusal import Refusal, Refused, digest_of
from services.intake.screen import reference_of, screen
from services.intake.shape import shape
from services.triage import Triage, triage

__all__ = ["Accepted", "Refused", "Sent", "accept", "check_submission", "read", "refused"]

CONTENT_DIGITS = 32
"""Hex digits that name a content among those of one reference: 128 bits."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission in the contract's form, and a digest of what it says (null, empty: absent; keys in any order)."""

    submission: Submission
    content: str

    def asked(self, partner: str) -> Asked:
        """What it says of itself, as *partner*'s."""
        return Asked(partner, self.submission.reference, self.submission.supersedes, self.content)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A tip as intake passes it on."""

    tip_id: UUID
    group_id: str
    event: TipReceived
    triage: Triage
    supersedes: str | None = None
    """The sender's earlier reference, for a correction."""


def check_submission(data: bytes, partner: Partner, now: datetime, *, key: bytes) -> Accepted | Refused:
    """
    Decide on *data* without memory: repeats and reused references are not known here.

    Args:
        data: As received.
        partner: Who sends, by token or topic.
        now: UTC time of the decision.
        key: Of the group ids, from `group_key`.
    """
    sent = read(data)
    if isinstance(sent, Refused):
        return sent
    taken = Taken(first_guess(sent.asked(partner.id)), 2 if sent.submission.supersedes else 1)
    return accept(sent, taken, partner, now, key)


def read(data: bytes) -> Sent | Refused:
    """Screen *data* and understand it as a submission, or refuse it in words."""
    fields: dict[str, Any] = {}
    try:
        fields = screen(data)
        return _sent(fields)
    except Refusal as refusal:
        return refused(data, refusal, refusal.reference or reference_of(fields))


def refused(data: bytes, refusal: Refusal, reference: str | None) -> Refused:
    """What is kept of refused *data*: reason, place, digest and size."""
    return Refused(refusal.reason, refusal.pointer, digest_of(data), len(data), reference)


def accept(sent: Sent, taken: Taken, partner: Partner, now: datetime, key: bytes) -> Accepted:
    """Make the event of an accepted submission; a correction keeps its tip's group, and its lane once urgent."""
    tip = sent.submission
    understood = normalise(tip, now)
    facts = facts_of(tip, understood, key, now)
    levels = triage(facts, vetted=partner.vetted, now=now)
    before = taken.earlier
    found = understood.indicators
    group = before.group_id if before else group_of(found, taken.tip_id, key, is_test=facts.is_test)
    event = TipReceived(
        tip_id=taken.tip_id,
        revision=taken.revision,
        group_id=group,
        partner=partner.id,
        reference=tip.reference,
        received_at=now,
        urgent=levels.level.urgent or bool(before and before.urgent),
        facts=facts,
        content=content_of(tip, found),
    )
    return Accepted(taken.tip_id, group, event, levels, tip.supersedes)


def _sent(fields: dict[str, Any]) -> Sent:
    submission = shape(fields)
    said = _said({name: value for name, value in fields.items() if name != "schema"})
    digest = sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return Sent(submission, digest[:CONTENT_DIGITS])


def _said(value: object) -> object:
    """*value* without objects and lists in which nothing stands: their nulls gone, they say no more than null."""
    if isinstance(value, dict):
        kept = {name: _said(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in ({}, [])}
    return [_said(item) for item in value] if isinstance(value, list) else value
