"""One question in Kafka's own protocol: whether a broker answers at an address and is ready to serve."""

import socket
import struct
import time
from collections.abc import Callable

METADATA_V4 = (3, 4)
"""Key and version of the request: the oldest form that every broker since 1.0 understands and 4.x still serves."""

CLIENT = b"vidare-probe"
BROKERS_AT = 8
"""Offset of the number of brokers in the answer: correlation id and throttle time come before it."""


def answers(bootstrap: str, *, timeout_s: float = 1.0) -> bool:
    """Return True if one of the plaintext servers of *bootstrap* knows a live broker."""
    return any(_one_answers(server, timeout_s) for server in bootstrap.split(","))


def wait_until(condition: Callable[[], bool], *, timeout_s: float, every_s: float = 0.05) -> bool:
    """Return True as soon as *condition* holds, False if it does not within *timeout_s*."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every_s)
    return True


def _one_answers(server: str, timeout_s: float) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s) as connection:
            connection.sendall(_request())
            return _brokers(connection) > 0
    except (OSError, ValueError, struct.error):
        return False


def _request() -> bytes:
    no_topics_no_creation = struct.pack(">ib", 0, 0)
    header = struct.pack(">hhih", *METADATA_V4, 1, len(CLIENT)) + CLIENT
    body = header + no_topics_no_creation
    return struct.pack(">i", len(body)) + body


def _brokers(connection: socket.socket) -> int:
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    answer = _exactly(connection, min(size, BROKERS_AT + 4))
    (brokers,) = struct.unpack_from(">i", answer, BROKERS_AT)
    return int(brokers)


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        chunk = connection.recv(size - len(got))
        if not chunk:
            msg = "closed before the answer was complete"
            raise ConnectionError(msg)
        got += chunk
    return got
