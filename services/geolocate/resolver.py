"""
Names to addresses, where an operator has switched it on: bounded, remembered, never in the way.

Off by default: a look-up may tell whoever runs the name server that a report
exists. A decision never waits here: an answer that is not there yet is asked
for in the background, and the tip is read again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from services.chassis.errors import Unavailable
from services.indicators.addresses import is_public, parse_address
from services.indicators.reserved import is_documentation

MOST_ANSWERS = 64
"""Addresses of one name that are looked at; a network that spreads one name over countries shows itself by then."""

_KEPT = timedelta(minutes=10).total_seconds()
PATIENCE = timedelta(seconds=5)
"""A name that has not answered by then has no answer: nothing is asked for ever."""

_NAMES = 10_000
_WORKERS = 8
_AGAIN = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name resolved to; ``failure`` says why it did not."""

    addresses: tuple[str, ...] = ()
    refused: bool = False
    """Some answer was no public address (rebinding) and was thrown away."""
    failure: str | None = None


class Resolver(Protocol):
    """Names to addresses."""

    def resolve(self, host: str) -> Answer:
        """
        The addresses of *host*.

        Raises:
            Unavailable: Not known yet; ask again soon.
        """


Lookup = Callable[[str], list[str]]
"""Addresses of a name; blocks. Raises `Unresolved` where there are none."""


class Unresolved(Exception):
    """A name that has no address, with the word that the evidence says: ``nxdomain``, ``servfail``, ``timeout``."""

    def __init__(self, failure: str) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(slots=True)
class _Asked:
    since: float
    answer: Answer | None = None


class BackgroundResolver:
    """Asks in a few threads of its own; answers from memory."""

    def __init__(self, clock: Callable[[], float], lookup: Lookup, *, test: bool = False) -> None:
        """Take *clock* in seconds; *test* lets documentation addresses pass."""
        self._clock = clock
        self._lookup = lookup
        self._test = test
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="resolve")
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._lock = threading.Lock()

    def resolve(self, host: str) -> Answer:
        """The remembered answer of *host*; asks in the background where there is none (`Resolver.resolve`)."""
        now = self._clock()
        with self._lock:
            asked = self._asked.get(host)
            if asked is None or now - asked.since > _KEPT:
                asked = self._asked[host] = _Asked(now)
                self._asked.move_to_end(host)
                while len(self._asked) > _NAMES:
                    self._asked.popitem(last=False)
                self._pool.submit(self._ask, host, asked)
        if asked.answer is not None:
            return asked.answer
        if now - asked.since > PATIENCE.total_seconds():
            return Answer(failure="timeout")
        raise Unavailable("name resolution", retry_after=_AGAIN)

    def _ask(self, host: str, asked: _Asked) -> None:
        try:
            asked.answer = self._checked(self._lookup(host))
        except Unresolved as error:
            asked.answer = Answer(failure=error.failure)
        except (OSError, UnicodeError):
            asked.answer = Answer(failure="servfail")

    def _checked(self, addresses: list[str]) -> Answer:
        """Only addresses that a public server can have: no private answer is ever believed."""
        parsed = [parse_address(text).ip for text in dict.fromkeys(addresses)][:MOST_ANSWERS]
        kept = tuple(ip for ip in parsed if ip is not None and (is_public(ip) or (self._test and is_documentation(ip))))
        return Answer(kept, refused=len(kept) < len(parsed), failure=None if parsed else "empty")

    def close(self) -> None:
        """Stop asking; answers under way are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
