"""
A reference receiver: what an agency needs to take referrals by webhook, in one file.

Verifies Standard Webhooks signatures (``v1`` and ``v1a``), keeps an inbox keyed
by ``webhook-id`` so that a repeated attempt has no second effect, and answers
each referral with a ``receipt/1`` that holds its own case number, the same one
every time.

    python deploy/receiver/receiver.py --port 8190 --secret-env VIDARE_DEMO_WEBHOOK_SECRET

Read it, copy it, replace the inbox by your case system. Standard library only;
``v1a`` needs ``cryptography``.
"""
# ruff: noqa: INP001 - one file to read and copy, not a package

import argparse
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

TOLERANCE_S = 300
"""A signature older or newer than this is refused: nobody can replay a call of yesterday."""

LARGEST_BYTES = 2 * 1024 * 1024
MOST_SIGNATURES = 16
MODES = ("acknowledge", "accept", "slow", "fail", "gone", "busy", "silent")
"""What to play: take and acknowledge; take only; take late; 500; 410; 429; never answer."""

FAILURES = {"fail": 500, "gone": 410, "busy": 429}


class Refused(Exception):
    """The call is not a referral of the mesh; *status* says how to answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Keys:
    """What signatures are held against; either may be missing, not both."""

    secret: bytes | None = None
    public: bytes | None = None

    @classmethod
    def read(cls, secret: str | None, public: str | None) -> "Keys":
        """Keys as text: ``whsec_`` base64 or plain; ``whpk_`` base64."""
        if not secret and not public:
            raise SystemExit("receiver: give --secret-env or --public-key-env, and set the variable it names")
        key = base64.b64decode(public.removeprefix("whpk_")) if public else None
        return cls(_secret(secret) if secret else None, key)


def _secret(text: str) -> bytes:
    return base64.b64decode(text.removeprefix("whsec_") + "==") if text.startswith("whsec_") else text.encode()


def verify(keys: Keys, headers: dict[str, str], body: bytes, now: float) -> UUID:
    """
    Give the referral id of a call that is signed, fresh and whole.

    Raises:
        Refused: It is not.
    """
    try:
        name, stamp = headers["webhook-id"], int(headers["webhook-timestamp"])
        signatures = headers["webhook-signature"].split(" ")
        referral = UUID(name)
    except (KeyError, ValueError):
        raise Refused(400, "webhook-id, webhook-timestamp and webhook-signature are needed") from None
    if abs(now - stamp) > TOLERANCE_S:
        raise Refused(401, "the timestamp is too far from our clock")
    signed = f"{name}.{stamp}.".encode() + body
    if len(signatures) > MOST_SIGNATURES or not any(_holds(keys, each, signed) for each in signatures):
        raise Refused(401, "no signature holds")
    return referral


def _holds(keys: Keys, signature: str, signed: bytes) -> bool:
    version, _, encoded = signature.partition(",")
    try:
        given = base64.b64decode(encoded, validate=True)
    except ValueError:
        return False
    if version == "v1" and keys.secret is not None:
        return hmac.compare_digest(hmac.new(keys.secret, signed, hashlib.sha256).digest(), given)
    return version == "v1a" and keys.public is not None and _ed25519_holds(keys.public, given, signed)


def _ed25519_holds(public: bytes, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only where v1a is used
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - only where v1a is used

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


class Inbox:
    """Every referral once, whatever the number of attempts."""

    def __init__(self, path: str) -> None:
        """Open or make the inbox at *path* (``:memory:`` for none)."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS inbox (number INTEGER PRIMARY KEY, agency TEXT, webhook_id TEXT, digest TEXT, "
            "body BLOB, attempts INTEGER, at REAL, UNIQUE (agency, webhook_id))"
        )

    def take(self, agency: str, referral: UUID, body: bytes) -> str:
        """
        Keep *body* unless it is here already; return our case number, the same for every attempt.

        Raises:
            Refused: The same id came with another body.
        """
        digest = hashlib.sha256(body).hexdigest()
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO inbox (webhook_id, agency, digest, body, attempts, at) VALUES (?, ?, ?, ?, 1, ?) "
                "ON CONFLICT (agency, webhook_id) DO UPDATE SET attempts = attempts + 1",
                (str(referral), agency, digest, body, time.time()),
            )
            row = self._db.execute(
                "SELECT number, digest FROM inbox WHERE agency = ? AND webhook_id = ?", (agency, str(referral))
            ).fetchone()
        if row[1] != digest:
            raise Refused(409, "this id came before with another body")
        return f"{agency.upper()}-{row[0]:06d}"

    def listed(self, agency: str) -> list[dict[str, object]]:
        """What this agency has, for a look from outside: ids, digests and attempts, no content."""
        with self._lock:
            rows = self._db.execute(
                "SELECT webhook_id, digest, attempts FROM inbox WHERE agency = ? ORDER BY number", (agency,)
            ).fetchall()
        return [{"referral_id": row[0], "digest": row[1], "attempts": row[2]} for row in rows]


class Receiver(ThreadingHTTPServer):
    """One receiver that plays any number of agencies at ``/agencies/<id>``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, keys: Keys, inbox: Inbox, modes: dict[str, str]) -> None:
        """Listen; *modes* by agency id, ``*`` for all others."""
        super().__init__((host, port), Handler)
        self.keys, self.inbox, self.modes = keys, inbox, modes

    def mode(self, agency: str) -> str:
        """What to play for *agency*."""
        return self.modes.get(agency, self.modes.get("*", "acknowledge"))


class Handler(BaseHTTPRequestHandler):
    """One call."""

    server: Receiver
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        """Take one referral."""
        try:
            agency = self._agency()
            body = self._body()
            referral = verify(self.server.keys, {k.lower(): v for k, v in self.headers.items()}, body, time.time())
            self._play(agency, referral, body)
        except Refused as refused:
            self.close_connection = True
            self._answer(refused.status, {"title": str(refused)})

    def do_GET(self) -> None:
        """``/live``, ``/ready``, or what an agency's inbox holds (ids only)."""
        if self.path in {"/live", "/ready"}:
            self._answer(200, {self.path[1:]: True})
            return
        try:
            self._answer(200, {"inbox": self.server.inbox.listed(self._agency())})
        except Refused as refused:
            self._answer(refused.status, {"title": str(refused)})

    def _agency(self) -> str:
        parts = self.path.strip("/").split("/")
        if len(parts) != 2 or parts[0] != "agencies" or not parts[1].replace("-", "").isalnum():
            raise Refused(404, "referrals are taken at /agencies/<id>")
        return parts[1]

    def _body(self) -> bytes:
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LARGEST_BYTES:
            raise Refused(413, "content-length is needed, at most 2 MiB")
        return self.rfile.read(int(length))

    def _play(self, agency: str, referral: UUID, body: bytes) -> None:
        mode = self.server.mode(agency)
        if mode in FAILURES:
            self._answer(FAILURES[mode], {}, {"Retry-After": "2"} if mode == "busy" else {})
            return
        if mode in {"slow", "silent"}:
            time.sleep(3 if mode == "slow" else 3600)
        case = self.server.inbox.take(agency, referral, body)
        if mode == "accept":
            self._answer(202, {})
            return
        self._answer(
            200, {"schema": "receipt/1", "referral_id": str(referral), "status": "acknowledged", "reference": case}
        )

    def _answer(self, status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        fixed = {"content-type": "application/json", "content-length": str(len(raw))}
        for name, value in {**fixed, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: a path or header is no place to look for a referral."""


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(description="A reference receiver of referrals.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("VIDARE_PORT", "8190")))
    parser.add_argument(
        "--secret-env", default="VIDARE_DEMO_WEBHOOK_SECRET", help="variable that holds the HMAC secret"
    )
    parser.add_argument("--public-key-env", help="variable that holds the mesh's Ed25519 public key")
    parser.add_argument("--inbox", default=":memory:", help="SQLite file of the inbox")
    parser.add_argument(
        "--mode", action="append", default=[], metavar="[AGENCY=]MODE", help=f"one of {', '.join(MODES)}"
    )
    given = parser.parse_args(arguments)
    modes = dict(each.split("=", 1) if "=" in each else ("*", each) for each in given.mode)
    if not set(modes.values()) <= set(MODES):
        parser.error(f"--mode must be one of {', '.join(MODES)}")
    keys = Keys.read(os.environ.get(given.secret_env), os.environ.get(given.public_key_env or ""))
    receiver = Receiver(given.host, given.port, keys, Inbox(given.inbox), modes)
    print(f"receiver at http://{given.host}:{receiver.server_port}/agencies/<id>", flush=True)  # noqa: T201 - a program says where it is
    try:
        receiver.serve_forever()
    except KeyboardInterrupt:
        receiver.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
