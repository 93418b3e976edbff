"""
A reference receiver: what an agency needs to take referrals by webhook, in one file. Read it, copy it.

Verifies signatures, keeps an inbox keyed by ``webhook-id`` so that a repeated attempt has no second effect, answers
with its own case number, the same every time, and follows the numbers of its feed. Never answer 410 for one referral:
it says that the whole endpoint is gone. ``v1a`` needs ``cryptography``, documents sealed to your key ``joserfc``.

    python deploy/receiver/receiver.py --port 8190 --secret-env VIDARE_DEMO_WEBHOOK_SECRET
"""
# ruff: noqa: INP001 - one file to read and copy, not a package

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

TOLERANCE_S, LARGEST_BYTES, MOST_SIGNATURES = 300, 2 * 1024 * 1024, 16
MODES = (
    "acknowledge",
    "accept",
    "slow",
    "fail",
    "gone",
    "busy",
    "silent",
)  # how to play an agency: late, 500, 410, 429
SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox (number INTEGER PRIMARY KEY, agency TEXT, webhook_id TEXT, digest TEXT, body BLOB,
    attempts INTEGER, at REAL, UNIQUE (agency, webhook_id));
CREATE TABLE IF NOT EXISTS feed (agency, feed, number INTEGER, previous, digest, PRIMARY KEY (agency, feed, number));
"""
FOUND = "SELECT number, digest FROM inbox WHERE agency = ? AND webhook_id = ?"
NOTE = "INSERT OR IGNORE INTO feed VALUES (?, ?, ?, ?, ?)"
HELD = "SELECT digest FROM feed WHERE agency = ? AND feed = ? AND number = ?"
BROKEN = """
SELECT here.number FROM feed here LEFT JOIN feed before
    ON before.agency = here.agency AND before.feed = here.feed AND before.number = here.number - 1
WHERE here.agency = ? AND here.feed = ? AND here.number BETWEEN ? AND ? AND (before.number OR here.number = 1)
    AND here.previous IS NOT '?' AND here.previous IS NOT 'sha-256:' || before.digest ORDER BY here.number
"""
ALGORITHMS = ["ECDH-ES+A256KW", "RSA-OAEP-256", "A256GCM"]
FAILURES = {"fail": 500, "gone": 410, "busy": 429}


class Refused(Exception):
    """The call is not a referral of the mesh: the status to answer with, and why."""


class Keys(NamedTuple):
    """What signatures are held against; either may be missing, not both."""

    secret: bytes | None
    public: bytes | None

    @classmethod
    def read(cls, secret: str | None, public: str | None) -> "Keys":
        """Give the keys as text: ``whsec_`` base64 or plain; ``whpk_`` base64."""
        if not secret and not public:
            raise SystemExit("receiver: give --secret-env or --public-key-env, and set the variable it names")
        plain = (secret or "").encode()
        shared = base64.b64decode(plain[6:] + b"==") if plain.startswith(b"whsec_") else plain
        return cls(shared or None, base64.b64decode(public.removeprefix("whpk_")) if public else None)


def verify(keys: Keys, headers: dict[str, str], body: bytes, now: float) -> UUID:
    """The referral id of a call that is signed, fresh and whole; `Refused` where it is not."""
    try:
        name, stamp = headers["webhook-id"], int(headers["webhook-timestamp"])
        signatures = headers["webhook-signature"].split(" ")
        referral = UUID(name)
    except (KeyError, ValueError):
        raise Refused(400, "webhook-id, webhook-timestamp and webhook-signature are needed") from None
    if abs(int(now) - stamp) > TOLERANCE_S:
        raise Refused(401, "the timestamp is too far from our clock")
    signed = f"{name}.{stamp}.".encode() + body
    if len(signatures) > MOST_SIGNATURES or not any(_holds(keys, each, signed) for each in signatures):
        raise Refused(401, "no signature holds, or there are more than 16")
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
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - only where v1a is used

    with contextlib.suppress(InvalidSignature, ValueError):
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
        return True
    return False


class Link(NamedTuple):
    """Where a document stands: in which feed, its number, and the digest of the document before it."""

    feed: str
    number: int
    previous: str | None
    skipped: tuple[tuple[int, str], ...] = ()  # number and digest of each that the mesh says it will never send


def link_of(headers: dict[str, str], body: bytes, private: str | None = None) -> Link | None:
    """None where the document stands in no feed; `Refused` where it is sealed, and not to our key *private*."""
    try:
        sealed = headers.get("content-type") == "application/jose"
        document = json.loads(_opened(body, private) if sealed and private else body)
        feed = document["feed"] or {}
        skipped = tuple((int(each["number"]), each["digest"]) for each in feed.get("skipped", ()))
        return Link(document["destination"], int(feed["number"]), feed.get("previous"), skipped)
    except (KeyError, TypeError, ValueError):
        number = headers.get("vidare-feed-number", "")  # so a document that we do not open can be followed too
        return (
            Link("", int(number), headers.get("vidare-feed-previous"))
            if number.isdecimal() and len(number) < 19
            else None
        )


def _opened(body: bytes, private: str) -> bytes:
    from joserfc import errors, jwe, jwk  # noqa: PLC0415 - only where documents are sealed

    registry = jwe.JWERegistry(algorithms=ALGORITHMS)
    try:
        registry.max_ciphertext_length = LARGEST_BYTES  # the library's own limit is 64 KiB
        ours = json.loads(private)  # of a set, the key that the header names (kid) opens it: keep the old ones
        key = jwk.KeySet.import_key_set(ours) if "keys" in ours else jwk.import_key(ours)
        return jwe.decrypt_compact(body, key, registry=registry).plaintext or b""
    except (errors.JoseError, ValueError) as error:
        raise Refused(422, "the document cannot be opened with our key") from error


class Inbox:
    """Every referral once, whatever the number of attempts; and which numbers of each feed are here."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(SCHEMA)
        self._expected: dict[tuple[str, str], int] = defaultdict(lambda: 1)
        self.alarms: list[str] = []

    def take(self, agency: str, referral: UUID, body: bytes) -> str:
        """Keep *body* unless it is here already; our case number, the same each time. `Refused` for another body."""
        digest, named = hashlib.sha256(body).hexdigest(), (agency, str(referral))
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO inbox (agency, webhook_id, digest, body, attempts, at) VALUES (?, ?, ?, ?, 1, ?) "
                "ON CONFLICT (agency, webhook_id) DO UPDATE SET attempts = attempts + 1",
                (*named, digest, body, time.time()),
            )
            number, kept = self._db.execute(FOUND, named).fetchone()
        if kept != digest:
            self._alarm(f"{agency}: {referral} came again with another body")
            raise Refused(409, "this id came before with another body")
        return f"{agency.upper()}-{number:06d}"

    def follow(self, agency: str, link: Link, body: bytes) -> dict[str, str]:
        """Note the number; headers that tell the mesh the first number we miss, and whether this one fits."""
        where, digest = (agency, link.feed), hashlib.sha256(body).hexdigest()
        with self._lock, self._db:
            rows = [(*where, number, "?", named.removeprefix("sha-256:")) for number, named in link.skipped]
            self._db.execute(NOTE, (*where, link.number, link.previous, digest))
            self._db.executemany(NOTE, rows)
            kept = self._db.execute(HELD, (*where, link.number)).fetchone()[0]
            broken = [] if kept == digest else [link.number]  # two documents with one number: a fork
            broken += [row[0] for row in self._db.execute(BROKEN, (*where, link.number, link.number + 1))]
            while self._db.execute(HELD, (*where, self._expected[where])).fetchone():
                self._expected[where] += 1
        if broken:
            self._alarm(f"{agency}: number {broken[0]} of the feed does not follow from the one before it")
        said = {"vidare-feed-expected": str(self._expected[where]), "vidare-feed-broken": "".join(map(str, broken[:1]))}
        return {name: value for name, value in said.items() if value}

    def _alarm(self, what: str) -> None:
        self.alarms.append(what)
        print(f"alarm: {what}", file=sys.stderr, flush=True)  # noqa: T201 - replace it by whatever wakes a person

    def shown(self, agency: str) -> dict[str, object]:
        """What this agency has and misses, for a look from outside: ids, digests, numbers, no content."""
        listed = "SELECT webhook_id, digest, attempts FROM inbox WHERE agency = ? ORDER BY number"
        held: dict[str, set[int]] = {}
        feeds: list[dict[str, object]] = []
        with self._lock:
            inbox = [{"referral_id": i, "digest": d, "attempts": n} for i, d, n in self._db.execute(listed, (agency,))]
            for feed, number in self._db.execute("SELECT feed, number FROM feed WHERE agency = ?", (agency,)):
                held.setdefault(feed, set()).add(number)
            for feed, numbers in sorted(held.items()):
                missing = [number for number in range(1, max(numbers)) if number not in numbers][:100]
                broken = [row[0] for row in self._db.execute(BROKEN, (agency, feed, 1, max(numbers)))]
                feeds.append({"feed": feed, "last": max(numbers), "missing": missing, "broken": broken})
        return {"inbox": inbox, "feeds": feeds, "alarms": [a for a in self.alarms if a.startswith(f"{agency}: ")]}


class Receiver(ThreadingHTTPServer):
    """One receiver that plays any number of agencies at ``/agencies/<id>``; modes by agency, ``*`` for all others."""

    daemon_threads = True
    request_queue_size = 128
    private: str | None = None  # our key, a JWK or JWK Set as text, where documents come sealed

    def __init__(self, host: str, port: int, keys: Keys, inbox: Inbox, modes: dict[str, str]) -> None:
        super().__init__((host, port), Handler)
        self.keys, self.inbox, self.modes = keys, inbox, modes


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
            headers = {name.lower(): value for name, value in self.headers.items()}
            referral = verify(self.server.keys, headers, body, time.time())
            self._play(agency, referral, body, link_of(headers, body, self.server.private))
        except Refused as refused:
            self._answer(refused.args[0], {"title": refused.args[1]}, {"connection": "close"})

    def do_GET(self) -> None:
        """``/live``, ``/ready``, or what an agency's inbox holds and misses (ids and numbers only)."""
        try:
            health = self.path in {"/live", "/ready"}
            self._answer(200, {self.path[1:]: True} if health else self.server.inbox.shown(self._agency()))
        except Refused as refused:
            self._answer(refused.args[0], {"title": refused.args[1]})

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

    def _play(self, agency: str, referral: UUID, body: bytes, link: Link | None) -> None:
        mode = self.server.modes.get(agency, self.server.modes.get("*", "acknowledge"))
        if mode in FAILURES:
            return self._answer(FAILURES[mode], {}, {"Retry-After": "2"} if mode == "busy" else {})
        time.sleep({"slow": 3, "silent": 3600}.get(mode, 0))
        case = self.server.inbox.take(agency, referral, body)
        report = self.server.inbox.follow(agency, link, body) if link else {}
        receipt = {"schema": "receipt/1", "referral_id": str(referral), "status": "acknowledged", "reference": case}
        return self._answer(202, {}, report) if mode == "accept" else self._answer(200, {**receipt}, report)

    def _answer(self, status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": len(raw), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: a path or header is no place to look for a referral."""


def main() -> None:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(description="A reference receiver of referrals.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("VIDARE_PORT", "8190")))
    parser.add_argument("--secret-env", default="VIDARE_DEMO_WEBHOOK_SECRET", help="variable of the HMAC secret (v1)")
    parser.add_argument("--public-key-env", help="variable of the mesh's Ed25519 public key (v1a)")
    parser.add_argument(
        "--private-key", type=Path, help="file with our private JWK or a set of them, where documents come sealed"
    )
    parser.add_argument("--inbox", default=":memory:", help="SQLite file of the inbox")
    parser.add_argument("--mode", action="append", default=[], metavar="[AGENCY=]MODE", help=", ".join(MODES))
    given = parser.parse_args()
    modes = dict(each.split("=", 1) if "=" in each else ("*", each) for each in given.mode)
    if not set(modes.values()) <= set(MODES):
        parser.error(f"--mode must be one of {', '.join(MODES)}")
    keys = Keys.read(os.environ.get(given.secret_env), os.environ.get(given.public_key_env or ""))
    receiver = Receiver(given.host, given.port, keys, Inbox(given.inbox), modes)
    receiver.private = given.private_key.read_text() if given.private_key else None
    print(f"receiver at http://{given.host}:{receiver.server_port}/agencies/<id>", flush=True)  # noqa: T201 - a program says where it is
    with contextlib.suppress(KeyboardInterrupt):
        receiver.serve_forever()


if __name__ == "__main__":
    main()
