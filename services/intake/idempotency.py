"""
``Idempotency-Key``: the same key with the same body gets the same answer, without a second submission.

Kept in this process only, and bounded: beyond it the reference does the same
work, because the same reference with the same content is a repeat of one tip.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus

from contracts.vocabulary import RefusalReason
from services.intake.problems import Problem

MOST = 10_000
"""Keys remembered; about 500 bytes each."""

LONGEST_KEY = 255
_FORM = re.compile(rf'"[\x20-\x21\x23-\x5b\x5d-\x7e]{{1,{LONGEST_KEY}}}"|[\x21\x23-\x5b\x5d-\x7e]{{1,{LONGEST_KEY}}}')


@dataclass(slots=True)
class _Seen:
    digest: str
    answer: dict[str, object] | None = None


class Idempotency:
    """Answers by partner and key."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: OrderedDict[tuple[str, str], _Seen] = OrderedDict()

    def begin(self, partner: str, key: str, digest: str) -> dict[str, object] | None:
        """
        The answer that this key was given before, or None: go on, then `end` or `give_up`.

        Raises:
            Problem: 400 for a malformed key, 409 while the first is in work, 422 for another body.
        """
        if not _FORM.fullmatch(key):
            raise _wrong(HTTPStatus.BAD_REQUEST, "Idempotency-Key: 1 to 255 visible ASCII characters, quoted or not")
        name = (partner, key.strip('"'))
        seen = self._seen.get(name)
        if seen is None:
            self._remember(name, _Seen(digest))
            return None
        if seen.digest != digest:
            raise _wrong(HTTPStatus.UNPROCESSABLE_ENTITY, "this Idempotency-Key was used for another body")
        if seen.answer is None:
            raise _wrong(HTTPStatus.CONFLICT, "a request with this Idempotency-Key is in work; ask again")
        return seen.answer

    def end(self, partner: str, key: str, answer: dict[str, object]) -> None:
        """Remember *answer* for the key."""
        seen = self._seen.get((partner, key.strip('"')))
        if seen:
            seen.answer = answer

    def give_up(self, partner: str, key: str) -> None:
        """Forget the key: nothing was taken."""
        self._seen.pop((partner, key.strip('"')), None)

    def _remember(self, name: tuple[str, str], seen: _Seen) -> None:
        self._seen[name] = seen
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)


def _wrong(status: HTTPStatus, detail: str) -> Problem:
    return Problem(status, RefusalReason.INVALID_FIELD.value, detail)
