"""
No call leaves for an address that an agency cannot have: checked at the name and again at every connect.

The address that is checked is the address that is connected to, so a name that
answers differently the second time (rebinding) gains nothing. Literal
addresses pass the second check only, which is the one that counts.
"""

import socket
from collections.abc import Callable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from services.indicators.addresses import is_public

MAY = Callable[[str], bool]
AddrInfo = tuple[int, int, int, str, tuple[str | int, ...]]
"""What the system says of one address to connect to."""

REFUSED = "the address is not one that calls may go to"


class AddressRefused(OSError):
    """The name or address of an endpoint leads somewhere it must not."""


class GuardedResolver(AbstractResolver):
    """Resolves like the system, and refuses a name as a whole when one of its addresses may not be called."""

    def __init__(self, may: MAY) -> None:
        """Ask *may* about each address."""
        self._may = may
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """
        Every address of *host*.

        Raises:
            AddressRefused: One of them may not be called.
        """
        found = await self._inner.resolve(host, port, family)
        if not all(self._may(each["host"]) for each in found):
            raise AddressRefused(REFUSED)
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()


def public_only(ip: str) -> bool:
    """True for addresses on the public internet."""
    return is_public(ip.partition("%")[0])


def public_or_loopback(ip: str) -> bool:
    """True also for this machine: the demo set and tests."""
    plain = ip.partition("%")[0]
    return plain == "::1" or plain.startswith("127.") or is_public(plain)


def guarded_connector(may: MAY, *, pin: aiohttp.Fingerprint | None = None, keep: bool = False) -> aiohttp.TCPConnector:
    """
    A connector that asks *may* before each connect; *pin* holds the certificate on top of its verification.

    Connections are not kept: each attempt is checked anew, and none fails on one that the agency closed meanwhile.
    Only the conformance kit asks to *keep* them.
    """

    def checked_socket(info: AddrInfo) -> socket.socket:
        family, kind, proto, _, address = info
        if not may(str(address[0])):
            raise AddressRefused(REFUSED)
        made = socket.socket(family, kind, proto)
        made.setblocking(False)  # noqa: FBT003 - its only argument
        return made

    return aiohttp.TCPConnector(
        ssl=pin or True,
        resolver=GuardedResolver(may),
        use_dns_cache=False,
        force_close=not keep,
        socket_factory=checked_socket,
        limit=0,
    )
