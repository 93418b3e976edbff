"""
Serves a door, with a bound on everything that a stranger decides: how long, how large and how many.

The framework's own time-outs begin with the first answer; who never finishes
a request's head would keep its connection for ever.
"""

import asyncio
import json
import re
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from contracts.vocabulary import RefusalReason
from services.chassis.doors.problems import PROBLEM, problem_of

HEAD_S = 10.0
"""For the head of a request, the first and every later one; the slowest line takes a second."""
HEAD_BYTES = 16_384
IDLE_S = 30
"""How long a connection may stay without a request."""
CONNECTIONS = 500
"""At once; a process may open 1,024 files. One more ends the one that has waited longest for a head."""

_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_FOLDED = re.compile(rb"\n[ \t]")


def serve(app: FastAPI, host: str, port: int) -> None:
    """
    Serve *app* until SIGTERM.

    No access log: a caller's address and program are nobody's business. No forwarded headers: who calls is decided by
    the connection alone.
    """
    uvicorn.run(
        app, host=host, port=port, http=BoundedProtocol, ws="none", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, h11_max_incomplete_event_size=HEAD_BYTES, timeout_keep_alive=IDLE_S,
    )  # fmt: skip


class BoundedProtocol(H11Protocol):
    """The framework's HTTP/1.1, with a deadline for heads, a bound on connections, and no folded headers."""

    _late: asyncio.TimerHandle | None = None

    @property
    def deadline(self) -> float | None:
        """Until when the loop waits for the rest of a head; None while it waits for none."""
        return self._late.when() if self._late is not None else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head; make room where there are too many connections."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > CONNECTIONS:
            self._longest_waiting().transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; whoever is in the middle of a head has until its deadline."""
        if self.conn.their_state is h11.IDLE and _is_folded(self.conn.trailing_data[0] + data):
            self._unset_keepalive_if_required()
            self.send_400_response("a header goes on in a second line")
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._await_head()
        else:
            self._head_is_here()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request as every other refusal is answered."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"this is no HTTP/1.1 request: {msg}")

    def _await_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_S, self._head_is_late)

    def _head_is_here(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _head_is_late(self) -> None:
        self._late = None
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the head of the request did not arrive within {HEAD_S:.0f} s")
        self.transport.close()

    def _longest_waiting(self) -> H11Protocol:
        waiting = [each for each in self.connections if isinstance(each, BoundedProtocol) and each.deadline]
        return min(waiting, key=lambda each: each.deadline or 0.0, default=self)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        body = json.dumps(problem_of(status, RefusalReason.NOT_JSON.value, detail)).encode()
        headers = [("content-type", PROBLEM), ("content-length", str(len(body))), ("connection", "close")]
        events: list[Any] = [
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()


def _is_folded(buffered: bytes) -> bool:
    """Tell whether a header of the head at the start of *buffered* goes on in a further line."""
    return bool(_FOLDED.search(_HEAD_ENDS.split(buffered, maxsplit=1)[0]))
