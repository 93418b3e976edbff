"""A stand-in for MaxMind's download server on loopback: archives with their checksums, for one licence key."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "a-licence-key-of-the-tests"


def archive(edition: str, body: bytes) -> bytes:
    """The archive of an edition as MaxMind packs it: a dated folder with the database in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo(f"{edition}_20261120/{edition}.mmdb")
        entry.size = len(body)
        tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


class Server(ThreadingHTTPServer):
    """Serves *files* (edition to archive) to whoever has the key; *spoilt* answers for a whole query instead."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.spoilt: dict[tuple[str, str], bytes | int] = {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body for *path*."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        edition, suffix = query.get("edition_id", ""), query.get("suffix", "")
        self.asked.append(f"{edition}.{suffix}")
        if query.get("license_key") != KEY:
            return 401, b"Invalid license key"
        spoilt = self.spoilt.get((edition, suffix))
        if isinstance(spoilt, int):
            return spoilt, b""
        if spoilt is not None:
            return 200, spoilt
        body = self.files[edition]
        if suffix == "tar.gz.sha256":
            return 200, f"{hashlib.sha256(body).hexdigest()}  {edition}.tar.gz\n".encode()
        return 200, body


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answer one download."""
        status, body = self.server.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: the address holds the key."""


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Server]:
    """A running server that is stopped at the end."""
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
