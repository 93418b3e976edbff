"""
What the books keep of one tip: a few small numbers, and ten bytes per referral.

A mesh keeps every entry for ever, so a million tips must fit into the memory of
a small machine: about 350 bytes each with three referrals, keys and dictionary included.
"""

from collections.abc import Iterator
from enum import IntEnum, IntFlag


class Rank(IntEnum):
    """How far a referral has come; a higher rank never falls back, whatever order entries are read in."""

    ROUTED = 0
    QUEUED = 1
    """Taken over by the notifier: an owner and a clock exist from here on."""
    DELIVERED = 2
    ENDED = 3
    """Acknowledged, closed by a named person, withdrawn or superseded."""


class Mark(IntFlag):
    """What is known of a tip as a whole."""

    ACCEPTED = 1
    ROUTED = 2
    PX = 4
    SIGHTING = 8
    REVIEW = 16
    CLOSED = 32


ID_BYTES = 8
"""Of a referral's id: two of one tip collide once in 10^19."""
ROW_BYTES = ID_BYTES + 2
MOST = 255


class TipTally:
    """The numbers of one tip."""

    __slots__ = ("dead", "marks", "missing", "referrals", "reviewed", "version")

    def __init__(self) -> None:
        self.marks = 0
        self.missing = 0
        """Events that were written for it and have no entry yet."""
        self.version = 0
        """Highest version routed; what a later one says replaces what an earlier one said."""
        self.reviewed = 0
        """Highest version that a person decided."""
        self.dead = 0
        """Dead letters, less those that were taken up again."""
        self.referrals = b""

    def raise_to(self, referral: bytes, rank: Rank) -> None:
        """Note that *referral* has come as far as *rank*."""
        at = self._row(referral)
        if self.referrals[at + ID_BYTES] < rank:
            self._put(at + ID_BYTES, rank)

    def disclose(self, referral: bytes) -> bool:
        """Note that a document of *referral* was written for its agency; True if that had happened before."""
        at = self._row(referral) + ID_BYTES + 1
        before = self.referrals[at]
        self._put(at, min(before + 1, MOST))
        return before > 0

    def ranks(self) -> Iterator[int]:
        """Ranks of all referrals."""
        return iter(self.referrals[ID_BYTES::ROW_BYTES])

    def _row(self, referral: bytes) -> int:
        key = referral[:ID_BYTES]
        for at in range(0, len(self.referrals), ROW_BYTES):
            if self.referrals[at : at + ID_BYTES] == key:
                return at
        self.referrals += key + b"\0\0"
        return len(self.referrals) - ROW_BYTES

    def _put(self, at: int, value: int) -> None:
        self.referrals = self.referrals[:at] + bytes((value,)) + self.referrals[at + 1 :]
