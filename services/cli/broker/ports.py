"""Free loopback ports, outside the range from which the kernel picks the near end of outgoing connections."""

import random
import socket

from services.cli.broker.properties import Ports

FIRST, LAST = 21_000, 31_999
"""
Below Linux's 32768-60999 and macOS's 49152-65535. While a killed broker is down its clients keep dialling the port;
inside those ranges the kernel may give a dialler that very port, it connects to itself, and the broker can't bind.
"""


def is_free(port: int) -> bool:
    """Return True if a server could bind *port* on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_ports(*, before: Ports | None = None) -> Ports:
    """Return the ports of *before* if both are still free, else two fresh ones."""
    if before is not None and is_free(before.client) and is_free(before.controller):
        return before
    candidates = random.SystemRandom().sample(range(FIRST, LAST + 1), k=200)
    free = (port for port in candidates if is_free(port))
    return Ports(client=next(free), controller=next(free))
