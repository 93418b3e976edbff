"""
What a sender's task remembers: its references and tips, as rows of the task's store.

Keys are digests: a reference may hold anything, and a store's keys travel
through a topic.
"""

from datetime import datetime
from hashlib import sha256
from uuid import UUID

import orjson

from services.chassis.hop import View
from services.intake.budget import Spent
from services.intake.decision import Asked, Memory, ReferenceRow, TipRow

REFERENCE = "ref/"
TIP = "tip/"
BUDGET = "budget"
"""Key of the row that counts a partner's urgent tips, and of the timer of its next notice."""

KEY_DIGITS = 32

MAX_CONTENTS = 32
"""Contents remembered of one reference; the oldest is forgotten, so that a sender that never stops correcting fits."""


def reference_key(reference: str) -> str:
    """Key of the row of *reference*."""
    return REFERENCE + sha256(reference.encode()).hexdigest()[:KEY_DIGITS]


def tip_key(tip: UUID) -> str:
    """Key of the row of *tip*, and of the timer that forgets it."""
    return f"{TIP}{tip}"


def recall(view: View, asked: Asked) -> Memory:
    """Read every row that a decision on *asked* needs."""
    known = _reference(view.get(reference_key(asked.reference)))
    earlier = _reference(view.get(reference_key(asked.supersedes))) if asked.supersedes else None
    return Memory(known, earlier, tip_row(view, earlier.tip_id) if earlier else None)


def tip_row(view: View, tip: UUID) -> TipRow | None:
    """The row of *tip*, or None."""
    row = view.get(tip_key(tip))
    if row is None:
        return None
    fields = orjson.loads(row)
    return TipRow(fields["revision"], fields["group"], fields["urgent"], tuple(fields["references"]))


def write_reference(row: ReferenceRow) -> bytes:
    """Bytes of *row*."""
    contents = dict(list(row.contents.items())[-MAX_CONTENTS:])
    return orjson.dumps({"tip": str(row.tip_id), "contents": contents})


def write_tip(row: TipRow) -> bytes:
    """Bytes of *row*."""
    return orjson.dumps(
        {"revision": row.revision, "group": row.group_id, "urgent": row.urgent, "references": row.references}
    )


def read_spent(view: View) -> Spent | None:
    """The row of the urgent budget, or None."""
    row = view.get(BUDGET)
    if row is None:
        return None
    fields = orjson.loads(row)
    since, noticed = (datetime.fromisoformat(fields[name]) for name in ("since", "noticed"))
    return Spent(since, fields["tips"], noticed, fields["waiting"])


def write_spent(spent: Spent) -> bytes:
    """Bytes of *spent*."""
    return orjson.dumps({"since": spent.since, "tips": spent.tips, "noticed": spent.noticed, "waiting": spent.waiting})


def _reference(row: bytes | None) -> ReferenceRow | None:
    if row is None:
        return None
    fields = orjson.loads(row)
    return ReferenceRow(UUID(fields["tip"]), fields["contents"])
