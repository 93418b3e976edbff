"""One question to a name server: bounded in time, no search list, no memory of its own; only here is dnspython used."""

import time
from ipaddress import ip_address

from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.geolocate.resolver import PATIENCE, BackgroundResolver, Lookup, Unresolved

_KINDS = ("A", "AAAA")
_PORT = 53


def resolver_of(settings: Settings) -> BackgroundResolver | None:
    """
    Names are resolved only where ``VIDARE_DNS=on``.

    Raises:
        Misconfigured: ``VIDARE_DNS_SERVER`` is not ``host:port``, or this system has no name server.
    """
    if settings.dns == "off":
        return None
    return BackgroundResolver(time.monotonic, asking(settings.dns_server), test=settings.test_networks == "on")


def asking(server: str | None) -> Lookup:
    """
    Addresses by the name server *server* (``host:port``); None for the system's.

    Raises:
        Misconfigured: It is not an address, or this system names no server.
    """
    import dns.exception  # noqa: PLC0415 - 15 MB: only processes that may ask pay for it
    import dns.resolver  # noqa: PLC0415

    try:
        resolver = dns.resolver.Resolver(configure=server is None)
    except dns.resolver.NoResolverConfiguration as error:
        raise Misconfigured("VIDARE_DNS=on, but this system names no server; set VIDARE_DNS_SERVER") from error
    if server is not None:
        host, port = _address(server)
        resolver.nameservers, resolver.port = [host], port
    each = PATIENCE.total_seconds() / len(_KINDS)

    def lookup(host: str) -> list[str]:
        found: list[str] = []
        failed: list[str] = []
        for kind in _KINDS:
            try:
                answer = resolver.resolve(f"{host}.", kind, search=False, lifetime=each)
                found += [str(record.address) for record in answer]
            except dns.resolver.NoAnswer:
                continue
            except dns.resolver.NXDOMAIN:
                raise Unresolved("nxdomain") from None
            except dns.exception.Timeout:
                failed.append("timeout")
            except dns.exception.DNSException:
                failed.append("servfail")
        if failed and not found:
            raise Unresolved(failed[0])
        return found

    return lookup


def _address(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":") if server.count(":") == 1 or "]:" in server else (server, "", "")
    try:
        return str(ip_address(host.strip("[]"))), int(port) if colon else _PORT
    except ValueError as error:
        raise Misconfigured(
            f"VIDARE_DNS_SERVER={server!r} is not an address; write it like 192.0.2.53 or [2001:db8::53]:53"
        ) from error
