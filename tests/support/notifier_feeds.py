"""What an agency sees of its feed: numbers 1, 2, 3 ... without a gap, each chained to the one before, gaps named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import orjson

from contracts.onboarding import Agency
from services.chassis.hop import Effect, Emit
from services.notifier.delivering.attempt import read_body
from tests.support.notifier_cases import Case, agency_of, pushed


@dataclass(slots=True)
class Feed:
    """What one agency has seen."""

    documents: dict[int, tuple[str, str, str | None]] = field(default_factory=dict)
    """By number: the referral, the digest of the bytes, and what is named as the digest of the one before."""
    skipped: dict[int, str] = field(default_factory=dict)
    last: int = 0
    """Of the topic."""


class Feeds:
    """Looks at documents and headers as they leave."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}

    def fed(self, agency: str, emit: Emit) -> Iterator[str]:
        """A document in the agency's topic: its number follows from the one before."""
        feed, named = self._feed(agency), {name: value.decode() for name, value in emit.headers}
        number = int(named["vidare-feed-number"])
        if number != feed.last + 1:
            yield f"{agency}: number {number} after {feed.last} in its topic"
        feed.last = number
        yield from self._saw(agency, number, (emit.key, _digest(emit.body), named.get("vidare-feed-previous")))
        yield from self._inside(agency, number, emit.body)

    def sent(self, effect: Effect, referral: str) -> Iterator[str]:
        """A document on its way by webhook."""
        asked, document = read_body(effect.body)
        if effect.kind == "webhook" and document and asked.number is not None:
            agency = agency_of(effect.lane)
            yield from self._saw(agency, asked.number, (referral, _digest(document), asked.previous))
            yield from self._inside(agency, asked.number, document)
        elif effect.kind == "webhook" and document:
            yield f"{referral}: a document without a number"

    def finished(self, onboarded: Mapping[str, Agency], cases: list[Case]) -> Iterator[str]:
        """Every number is here, was named as skipped, or is of one that was answered before it was sent."""
        for agency, feed in self._feeds.items():
            if "email" in pushed(onboarded[agency]) and not feed.last:
                continue  # a notice by mail has no document, so this agency sees no numbers
            shown = {document[0] for document in feed.documents.values()}
            mine = [case for case in cases if case.event.destination == agency]
            unsent = [case for case in mine if str(case.event.referral_id) not in shown]
            missing = set(range(1, max(feed.documents, default=0))) - set(feed.documents) - set(feed.skipped)
            # Whoever answers what it never got says that it has it, and the numbers that are named in it.
            if len(missing) > (len(unsent) if any(case.answered for case in unsent) else 0):
                yield f"{agency}: numbers {sorted(missing)} stay away and are not named"

    def _inside(self, agency: str, number: int, document: bytes) -> Iterator[str]:
        """What the document says of itself."""
        try:
            mark, feed = orjson.loads(document)["feed"], self._feed(agency)
        except ValueError:
            yield f"{agency}: document {number} is no document"
            return
        said = (mark["number"], mark.get("previous"))
        if said != (number, feed.documents[number][2]):
            yield f"{agency}: document {number} says {said} of itself"
        for each in mark.get("skipped", ()):
            if each["number"] in feed.documents and feed.documents[each["number"]][1] != each["digest"]:
                yield f"{agency}: number {each['number']} is named as skipped, with another digest"
            feed.skipped[each["number"]] = each["digest"]

    def _saw(self, agency: str, number: int, document: tuple[str, str, str | None]) -> Iterator[str]:
        feed = self._feed(agency)
        if feed.documents.setdefault(number, document) != document:
            yield f"{agency}: two documents with number {number}"
        before, after = feed.documents.get(number - 1), feed.documents.get(number + 1)
        digest = before[1] if before is not None else feed.skipped.get(number - 1)
        if digest is not None and digest != document[2]:
            yield f"{agency}: document {number} does not follow from the one before"
        if after is not None and after[2] != document[1]:
            yield f"{agency}: document {number + 1} does not follow from the one before"
        if (number == 1) != (document[2] is None):
            yield f"{agency}: document {number} names {document[2]} as the one before"

    def _feed(self, agency: str) -> Feed:
        return self._feeds.setdefault(agency, Feed())


def _digest(document: bytes) -> str:
    return f"sha-256:{sha256(document).hexdigest()}"
