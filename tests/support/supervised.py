"""Small programs for the supervisor to look after, and what the system says of them."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.cli.child import Place

SERVE = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *args): pass
print(os.getpid(), flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SERVE
ENDS = "import sys; print('line one'); sys.exit(int(sys.argv[2]))"


def place(name: str, program: str, port: int, *arguments: str) -> Place:
    """A place for *program*, which gets its port as first argument."""
    return Place(name, (sys.executable, "-c", program, str(port), *arguments), port)


def until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Wait until *condition* holds; False after *seconds*."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def lives(pid: int) -> bool:
    """True while *pid* runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def environment() -> dict[str, str]:
    """The environment of the test itself."""
    return dict(os.environ)
