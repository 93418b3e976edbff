"""
Many submissions in one request: JSON lines in, JSON lines out, in order, while the request still runs.

Reading never waits for a caller who only writes: answers are small and queue
up. A line that is too long is refused without being kept.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from contracts.submission import MAX_SUBMISSION_BYTES
from services.chassis.errors import Unavailable
from services.intake.bodies import too_large
from services.intake.problems import Problem, unavailable

LINES = "application/x-ndjson"
AT_A_TIME = 64
"""Submissions on their way to the broker at a time: one producer batch's worth."""

WAITING = 100_000
"""Answers that may wait for a caller that does not read; about 50 MB."""

ACCEPTED = 202

Take = Callable[[bytes], Awaitable[dict[str, object]]]
Answer = asyncio.Task[bytes]


class BatchResponse(Response):
    """Answers each line of the request as soon as it and every line before it is decided."""

    def __init__(self, take: Take) -> None:
        super().__init__(media_type=LINES)
        del self.headers["content-length"]
        self._take = take
        self._slots = asyncio.Semaphore(AT_A_TIME)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's form
        """Read, decide and answer until the request ends."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        waiting: asyncio.Queue[Answer | None] = asyncio.Queue(WAITING)
        reading = asyncio.create_task(self._read(receive, waiting))
        try:
            while (answer := await waiting.get()) is not None:
                await send({"type": "http.response.body", "body": await answer, "more_body": True})
            await reading
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            reading.cancel()

    async def _read(self, receive: Receive, waiting: asyncio.Queue[Answer | None]) -> None:
        number = 0
        try:
            async for line in lines_of(chunks_of(receive)):
                number += 1
                await self._slots.acquire()
                await waiting.put(asyncio.create_task(self._answer(number, line)))
        finally:
            await waiting.put(None)

    async def _answer(self, number: int, line: bytes | None) -> bytes:
        try:
            return _line(number, ACCEPTED, await self._taken(line))
        except Problem as problem:
            told = {name: value for name, value in problem.body.items() if name in ("code", "pointer", "detail")}
            return _line(number, problem.status, told)
        finally:
            self._slots.release()

    async def _taken(self, line: bytes | None) -> dict[str, object]:
        if line is None:
            raise too_large()
        try:
            return await self._take(line)
        except Unavailable as error:
            raise unavailable(error) from None


async def chunks_of(receive: Receive) -> AsyncIterator[bytes]:
    """Chunks of a request's body, until it ends or the caller is gone."""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes | None]:
    """Lines that are not blank; None stands for one that is longer than any submission, and is not kept."""
    kept, too_long = bytearray(), False
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            kept += end
            if too_long or kept.strip():
                yield None if too_long or len(kept) > MAX_SUBMISSION_BYTES else bytes(kept)
            kept, too_long = bytearray(), False
        kept += rest
        if len(kept) > MAX_SUBMISSION_BYTES:
            kept, too_long = bytearray(), True
    if too_long or kept.strip():
        yield None if too_long else bytes(kept)


def _line(number: int, status: int, told: dict[str, object]) -> bytes:
    return orjson.dumps({"line": number, "status": status, **told}) + b"\n"
