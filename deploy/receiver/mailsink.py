"""
A mail server for the demo and for trying things out: takes every message on this machine and keeps it in memory.

No TLS, no login, no delivery anywhere: for loopback only. ``GET /messages`` at its
other port tells receivers and Message-IDs, no bodies. Standard library only.

    python deploy/receiver/mailsink.py --port 8191 --smtp-port 8125
"""
# ruff: noqa: INP001 - lies beside the receiver: files to read and copy, not a package

import argparse
import json
import socketserver
import sys
import threading
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST_LINE = 1002
LARGEST_BYTES = 16 * 1024 * 1024
MOST_KEPT = 1000
"""Messages that are remembered; a demo sends a few dozen."""

REPLIES = {
    "HELO": "250 mailsink",
    "EHLO": "250 mailsink",
    "RSET": "250 ok",
    "NOOP": "250 ok",
    "QUIT": "221 bye",
}


class Mailsink(socketserver.ThreadingTCPServer):
    """One server; every message once, whatever the number of attempts."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        """Listen; nothing is answered before `begin`."""
        super().__init__((host, port), Talk)
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def begin(self) -> None:
        """Answer from a thread of its own until the process ends."""
        threading.Thread(target=self.serve_forever, name="mailsink", daemon=True).start()

    def keep(self, to: str, message: bytes) -> None:
        """Count one message by its Message-ID, as a mail store does."""
        head = message.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
        name = next((line[11:].strip() for line in head.split("\r\n") if line.lower().startswith("message-id:")), "")
        with self._lock:
            self._kept[name] = (to, self._kept.get(name, ("", 0))[1] + 1)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)

    def taken(self) -> list[dict[str, object]]:
        """What came: receiver, Message-ID and how often; no content."""
        with self._lock:
            return [{"message_id": name, "to": to, "copies": count} for name, (to, count) in self._kept.items()]


class Talk(socketserver.StreamRequestHandler):
    """One conversation."""

    server: Mailsink
    timeout = 30

    def handle(self) -> None:
        """Speak SMTP until the other side leaves."""
        self._say("220 mailsink ESMTP")
        to: list[str] = []
        while line := self.rfile.readline(LONGEST_LINE).decode("ascii", "replace"):
            word = line[:4].upper().strip()
            if word == "RCPT":
                to.append(line.partition("<")[2].partition(">")[0])
            if word in {"MAIL", "RCPT"}:
                self._say("250 ok")
            elif word == "DATA" and to:
                self._take(to)
                to = []
            else:
                self._say(REPLIES.get(word, "502 not here"))
            if word == "QUIT":
                return

    def _take(self, to: list[str]) -> None:
        self._say("354 end with a dot")
        message = bytearray()
        while (line := self.rfile.readline(LONGEST_LINE)) not in {b".\r\n", b""}:
            message += line.removeprefix(b".")
            if len(message) > LARGEST_BYTES:
                raise ConnectionAbortedError
        for each in to:
            self.server.keep(each, bytes(message))
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode("ascii"))


class Looks(BaseHTTPRequestHandler):
    """``/live``, ``/ready`` and ``/messages``."""

    server: "Window"
    timeout = 30

    def do_GET(self) -> None:
        """Answer one look."""
        found = {
            "/messages": {"messages": self.server.sink.taken()},
            "/live": {"live": True},
            "/ready": {"ready": True},
        }
        raw = json.dumps(found.get(self.path, {})).encode()
        self.send_response(200 if self.path in found else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing."""


class Window(ThreadingHTTPServer):
    """Shows what a `Mailsink` has taken."""

    daemon_threads = True

    def __init__(self, host: str, port: int, sink: Mailsink) -> None:
        """Listen."""
        super().__init__((host, port), Looks)
        self.sink = sink


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(description="A mail server that takes everything and sends nothing.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8191, help="of /live, /ready and /messages")
    parser.add_argument("--smtp-port", type=int, default=8125)
    given = parser.parse_args(arguments)
    sink = Mailsink(given.host, given.smtp_port)
    window = Window(given.host, given.port, sink)
    sink.begin()
    print(f"mail at {given.host}:{sink.server_address[1]}", flush=True)  # noqa: T201 - a program says where it is
    try:
        window.serve_forever()
    except KeyboardInterrupt:
        window.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
