"""Intake as a stranger meets it: an inbox, a status topic and a door; written from the contract alone."""

import base64
import gzip
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.support.oracle import Seen
from tests.support.stranger import INBOX, OTHER_TOKEN, TOKEN, Headers, Stranger, digest, stranger

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100") + os.urandom(300)
PLAIN_JPEG = bytes.fromhex("ffd8ffdb004300") + os.urandom(300)
MEDIA = {
    "jpeg": JPEG,
    "plain jpeg": PLAIN_JPEG,
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + os.urandom(300),
    "gif": b"GIF89a\x01\0\x01\0\x80\0\0" + os.urandom(300),
    "webp": b"RIFF\x24\1\0\0WEBPVP8 " + os.urandom(300),
    "avi": b"RIFF\x24\1\0\0AVI LIST" + os.urandom(300),
    "mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2" + os.urandom(300),
    "mkv": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01" + os.urandom(300),
    "zip": b"PK\x03\x04\x14\0\0\0\x08\0" + os.urandom(300),
    "gzip": gzip.compress(os.urandom(300)),
    "7z": b"7z\xbc\xaf'\x1c\0\x04" + os.urandom(300),
    "rar": b"Rar!\x1a\x07\x01\x00" + os.urandom(300),
}
TAR = b"page.jpg".ljust(257, b"\0") + b"ustar\x0000" + os.urandom(200)


def b64(data: bytes) -> str:
    """Base64 with padding."""
    return base64.b64encode(data).decode()


def wrapped(text: str, width: int, gap: str) -> str:
    """*text* in pieces of *width* characters."""
    return gap.join(text[at : at + width] for at in range(0, len(text), width))


def dumped(data: bytes) -> str:
    """*data* as a hex dump with offsets prints it."""
    return "\n".join(f"{at:08x}  {wrapped(data[at : at + 16].hex(), 2, ' ')}" for at in range(0, len(data), 16))


DISGUISES: dict[str, Callable[[bytes], str]] = {
    "base64": b64,
    "base64 for URLs": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "lines of a mail": lambda data: wrapped(b64(data), 76, "\r\n"),
    "groups of four": lambda data: wrapped(b64(data), 4, " "),
    "single characters": lambda data: wrapped(b64(data), 1, " "),
    "in a sentence": lambda data: f"see image={b64(data)} there",
    "in JSON": lambda data: json.dumps({"image": b64(data)}),
    "escaped": lambda data: quote(b64(data), safe=""),
    "twice": lambda data: b64(b64(data).encode()),
    "hex": lambda data: data.hex().upper(),
    "hex lines": lambda data: wrapped(data.hex(), 64, "\n"),
    "hex pairs": lambda data: wrapped(data.hex(), 2, ":"),
    "hex words": lambda data: wrapped(data.hex(), 4, " "),
    "hex dump": dumped,
    "hex of base64": lambda data: b64(data).encode().hex(),
    "base64 of hex": lambda data: b64(data.hex().encode()),
}


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """Somebody who sends to intake."""
    with stranger(tmp_path_factory.mktemp("blackbox"), [("intake", "hop")], door=True) as made:
        yield made


def reason(status: Seen) -> tuple[str | None, str | None]:
    """Why a decision is a refusal, and where; (None, None) for an acceptance."""
    refusal = status.json().get("refusal") or {}
    return refusal.get("reason"), refusal.get("pointer")


def test_media_is_refused_in_every_disguise(sender: Stranger) -> None:
    """Twelve formats in sixteen disguises: refused where they stand, told by digest and size, under the reference."""
    cases = {
        f"{name}, {how}": sender.tip(narrative=disguise(data))
        for name, data in MEDIA.items()
        for how, disguise in DISGUISES.items()
    } | {"tar": sender.tip(narrative=b64(TAR)), "tar in hex": sender.tip(narrative=TAR.hex())}

    found = sender.decisions(*cases.values())

    wrong = {
        name: reason(status)
        for name, status in zip(cases, found, strict=True)
        if reason(status) != ("media_refused", "/narrative")
    }
    assert wrong == {}
    for tip, status in zip(cases.values(), found, strict=True):
        data = json.dumps(tip).encode()
        told = status.json()
        assert (told["refusal"]["digest"], told["refusal"]["size"]) == (digest(data), len(data))
        assert status.key == told["reference"].encode() == str(tip["reference"]).encode()
        assert "narrative" not in told


def test_media_is_refused_in_every_field(sender: Stranger) -> None:
    """Values at any depth, keys, unknown fields and either of two equal keys."""
    blob = b64(JPEG)
    fields: dict[str, dict[str, Any]] = {
        "/kind": {"kind": blob},
        "/urls/0": {"urls": [f"data:image/png;base64,{blob}"]},
        "/addresses/0/ip": {"addresses": [{"ip": blob, "role": "hosting"}]},
        "/hashes/0/value": {"hashes": [{"algorithm": "sha256", "value": blob}]},
        "/people/0/note": {"people": [{"role": "victim", "note": blob}]},
        "/place/description": {"place": {"description": blob}},
        "/reporter/contact": {"reporter": {"contact": blob}},
        "/known_to/0/case": {"known_to": [{"agency": "police-se", "case": blob}]},
        "/supersedes": {"supersedes": blob},
        "/extra/a/0/b": {"extra": {"a": [{"b": blob}]}},
        "/place": {"place": {blob: 1}},
        "": {blob: 1},
    }
    twice = b'{"reference": "twice", "kind": "csam", "narrative": "%s", "narrative": "x"}' % blob.encode()

    found = sender.decisions(*(sender.tip(**changed) for changed in fields.values()), twice)

    assert [reason(status) for status in found] == [("media_refused", at) for at in (*fields, "/narrative")]


def test_harmless_blobs_are_no_media(sender: Stranger) -> None:
    """Keys, tokens, hashes that begin like a picture, markup: accepted."""
    key = wrapped(b64(b"\x99\x02\x0d\x04" + os.urandom(900)), 64, "\n")
    texts = [
        f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{key}\n-----END PGP PUBLIC KEY BLOCK-----",
        f"eyJhbGciOiJIUzI1NiJ9.{base64.urlsafe_b64encode(os.urandom(90)).decode()}",
        "\n".join(os.urandom(32).hex() for _ in range(200)),
        "ffd8ff" + os.urandom(29).hex(),
        "the data: image was seen, base64 too; BM, PK, RIFF, GIF89a and %PDF are words",
        "<svg><script>alert(1)</script></svg> ${jndi:ldap://x.example} {{7*7}} '; DROP TABLE x;--",
    ]
    hashes = [{"algorithm": "md5", "value": "ffd8ff" + os.urandom(13).hex()}]

    found = sender.decisions(*(sender.tip(narrative=text) for text in texts), sender.tip(hashes=hashes))

    assert [reason(status) for status in found] == [(None, None)] * len(found)


def test_bytes_that_are_no_submission_are_refused_in_words(sender: Stranger) -> None:
    """Encodings, syntax, nesting, doubled keys, numbers, versions, fields, sizes: each with its reason and pointer."""

    def raw(more: str) -> bytes:
        return f'{{"reference": "{uuid4()}", "kind": "csam", "urls": ["https://a.example/"]{more}}}'.encode()

    age = ', "people": [{"role": "victim", "age": %s}]'
    cases: list[tuple[bytes | None, str | None, str | None]] = [
        *((data, "not_json", None) for data in (None, b"", b"{", raw("") + b"x", raw("") * 2, b"[" * 100_000)),
        (raw("").replace(b"csam", b"cs\xffm"), "not_json", None),
        (raw("").decode().encode("utf-16"), "not_json", None),
        (raw(f', "x": {"[" * 17}{"]" * 17}'), "not_json", None),
        (b"\xef\xbb\xbf" + raw(""), None, None),
        (raw(', "narrative": "\\ud800"'), "invalid_field", "/narrative"),
        (raw(', "place": {"country": "SE", "country": "NO"}'), "invalid_field", "/place/country"),
        *((raw(age % n), "invalid_field", "/people/0/age") for n in ("NaN", "1e400", "-0", "9" * 400, "1.5", '"12"')),
        (raw(', "schema": "tip-submission/2", "new": 1'), "unknown_schema", "/schema"),
        (raw(', "place": {"zip": "1"}'), "unknown_field", "/place/zip"),
        (raw(', "addresses": [{"role": "hosting"}]'), "invalid_field", "/addresses/0/ip"),
        (raw(', "accounts": [{"service": "x.example"}]'), "invalid_field", "/accounts/0/handle"),
        (raw(', "place": {"country": "ZZ"}'), "invalid_field", "/place/country"),
        (raw(', "observed_at": "2026-13-01T00:00:00Z"'), "invalid_field", "/observed_at"),
        (raw(', "supersedes": "never sent"'), "unknown_reference", "/supersedes"),
        (raw(f', "narrative": "{"ab " * 330_000}"'), "too_large", None),
        (json.dumps(sender.tip(urls=["https://a.example/"] * 1_001)).encode(), "too_many", None),
        (json.dumps(sender.tip(urls=["  "])).encode(), "empty_tip", None),
    ]

    found = sender.decisions(*(data for data, _, _ in cases))

    assert [reason(status) for status in found] == [(why, where) for _, why, where in cases]
    assert [s.json()["refusal"]["digest"] for s in found if reason(s)[0]] == [
        digest(d or b"") for d, why, _ in cases if why
    ]


def test_odd_indicators_and_headers_refuse_nothing(sender: Stranger) -> None:
    """Whatever a reporter found and whatever a client sets beside it: accepted, one trace context written."""
    odd = [
        "hxxp://a[.]example",
        "http://exa\tmple",
        "javascript:x",
        "http://[::1",
        "not a url",
        "http://a@b@c.test/",
        "a" * 9_000,
    ]
    found = sender.decisions(
        *(sender.tip(urls=[url]) for url in odd),
        *(
            sender.tip(addresses=[{"ip": ip, "role": "hosting"}])
            for ip in ("010.8.8.8", "127.1", "1.2.3.0/24", "nonsense")
        ),
        sender.tip(hashes=[{"algorithm": "md5", "value": "x y"}]),
    )
    assert [reason(status) for status in found] == [(None, None)] * len(found)

    parent = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"
    hostile: Headers = [
        ("traceparent", parent),
        ("traceparent", b"\xff" * 10_000),
        ("ce_id", b""),
    ]
    received = sender.reader("tips-received")
    sender.publish(sender.tip(), headers=hostile)
    sender.publish(sender.tip(), headers=[(f"h{n}", b"x") for n in range(10_000)])
    sender.publish(sender.tip(), headers=[("traceparent", parent)])
    seen = received.until(lambda seen: len(seen) >= 3, seconds=30, quiet=0)
    traces = [one.headers["traceparent"].decode().split("-")[1] for one in seen]
    assert (traces[0] == "ab" * 16, traces[2] == "ab" * 16) == (False, True)
    assert {"ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "content-type"} <= set(seen[0].headers)


def test_a_tip_is_repeated_corrected_and_withdrawn_by_its_reference(sender: Stranger) -> None:
    """Same content: the same tip again. Other content: refused. ``supersedes``: the next revision of the same tip."""
    first = sender.tip(narrative="one")
    again = {name: first[name] for name in reversed(first)} | {"place": None}
    second = sender.tip(supersedes=first["reference"])
    gone = {
        "reference": sender.tip()["reference"],
        "kind": "csam",
        "supersedes": second["reference"],
        "withdrawn": True,
    }

    found = sender.decisions(first, again, first | {"narrative": "two"}, second, gone, second)

    told = [status.json() for status in found]
    assert reason(found[2]) == ("reference_reused", "/reference")
    assert {one["tip_id"] for one in told} == {told[0]["tip_id"]}
    assert [(one.get("revision"), one["repeated"]) for one in told if one["status"] == "accepted"] == [
        (1, False), (1, True), (2, False), (3, False), (2, True),
    ]  # fmt: skip


def test_nothing_stays_in_an_inbox(sender: Stranger) -> None:
    """What was decided on is deleted: an inbox is the only place of bytes that nobody has looked at."""
    sender.decisions(sender.tip(), b"rubbish")
    end = time.monotonic() + 20
    left = sender.left_in(INBOX)
    while left[0] < left[1] and time.monotonic() < end:
        time.sleep(0.2)
        left = sender.left_in(INBOX)

    assert left[0] == left[1] > 0


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Tell whether *answer* is the problem document of *code*."""
    form = answer.headers["content-type"].startswith("application/problem+json")
    return form and (answer.status_code, answer.json()["status"], answer.json()["code"]) == (status, status, code)


def test_the_door_shows_a_tip_to_its_sender_only(sender: Stranger) -> None:
    """No token, a wrong one: not permitted. Another partner, an unknown tip, no tip at all: the same 404."""
    taken = sender.http.post("/v1/tips", json=sender.tip())
    assert taken.status_code == 202
    assert set(taken.json()) == {"tip_id", "trace_id", "priority"}

    own, other = f"/v1/tips/{taken.json()['tip_id']}", {"authorization": f"Bearer {OTHER_TOKEN}"}
    assert sender.http.get(own).json()["tip_id"] == taken.json()["tip_id"]
    unseen = [sender.http.get(path, headers=other) for path in (own, f"/v1/tips/{uuid4()}", "/v1/tips/..%2fx")]
    assert {(answer.status_code, answer.text) for answer in unseen} == {(404, unseen[0].text)}
    for shown in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}"):
        answer = sender.http.post("/v1/tips", json=sender.tip(), headers={"authorization": shown})
        assert answer.status_code in (401, 403)
        assert is_problem(answer, answer.status_code, "not_permitted")


def test_the_door_says_no_in_problem_documents(sender: Stranger) -> None:
    """Forms, encodings, methods, sizes and every refusal that needs no memory; 5 MB are still told in words."""
    good = json.dumps(sender.tip()).encode()
    for kind in ("image/jpeg", "multipart/form-data; boundary=x", "application/zip", "text/plain"):
        assert is_problem(sender.http.post("/v1/tips", content=good, headers={"content-type": kind}), 415, "not_json")
    for name in ("gzip", "br", "identity, gzip"):
        headers = {"content-type": "application/json", "content-encoding": name}
        assert sender.http.post("/v1/tips", content=gzip.compress(good), headers=headers).status_code == 415
    for method in ("GET", "PUT", "DELETE", "TRACE"):
        assert is_problem(sender.http.request(method, "/v1/tips"), 405, "not_permitted")
    for changed, status, code in (
        ({"narrative": "a " * 2_500_000}, 413, "too_large"),
        ({"schema": "tip-submission/9"}, 422, "unknown_schema"),
        ({"foo": 1}, 422, "unknown_field"),
        ({"kind": "x"}, 422, "invalid_field"),
        ({"urls": []}, 422, "empty_tip"),
        ({"urls": ["https://a.example/"] * 1_001}, 422, "too_many"),
        ({"narrative": "data:image/png;base64,AAAA"}, 422, "media_refused"),
    ):
        assert is_problem(sender.http.post("/v1/tips", json=sender.tip(**changed)), status, code)


def test_an_idempotency_key_gives_the_same_answer(sender: Stranger) -> None:
    """The same key and body: the first answer. Another body: refused. Another partner's key is another key."""
    tip, key = sender.tip(), {"idempotency-key": f'"{uuid4()}"'}
    first, second = (sender.http.post("/v1/tips", json=tip, headers=key) for _ in range(2))
    other = sender.http.post("/v1/tips", json=sender.tip(), headers=key)
    theirs = sender.http.post("/v1/tips", json=tip, headers=key | {"authorization": f"Bearer {OTHER_TOKEN}"})

    assert first.json() == second.json()
    assert (other.status_code, theirs.status_code) == (422, 202)
    assert theirs.json()["tip_id"] != first.json()["tip_id"]


def test_a_batch_is_answered_line_by_line_while_it_runs(sender: Stranger) -> None:
    """In order, refusals among acceptances, before the request ends; every tip has a trace of its own."""
    lines = [sender.tip(), b"{", sender.tip(kind="x"), sender.tip(narrative="x" * 300_000), sender.tip()]
    body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    answer = sender.http.post("/v1/tips/batch", content=body, headers={"content-type": "application/x-ndjson"})
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [one.get("code", "taken") for one in told] == ["taken", "not_json", "invalid_field", "too_large", "taken"]
    assert told[0]["trace_id"] != told[4]["trace_id"]

    with socket.create_connection((sender.http.base_url.host, sender.http.base_url.port or 0), timeout=20) as line:
        head = f"POST /v1/tips/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        line.sendall(head.encode() + b"Transfer-Encoding: chunked\r\nContent-Type: application/x-ndjson\r\n\r\n")
        first = json.dumps(sender.tip()).encode() + b"\n"
        line.sendall(b"%x\r\n%s\r\n" % (len(first), first))
        seen = b""
        while b"tip_id" not in seen:
            part = line.recv(4096)
            assert part
            seen += part


def test_the_door_takes_nothing_while_the_broker_is_silent(sender: Stranger) -> None:
    """503 with Retry-After and not ready; refusals still hold; afterwards the same request is taken."""
    tip = sender.tip()
    with sender.silent_broker():
        away = sender.http.post("/v1/tips", json=tip)
        refused = sender.http.post("/v1/tips", json=sender.tip(kind="x"))
        ready = sender.until_ready(503)
    assert is_problem(away, 503, "unavailable")
    assert int(away.headers["retry-after"]) > 0
    assert (refused.status_code, ready.json()["ready"]) == (422, False)

    sender.until_ready()
    assert sender.http.post("/v1/tips", json=tip).status_code == 202
