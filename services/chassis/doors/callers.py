"""Who calls a door that is for operators on this machine."""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis.doors.doormetrics import PROBES
from services.chassis.doors.problems import problem_answer

_PORT = re.compile(r":\d+$")


class OwnHost:
    """
    ASGI middleware: refuses requests made out to another host, as those of a page in an operator's browser are.

    Probes and metrics are for whoever watches, which calls the door by the name that it has there.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http" or scope["path"] in PROBES or self._is_ours(Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
            return
        answer = problem_answer(400, "not_permitted", "ask by an address of this machine, not by another name")
        await answer(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        return _PORT.sub("", host) in self._allowed


def from_this_machine(request: Request) -> bool:
    """Say whether *request* comes from loopback; a caller without an address does not."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return request.client is not None and request.client.host == "testclient"
