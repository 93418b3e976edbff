"""An OTLP receiver that takes everything and keeps nothing: ``python -m tests.bench.sink PORT``."""

import http.server
import socketserver
import sys


class Taker(http.server.BaseHTTPRequestHandler):
    """Reads a body and says yes."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take one export."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class Sink(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """One thread per connection."""

    daemon_threads = True


if __name__ == "__main__":
    Sink(("127.0.0.1", int(sys.argv[1])), Taker).serve_forever()
