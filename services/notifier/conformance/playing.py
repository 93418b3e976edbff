"""
Plays cases against an endpoint: the thin end that does the calls.

Goes only where a webhook of the mesh may go: TLS, verified; no redirect; every
address held against the guard; bounded reads and times. Loopback and plain
HTTP on it only where that is allowed.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from contracts.headers import VIDARE_FEED_NUMBER, VIDARE_FEED_PREVIOUS
from contracts.onboarding import WebhookChannel
from services.chassis.errors import Misconfigured
from services.notifier.answering.receipts import LARGEST_BYTES
from services.notifier.channels.guard import MAY, guarded_connector, public_only, public_or_loopback
from services.notifier.channels.webhook import LARGEST_HEADER_BYTES, USER_AGENT, fault_of, tls_context
from services.notifier.conformance.case import Call, Case, Doc
from services.notifier.conformance.documents import Documents
from services.notifier.conformance.forging import Keys, Sent, headers_of
from services.notifier.conformance.judging import Answer, Finding, Verdict, judge
from services.notifier.delivering.verdicts import Fault
from services.notifier.documents.sealing import content_type

NO_WAY = frozenset({Fault.CONNECT, Fault.TLS, Fault.PIN, Fault.REFUSED_ADDRESS})
"""After one of these in the first call nothing else can be learned."""

WAYS = {
    Fault.CONNECT: "nobody listens there: start the receiver, or open the firewall",
    Fault.TLS: "the certificate does not hold for this name: renew it, send the whole chain, or give --ca",
    Fault.PIN: "the certificate is not the pinned one",
    Fault.REFUSED_ADDRESS: "the name leads to a reserved address; for one on this machine give --allow-loopback",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The endpoint and how it is called."""

    hook: WebhookChannel
    keys: Keys
    loopback: bool = False
    pause_s: float = 0.25
    """Between the pieces of a slow body."""

    @property
    def may(self) -> MAY:
        """Which addresses may be called."""
        return public_or_loopback if self.loopback else public_only


def check_target(target: Target) -> None:
    """
    Refuse an endpoint that the mesh would not call.

    Raises:
        Misconfigured: Says what to do.
    """
    parts = urlsplit(target.hook.url)
    if parts.scheme == "https":
        return
    if not target.loopback or not _is_loopback(parts.hostname):
        raise Misconfigured("a referral never travels without TLS: give an https:// address (http:// only on loopback)")


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


async def play(
    cases: Sequence[Case], documents: Documents, target: Target, now: Callable[[], datetime]
) -> AsyncIterator[Finding]:
    """Play *cases* in their order and tell each finding; where nobody answers the first, the others are not played."""
    player = _Player(documents, target, now)
    unreachable = False
    for case in cases:
        if unreachable:
            yield Finding(case.name, Verdict.NOT_PLAYED, "not played: the endpoint cannot be reached", case.required)
            continue
        answers = await player.answers(case)
        fault = answers[0].fault
        if fault in NO_WAY and case is cases[0]:
            unreachable = True
            yield Finding(case.name, Verdict.FAIL, f"the endpoint cannot be reached ({fault}): {WAYS[fault]}")
        else:
            yield judge(case, answers)


class _Player:
    """Makes the calls."""

    def __init__(self, documents: Documents, target: Target, now: Callable[[], datetime]) -> None:
        self._documents = documents
        self._target = target
        self._now = now
        self._tls = tls_context(target.hook)

    async def answers(self, case: Case) -> list[Answer]:
        async with self._session(keep=case.kept) as session:
            if case.beside:
                return list(await asyncio.gather(*(self._call(session, call) for call in case.calls)))
            return [await self._call(session, call) for call in case.calls]

    def _session(self, *, keep: bool) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
        return aiohttp.ClientSession(
            connector=guarded_connector(self._target.may, keep=keep),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=self._target.hook.timeout_s),
            max_line_size=LARGEST_HEADER_BYTES,
            max_field_size=LARGEST_HEADER_BYTES,
        )

    async def _call(self, session: aiohttp.ClientSession, call: Call) -> Answer:
        referral = self._documents.referral(call.doc.name)
        try:
            async with asyncio.timeout(self._target.hook.timeout_s):
                return await self._post(session, call)
        except TimeoutError:
            return Answer(referral, fault=Fault.TIMEOUT)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(referral, fault=fault_of(error))

    async def _post(self, session: aiohttp.ClientSession, call: Call) -> Answer:
        body = self._documents.body(call.doc)
        referral = self._documents.referral(call.doc.name)
        headers = headers_of(call, self._target.keys, Sent(referral, self._now(), body))
        headers |= self._feed(call.doc) | {
            "content-type": content_type(body).decode(),
            "content-length": str(len(body)),
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
        }
        data = body if call.pieces == 1 else self._pieces(body, call.pieces)
        async with session.post(
            self._target.hook.url, data=data, headers=headers, allow_redirects=False, ssl=self._tls
        ) as answer:
            read = await _bounded(answer.content)
            said = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(referral, answer.status, body=read, headers=said)

    def _feed(self, doc: Doc) -> dict[str, str]:
        link = self._documents.link(doc)
        if link is None:
            return {}
        number, previous = link
        return {VIDARE_FEED_NUMBER: str(number)} | ({VIDARE_FEED_PREVIOUS: previous} if previous else {})

    async def _pieces(self, body: bytes, count: int) -> AsyncIterator[bytes]:
        size = -(-len(body) // count)
        for start in range(0, len(body), size):
            yield body[start : start + size]
            await asyncio.sleep(self._target.pause_s)


async def _bounded(content: aiohttp.StreamReader) -> bytes | None:
    read = bytearray()
    while len(read) <= LARGEST_BYTES:
        chunk = await content.read(LARGEST_BYTES + 1 - len(read))
        if not chunk:
            return bytes(read)
        read += chunk
    return None
