"""What strangers may cost a door: time for a head, room for it, connections; a real server on a real socket."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.cli.broker.ports import free_ports, is_free
from tests.support.supervised import until

ROOT = Path(__file__).resolve().parents[2]
ROOM = 8
SERVER = f"""
import sys
from fastapi import FastAPI
from services.chassis.doors import serving
serving.HEAD_S, serving.CONNECTIONS = 1.0, {ROOM}
app = FastAPI()
@app.post("/v1/tips")
def tips(): return {{"taken": True}}
serving.serve(app, "127.0.0.1", int(sys.argv[1]))
"""
ASKED = b"POST /v1/tips HTTP/1.1\r\nHost: door.example\r\nContent-Length: 0\r\n"
Dial = Callable[[], socket.socket]


@pytest.fixture(scope="module")
def dial() -> Iterator[Dial]:
    """A door with a second for each head and room for eight connections; dials it."""
    port = free_ports().client
    command = [sys.executable, "-c", SERVER, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert until(lambda: not is_free(port), 30)
        yield lambda: socket.create_connection(("127.0.0.1", port), timeout=10)
        process.terminate()


def answer_of(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Status and document of the answer, which ends with the connection or with its document."""
    got = b""
    while not got.endswith(b"}") and (chunk := connection.recv(4096)):
        got += chunk
    head, _, body = got.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


def ended(connection: socket.socket) -> bool:
    """True where the other side has closed; waits for it."""
    try:
        return connection.recv(4096) == b""
    except OSError as error:
        return not isinstance(error, TimeoutError)


@pytest.mark.parametrize("before", [b"", ASKED + b"\r\n"], ids=["the first head", "a later head"])
def test_a_head_that_never_ends_costs_its_deadline_and_no_more(dial: Dial, before: bytes) -> None:
    """A header each moment, for ever: 408 as a problem document, and the connection is closed."""
    with dial() as connection:
        if before:
            connection.sendall(before)
            assert answer_of(connection) == (200, {"taken": True})
        connection.sendall(ASKED)
        connection.settimeout(0.1)
        began, told = time.monotonic(), b""
        while not told and time.monotonic() - began < 8:
            connection.sendall(b"X-More: 1\r\n")
            with suppress(TimeoutError):
                told = connection.recv(4096)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert json.loads(told.partition(b"\r\n\r\n")[2])["code"] == "not_json"


def test_a_connection_that_says_nothing_is_closed(dial: Dial) -> None:
    """Who connects and waits is let go at the same deadline."""
    with dial() as connection:
        assert ended(connection)


@pytest.mark.parametrize("blank", [b" ", b"\t"])
def test_a_header_that_goes_on_in_a_second_line_is_refused(dial: Dial, blank: bytes) -> None:
    """A folded header is read differently by everybody between here and there: 400, at any cut of the bytes."""
    folded = ASKED + b"X-Long: a\r\n" + blank + b"b\r\n\r\n"
    for cut in (len(folded), len(ASKED) + 11, len(ASKED) + 12):
        with dial() as connection:
            connection.sendall(folded[:cut])
            with suppress(OSError):
                connection.sendall(folded[cut:])
            status, document = answer_of(connection)
        assert (status, document["code"]) == (400, "not_json")


def test_a_body_with_a_blank_line_start_is_no_folded_header(dial: Dial) -> None:
    """Only heads are looked at: bytes of a body are nobody's headers."""
    body = b"a\n b\r\n\tc"
    with dial() as connection:
        connection.sendall(ASKED.replace(b"Length: 0", b"Length: %d" % len(body)) + b"\r\n" + body)
        assert answer_of(connection)[0] == 200


def test_what_is_no_http_and_what_is_too_large_are_problem_documents(dial: Dial) -> None:
    """Refusals of the server itself have the form of all others, and hold nothing of what was sent."""
    for sent in (b"\x16\x03\x01 secret\r\n\r\n", ASKED + b"X: " + b"secret" * 5_000):
        with dial() as connection:
            connection.sendall(sent)
            status, document = answer_of(connection)
        assert (status, document["status"], document["code"]) == (400, 400, "not_json")
        assert "secret" not in json.dumps(document)


def test_a_crowd_that_says_nothing_shuts_nobody_out(dial: Dial) -> None:
    """Beyond the bound the one that has waited longest goes; who asks is answered."""
    crowd = [dial() for _ in range(ROOM)]
    with dial() as connection:
        connection.sendall(ASKED + b"\r\n")
        assert answer_of(connection) == (200, {"taken": True})
    assert ended(crowd[0])
    for each in crowd:
        each.close()
