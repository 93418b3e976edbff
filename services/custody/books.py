"""
The books: every accepted tip, and whether it ended, is parked, is on its way, or is lost.

A pure fold over custody entries. An entry names the events that it led to and
that must get an entry of their own; a tip is complete when none of them is
missing. Entries may come in any order; `EARLY` bounds how far ahead of its cause
one may come (in the log itself a cause always lies before what it caused, since
it was committed before it could be read).
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.topics import AGENCY
from contracts.vocabulary import Action, EntryKind
from services.custody.reading import Read, raw_id, read_entry
from services.custody.tally import Mark, Rank, TipTally

EARLY = 100_000

NOTICES = (Action.WITHDRAWN, Action.SIGHTINGS)
"""Referrals that ask for no receipt: they end with their delivery."""

REFERRAL_RANKS = {
    EntryKind.HOP_QUEUED: Rank.QUEUED,
    EntryKind.DELIVERY_ATTEMPTED: Rank.QUEUED,
    EntryKind.DELIVERY_PARKED: Rank.QUEUED,
    EntryKind.DELIVERY_ESCALATED: Rank.QUEUED,
    EntryKind.DELIVERY_DELIVERED: Rank.DELIVERED,
    EntryKind.DELIVERY_ACKNOWLEDGED: Rank.ENDED,
    EntryKind.DELIVERY_CLOSED: Rank.ENDED,
}
_RANKS: Mapping[str, Rank] = {kind.value: rank for kind, rank in REFERRAL_RANKS.items()}


class State(StrEnum):
    """Where a tip is, as far as its entries tell."""

    ENDED = "ended"
    PARKED = "parked"
    MISSING = "missing"
    """An expected entry has not come; in flight or unaccounted, which only the groups' lag can tell."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What ``vidare reconcile`` answers: accepted = ended + parked + in_flight + unaccounted."""

    accepted: int
    refused: int
    ended: int
    parked: int
    in_flight: int
    unaccounted: tuple[str, ...]
    duplicates: int
    repeated: int

    @property
    def balanced(self) -> bool:
        """True when no tip is lost and no referral doubled."""
        return not self.unaccounted and not self.duplicates

    def as_json(self) -> dict[str, object]:
        """The answer as other programs read it."""
        return {**asdict(self), "unaccounted": list(self.unaccounted)}


class Books:
    """Folds entries; asks nobody."""

    def __init__(self) -> None:
        self.refused = 0
        self.repeated = 0
        self.duplicates = 0
        self.entries = 0
        self.unreadable = 0
        """Records of the log that are no entries: somebody wrote there who must not."""
        self._tips: dict[bytes, TipTally] = {}
        self._expected: dict[bytes, tuple[bytes, str]] = {}
        """Event id -> (tip, topic) of every event whose entry has not come."""
        self._early: OrderedDict[bytes, None] = OrderedDict()

    def add(self, entry: Mapping[str, Any]) -> bool:
        """Fold one entry (the parsed JSON of a ``custody/1``); False where it is none, which is counted."""
        self.entries += 1
        try:
            read = read_entry(entry)
        except ValueError:
            self.unreadable += 1
            return False
        if read.kind == EntryKind.TIP_REFUSED:
            self.refused += 1
        elif read.kind == EntryKind.TIP_REPEATED:
            self.repeated += 1
        else:
            self._fold(read)
        return True

    def expected(self) -> frozenset[bytes]:
        """Ids of the events whose entries have not come yet."""
        return frozenset(self._expected)

    def awaited_topics(self) -> frozenset[str]:
        """Topics of the events whose entries have not come yet."""
        return frozenset(topic for _, topic in self._expected.values())

    def state(self, tip: str) -> State | None:
        """Where *tip* is; None if there is no entry of it."""
        tally = self._tips.get(raw_id(tip))
        return None if tally is None else _state(tally)

    def balance(self, lagging: Collection[str], due: Collection[bytes]) -> Balance:
        """
        Count the tips by state.

        Args:
            lagging: Topics with records that their group has not worked.
            due: Events that were expected before *lagging* was measured: their
                entry must have been read by now, unless their topic lags.
        """
        ended = parked = 0
        missing: set[bytes] = set()
        for tip, tally in self._tips.items():
            state = _state(tally)
            ended += state is State.ENDED
            parked += state is State.PARKED
            if state is State.MISSING:
                missing.add(tip)
        flying = {tip for event, (tip, topic) in self._expected.items() if topic in lagging or event not in due}
        lost = sorted(str(UUID(bytes=tip)) for tip in missing - flying)
        return Balance(
            accepted=len(self._tips),
            refused=self.refused,
            ended=ended,
            parked=parked,
            in_flight=len(missing) - len(lost),
            unaccounted=tuple(lost),
            duplicates=self.duplicates,
            repeated=self.repeated,
        )

    def _fold(self, entry: Read) -> None:
        answered = self._answer(entry)
        # An entry about a record that nobody could read names no tip; the one that announced the record did.
        tip = entry.tip or answered
        if tip is None:
            return
        tally = self._tips.get(tip)
        if tally is None:
            tally = self._tips[tip] = TipTally()
        self._announce(tip, tally, entry)
        note = _NOTES.get(entry.kind)
        if note is not None:
            note(tally, entry)
        rank = _RANKS.get(entry.kind)
        if rank is not None and entry.referral is not None:
            notice = rank is Rank.DELIVERED and entry.tally.get("action") in NOTICES
            tally.raise_to(entry.referral, Rank.ENDED if notice else rank)

    def _answer(self, entry: Read) -> bytes | None:
        """Take the event that this entry is about off the list of the expected; return the tip it was of."""
        if entry.cause is None:
            return None
        found = self._expected.pop(entry.cause, None)
        if found is not None:
            self._tips[found[0]].missing -= 1
            return found[0]
        if entry.announced:
            self._early[entry.cause] = None
            if len(self._early) > EARLY:
                self._early.popitem(last=False)
        return None

    def _announce(self, tip: bytes, tally: TipTally, entry: Read) -> None:
        """Put the events that this entry led to on the list of the expected; count disclosures."""
        for event, topic, disclosed in entry.outs:
            if disclosed:
                again = topic.startswith(AGENCY) and tally.disclose(entry.referral or event)
                self.duplicates += again
            elif event in self._early:
                del self._early[event]
            elif event not in self._expected:
                self._expected[event] = (tip, topic)
                tally.missing += 1


def _state(tip: TipTally) -> State:
    """Where a tip is. Something must have become of it: neither referral nor reason means that it is lost."""
    marks, ranks = Mark(tip.marks), set(tip.ranks())
    if tip.missing > 0 or Mark.ACCEPTED not in marks:
        return State.MISSING
    if Mark.CLOSED in marks:
        return State.ENDED
    if tip.dead > 0:
        return State.PARKED
    if Rank.ROUTED in ranks:
        return State.MISSING
    if ranks & {Rank.QUEUED, Rank.DELIVERED} or (Mark.REVIEW in marks and tip.reviewed < tip.version):
        return State.PARKED
    ended = ranks or marks & (Mark.PX | Mark.SIGHTING | Mark.REVIEW)
    return State.ENDED if ended else State.MISSING


def _accepted(tip: TipTally, _entry: Read) -> None:
    tip.marks |= Mark.ACCEPTED


def _routed(tip: TipTally, entry: Read) -> None:
    for referral in entry.referrals:
        tip.raise_to(referral, Rank.ROUTED)
    for referral in entry.superseded:
        tip.raise_to(referral, Rank.ENDED)
    version = entry.version or 1
    if version < tip.version:
        return
    tip.version = version
    said = {
        mark: entry.tally.get(name)
        for mark, name in ((Mark.PX, "px"), (Mark.SIGHTING, "sighting"), (Mark.REVIEW, "review"))
    }
    kept = tip.marks & ~(Mark.PX | Mark.SIGHTING | Mark.REVIEW)
    tip.marks = kept | Mark.ROUTED | sum(mark for mark, value in said.items() if value)


def _reviewed(tip: TipTally, entry: Read) -> None:
    tip.reviewed = max(tip.reviewed, tip.version if entry.version is None else entry.version)


def _dead(tip: TipTally, _entry: Read) -> None:
    tip.dead += 1


def _reopened(tip: TipTally, _entry: Read) -> None:
    tip.dead -= 1


def _closed(tip: TipTally, _entry: Read) -> None:
    tip.marks |= Mark.CLOSED


_NOTES: Mapping[str, Callable[[TipTally, Read], None]] = {
    EntryKind.TIP_ACCEPTED.value: _accepted,
    EntryKind.HOP_ROUTED.value: _routed,
    EntryKind.REVIEW_DECIDED.value: _reviewed,
    EntryKind.TIP_PARKED.value: _dead,
    EntryKind.TIP_REOPENED.value: _reopened,
    EntryKind.TIP_CLOSED.value: _closed,
}
