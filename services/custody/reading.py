"""A custody entry as the books read it: ids as bytes, everything checked before anything is folded."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from contracts.topics import INBOX, RECEIPTS_INBOX

FROM_OUTSIDE = (INBOX, RECEIPTS_INBOX)
"""Topics whose records nobody of us announced."""

ID_BYTES = 16


class Out(NamedTuple):
    """An event that the entry led to."""

    event: bytes
    topic: str
    disclosed: bool
    """True where it is a document for an agency: no entry answers it."""


class Read(NamedTuple):
    """One entry."""

    kind: str
    tip: bytes | None
    cause: bytes | None
    announced: bool
    """True where the record worked on came from one of us, who may have announced it."""
    outs: tuple[Out, ...]
    referral: bytes | None
    referrals: tuple[bytes, ...]
    superseded: tuple[bytes, ...]
    version: int | None
    tally: Mapping[str, Any]


def read_entry(entry: Mapping[str, Any]) -> Read:
    """
    Read the parsed JSON of a ``custody/1``.

    Raises:
        ValueError: It is not an entry: an id is no UUID, or a part is missing or of another kind.
    """
    try:
        return _read(entry)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a custody entry ({type(error).__name__})") from error


def _read(entry: Mapping[str, Any]) -> Read:
    tally = entry.get("tally") or {}
    received = entry.get("in")
    version = tally.get("version")
    return Read(
        kind=entry["kind"],
        tip=_maybe(entry.get("tip")),
        cause=_maybe(entry.get("cause")),
        announced=received is not None and not received["topic"].startswith(FROM_OUTSIDE),
        outs=tuple(
            [Out(raw_id(out["event"]), out["topic"], out.get("to") is not None) for out in entry.get("out") or ()]
        ),
        referral=_maybe(tally.get("referral")),
        referrals=tuple(map(raw_id, tally.get("referrals") or ())),
        superseded=tuple(map(raw_id, tally.get("superseded") or ())),
        version=None if version is None else int(version),
        tally=tally,
    )


def raw_id(text: str) -> bytes:
    """
    Give the 16 bytes of a UUID.

    Raises:
        ValueError: *text* is none.
    """
    raw = bytes.fromhex(text.replace("-", ""))
    if len(raw) != ID_BYTES:
        raise ValueError("an id has 16 bytes")
    return raw


def _maybe(text: str | None) -> bytes | None:
    return None if text is None else raw_id(text)
