"""
What a submission is to those before it: a new tip, a repeat, a correction, or refused.

Pure: the rows that the sender's task remembers come in as values.
"""

from dataclasses import dataclass
from uuid import UUID

from contracts.vocabulary import RefusalReason
from services.chassis.hop import tip_id
from services.intake.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Asked:
    """What a submission says of itself, and a digest of all it says."""

    partner: str
    reference: str
    supersedes: str | None
    content: str


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """One reference of a sender: whose tip it is, and every content it came with (digest -> revision)."""

    tip_id: UUID
    contents: dict[str, int]


@dataclass(frozen=True, slots=True)
class TipRow:
    """One tip: its last revision, its group and its lane, which a correction keeps, and its references' keys."""

    revision: int
    group_id: str
    urgent: bool
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """Rows about one submission: of its reference, of the one it supersedes, and of the tip of that one."""

    known: ReferenceRow | None = None
    earlier: ReferenceRow | None = None
    tip: TipRow | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """An accepted submission; *earlier* is the tip as it stood before, for a correction."""

    tip_id: UUID
    revision: int
    earlier: TipRow | None = None
    repeated: bool = False


def decide_submission(asked: Asked, memory: Memory) -> Taken:
    """
    Say which tip and revision *asked* is.

    The same reference with the same content is a repeat, whatever came since.

    Raises:
        Refusal: ``reference_reused`` or ``unknown_reference``.
    """
    known, earlier = memory.known, memory.earlier
    if known and asked.content in known.contents:
        return Taken(known.tip_id, known.contents[asked.content], memory.tip, repeated=True)
    if asked.supersedes is None:
        if known:
            raise Refusal(RefusalReason.REFERENCE_REUSED, "/reference")
        return Taken(first_guess(asked), 1)
    if earlier is None:
        raise Refusal(RefusalReason.UNKNOWN_REFERENCE, "/supersedes")
    if known and known.tip_id != earlier.tip_id:
        raise Refusal(RefusalReason.REFERENCE_REUSED, "/reference")
    return Taken(earlier.tip_id, memory.tip.revision + 1 if memory.tip else 2, memory.tip)


def first_guess(asked: Asked) -> UUID:
    """Tip id as far as it can be told without memory: the chain begins with what is superseded, else here."""
    return tip_id(asked.partner, asked.supersedes or asked.reference)
