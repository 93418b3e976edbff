"""
What a sender's task remembers: its references and tips, as rows of the task's store.

Keys are digests: a reference may hold anything, and a store's keys travel
through a topic.
"""

from hashlib import sha256
from uuid import UUID

import orjson

from services.chassis.hop import View
from services.intake.decision import Asked, Memory, ReferenceRow, TipRow

REFERENCE = "ref/"
TIP = "tip/"
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


def _reference(row: bytes | None) -> ReferenceRow | None:
    if row is None:
        return None
    fields = orjson.loads(row)
    return ReferenceRow(UUID(fields["tip"]), fields["contents"])
