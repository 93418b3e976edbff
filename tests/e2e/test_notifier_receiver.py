"""The reference receiver: what it takes, what it refuses, and that an attempt made twice has one effect."""

import base64
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.chassis.settings import ROOT
from services.notifier.channels import signing
from services.notifier.channels.guard import public_or_loopback
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.delivering.attempt import AttemptEnd
from services.notifier.onboarded import Onboarded
from tests.support.notifier_world import START, an_agency, an_effect

FILE = ROOT / "deploy" / "receiver" / "receiver.py"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SEED = b"s" * 32
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
REFERRAL = UUID("5b0f3a52-9a44-5d0e-b6a1-3d4c5e1f2a70")
BODY = b'{"schema":"referral/1"}'
NOW = START.timestamp()


@pytest.fixture(scope="module")
def receiver() -> ModuleType:
    """The receiver's file as a module: it imports nothing of ours."""
    spec = importlib.util.spec_from_file_location("vidare_receiver", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def running(receiver: ModuleType) -> Iterator[Any]:
    """A receiver on a free port that plays one agency per mode."""
    modes = {f"agency-{mode}": mode for mode in receiver.MODES}
    server = receiver.Receiver("127.0.0.1", 0, receiver.Keys.read(SECRET, None), receiver.Inbox(":memory:"), modes)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


async def attempt(
    server: Any, agency: str, referral: UUID = REFERRAL, body: bytes = BODY, timeout_s: float = 2
) -> AttemptEnd:
    """One attempt of our webhook channel at the receiver."""
    url = f"http://127.0.0.1:{server.server_port}/agencies/{agency}"
    record = an_agency(id=agency, webhook={"url": url, "secret": "env:HMAC", "timeout_s": timeout_s})
    effects = WebhookEffects(Onboarded({agency: record}), lambda _ref: SECRET, may=public_or_loopback)
    told = await effects.perform(an_effect(agency, referral, body))
    await effects.close()
    return AttemptEnd.model_validate_json(told.body)


async def test_a_referral_is_acknowledged_with_a_case_number(running: Any) -> None:
    """The answer is a ``receipt/1``; the same attempt again gives the same number and one row."""
    first, second = [await attempt(running, "hotline-nl") for _ in range(2)]
    other = await attempt(running, "hotline-nl", uuid4())

    assert first == second != other
    receipt = orjson.loads(first.answer or "")
    assert ("receipt/1", str(REFERRAL), "acknowledged") == (
        receipt["schema"],
        receipt["referral_id"],
        receipt["status"],
    )
    assert [2, 1] == [row["attempts"] for row in running.inbox.shown("hotline-nl")["inbox"]]


@pytest.mark.parametrize(
    ("mode", "end"),
    [
        ("accept", AttemptEnd(status=202, answer="{}")),
        ("fail", AttemptEnd(status=500)),
        ("gone", AttemptEnd(status=410)),
        ("busy", AttemptEnd(status=429, retry_after_s=2)),
        ("silent", AttemptEnd(fault="timeout")),
    ],
)
async def test_every_mode_plays_its_part(running: Any, mode: str, end: AttemptEnd) -> None:
    """What the mesh's tests need an agency to do."""
    assert end == await attempt(running, f"agency-{mode}", timeout_s=0.3)


async def test_t81_the_same_id_with_another_body_is_refused_with_an_alarm(running: Any) -> None:
    """81: that would be our fault: the agency says so, keeps what came first, and a person of theirs hears of it."""
    await attempt(running, "hotline-nl")
    before = running.inbox.shown("hotline-nl")

    assert 409 == (await attempt(running, "hotline-nl", body=b'{"schema":"referral/1","version":2}')).status
    after = running.inbox.shown("hotline-nl")
    assert [before["inbox"][0]["digest"]] == [row["digest"] for row in after["inbox"]]
    assert (0, 1) == (len(before["alarms"]), len(after["alarms"]))


def test_what_is_not_signed_is_not_taken(running: Any) -> None:
    """No headers, no length, another path: refused, and health answers without a signature."""
    base = f"http://127.0.0.1:{running.server_port}"

    assert 400 == httpx.post(f"{base}/agencies/hotline-nl", content=BODY).status_code
    assert 404 == httpx.post(f"{base}/elsewhere", content=BODY).status_code
    assert [200, 200] == [httpx.get(f"{base}{path}").status_code for path in ("/live", "/ready")]
    assert {"inbox": [], "feeds": [], "alarms": []} == httpx.get(f"{base}/agencies/hotline-nl").json()


def signed(*, key: str = "secret", **changes: str) -> dict[str, str]:
    """Headers of a good call at `NOW`, with *changes*."""
    hook = an_agency(webhook={"url": "http://127.0.0.1/", key: "env:KEY"}).webhook
    assert hook is not None
    keys = {"secret": SECRET, "signing_key": "whsk_" + base64.b64encode(SEED).decode()}
    return signing.headers(hook, lambda _ref: keys[key], REFERRAL, START, BODY) | changes


def test_t81_both_signatures_hold_and_one_of_several_is_enough(receiver: ModuleType) -> None:
    """81: ``v1`` by the secret, ``v1a`` by the public key alone: an agency of the latter kind holds nothing secret."""
    hmac_keys, public_keys = (
        receiver.Keys.read(SECRET, None),
        receiver.Keys.read(None, "whpk_" + base64.b64encode(PUBLIC).decode()),
    )
    good = signed()
    several = good | {"webhook-signature": f"v1,AAAA {good['webhook-signature']} v9,x"}

    assert REFERRAL == receiver.verify(hmac_keys, good, BODY, NOW)
    assert REFERRAL == receiver.verify(hmac_keys, several, BODY, NOW)
    assert REFERRAL == receiver.verify(public_keys, signed(key="signing_key"), BODY, NOW)


V1 = signed()["webhook-signature"]
V1A = signed(key="signing_key")["webhook-signature"]


@pytest.mark.parametrize(
    ("changes", "now", "status"),
    [
        ({}, NOW + 360, 401),
        ({}, NOW - 360, 401),
        ({"webhook-signature": "v1," + V1A[4:]}, NOW, 401),
        ({"webhook-signature": "v1a," + V1[3:]}, NOW, 401),
        ({"webhook-signature": " ".join([V1] * 17)}, NOW, 401),
        ({"webhook-signature": " ".join([V1] * 1_000)}, NOW, 401),
        ({"webhook-signature": "v1," + "A" * 44}, NOW, 401),
        ({"webhook-signature": "v1,åäö"}, NOW, 401),
        ({"webhook-signature": ""}, NOW, 401),
        ({"webhook-id": str(uuid4())}, NOW, 401),
        ({"webhook-id": "not an id"}, NOW, 400),
        ({"webhook-timestamp": "now"}, NOW, 400),
    ],
)
def test_t81_replays_and_forgeries_are_refused(
    receiver: ModuleType, changes: dict[str, str], now: float, status: int
) -> None:
    """81: too old, too new, the other scheme's bytes, too many, another id: refused with a status."""
    with pytest.raises(receiver.Refused) as refused:
        receiver.verify(receiver.Keys.read(SECRET, None), signed() | changes, BODY, now)

    assert status == refused.value.args[0]


def test_a_changed_body_is_refused(receiver: ModuleType) -> None:
    """The signature covers every byte."""
    with pytest.raises(receiver.Refused):
        receiver.verify(receiver.Keys.read(SECRET, None), signed(), BODY + b" ", NOW)


def test_it_runs_as_a_program_and_says_where(tmp_path: Path) -> None:
    """``python deploy/receiver/receiver.py`` prints its address; without a key it says what to do."""
    environment = {**os.environ, "VIDARE_PORT": "0"}
    environment.pop("VIDARE_DEMO_WEBHOOK_SECRET", None)
    without = subprocess.run([sys.executable, FILE], env=environment, capture_output=True, text=True, check=False)
    command = [sys.executable, str(FILE), "--inbox", str(tmp_path / "inbox.db")]
    with subprocess.Popen(
        command, env=environment | {"VIDARE_DEMO_WEBHOOK_SECRET": "x"}, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        said = program.stdout.readline()
        program.terminate()

    assert "--secret-env" in without.stderr
    assert said.startswith("receiver at http://127.0.0.1:")
