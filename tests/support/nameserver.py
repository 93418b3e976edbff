"""A name server on loopback, over UDP and TCP, that answers as a test tells it to and counts the questions."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[str, Sequence[str] | str]
"""Name to addresses (``CNAME other`` for an alias), or to one word: nxdomain, servfail, silent, garbage."""

_UDP_BYTES = 512
_MOST_ALIASES = 20


class NameServer:
    """Answers from *zone*; what does not fit a datagram is cut off and told again over TCP."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.asked: Counter[str] = Counter()
        self.by_tcp: Counter[str] = Counter()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.bind(self._udp.getsockname())
        self._tcp.listen()
        self.address = "{}:{}".format(*self._udp.getsockname())
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in (self._datagrams, self._streams)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop answering."""
        for one in (self._udp, self._tcp):
            one.close()

    def _datagrams(self) -> None:
        while True:
            try:
                asked, sender = self._udp.recvfrom(_UDP_BYTES)
            except OSError:
                return
            if (answer := self._answer(asked, self.asked)) is not None:
                if len(answer) > _UDP_BYTES:
                    answer = _cut(asked)
                self._udp.sendto(answer, sender)

    def _streams(self) -> None:
        while True:
            try:
                stream, _ = self._tcp.accept()
            except OSError:
                return
            with stream:
                size = struct.unpack("!H", stream.recv(2))[0]
                answer = self._answer(stream.recv(size), self.by_tcp)
                if answer is not None:
                    stream.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, asked: bytes, counter: Counter[str]) -> bytes | None:
        question = dns.message.from_wire(asked)
        name, kind = question.question[0].name.to_text().rstrip("."), question.question[0].rdtype.name
        counter[name] += 1
        says = self.zone.get(name, "nxdomain")
        if says == "silent":
            return None
        if says == "garbage":
            return b"\xff" * 40
        reply = dns.message.make_response(question)
        if isinstance(says, str):
            reply.set_rcode(dns.rcode.from_text(says))
            return reply.to_wire()
        for owner, value in _chain(self.zone, name):
            of = "CNAME" if value.startswith("CNAME ") else "A" if ip_address(value).version == 4 else "AAAA"
            if of in ("CNAME", kind):
                reply.answer.append(dns.rrset.from_text(f"{owner}.", 0, "IN", of, value.removeprefix("CNAME ")))
        return reply.to_wire(max_size=65_535)


def _chain(zone: Zone, name: str) -> Iterator[tuple[str, str]]:
    """Every record from *name* on, along its aliases; a loop is told as far as it was gone round."""
    for _ in range(_MOST_ALIASES):
        alias = None
        for value in zone.get(name, ()):
            yield name, value
            if value.startswith("CNAME "):
                alias = value.removeprefix("CNAME ").rstrip(".")
        if alias is None:
            return
        name = alias


def _cut(asked: bytes) -> bytes:
    reply = dns.message.make_response(dns.message.from_wire(asked))
    reply.flags |= dns.flags.TC
    return reply.to_wire()


@contextmanager
def name_server(zone: Zone) -> Iterator[NameServer]:
    """A running server that is stopped at the end."""
    server = NameServer(zone)
    try:
        yield server
    finally:
        server.close()
