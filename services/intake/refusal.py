"""A reasoned no: why and where, never what."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from contracts.vocabulary import RefusalReason

NAME_LIKE = re.compile(r"[A-Za-z0-9_$.~/-]+").fullmatch
LONGEST_TOLD_KEY = 64
"""Characters of an unknown field's name that a pointer may repeat; a longer one is somebody's text."""


class Refusal(Exception):
    """Why a submission is refused, and the JSON pointer of the field at fault (None: the whole body)."""

    def __init__(self, reason: RefusalReason, pointer: str | None = None) -> None:
        super().__init__(f"refused: {reason.value}")
        self.reason = reason
        self.pointer = pointer
        self.reference: str | None = None
        """The sender's own reference, where the fault is not in it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The end of a submission that is no tip; its bytes are gone, digest and size stay."""

    reason: RefusalReason
    pointer: str | None
    digest: str
    """``sha-256:`` and hex of the bytes received."""
    size: int
    reference: str | None = None
    """The sender's own reference, where it could be read."""


def digest_of(data: bytes) -> str:
    """Name bytes without keeping them."""
    return f"sha-256:{sha256(data).hexdigest()}"


def pointer(path: Iterable[str | int]) -> str:
    """
    Write *path* as a JSON pointer (RFC 6901).

    A key that does not look like a field's name (a sentence, say) ends the pointer at its parent: a pointer tells
    where, never what.
    """
    told = ""
    for step in path:
        name = str(step)
        if len(name) > LONGEST_TOLD_KEY or not NAME_LIKE(name):
            break
        told += "/" + name.replace("~", "~0").replace("/", "~1")
    return told
