"""``vidare conformance``: passes the reference receiver, and fails each wrong receiver at its own cases."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import ECKey

from contracts.onboarding import WebhookChannel
from services.chassis.settings import ROOT
from services.notifier.conformance.cases import CASES
from services.notifier.conformance.documents import Documents, Run
from services.notifier.conformance.forging import Keys
from services.notifier.conformance.judging import Finding, Verdict
from services.notifier.conformance.playing import Target, play
from tests.support import conformance_receivers as wrong
from tests.support.conformance_receivers import fresh_module, serving

SECRET = "whsec_" + base64.b64encode(b"c" * 32).decode()
KEY = Ed25519PrivateKey.from_private_bytes(b"d" * 32)
SIGNING_KEY = "whsk_" + base64.b64encode(b"d" * 32).decode()
PUBLIC = "whpk_" + base64.b64encode(KEY.public_key().public_bytes_raw()).decode()

NAMES = {case.name for case in CASES}
FEED = {"feed_gap_reported", "feed_skipped", "feed_chain_reported"}
TAKING = {case.name for case in CASES if any(call.want == "taken" for call in case.calls)}
SIGNED = {"bad_signature", "stranger_v1a", "swapped_schemes", "refused_then_good"}


async def findings(url: str, keys: Keys) -> list[Finding]:
    """What the kit says of *url*."""
    drawn = uuid4()
    documents = Documents(Run(drawn, datetime.now(UTC), f"conformance-{drawn.hex[:8]}"), CASES)
    target = Target(WebhookChannel(url=url, timeout_s=10), keys, loopback=True, pause_s=0.02)
    return [each async for each in play(CASES, documents, target, lambda: datetime.now(UTC))]


def failing(found: list[Finding], verdict: Verdict = Verdict.FAIL) -> set[str]:
    """Names of the cases that ended so."""
    assert NAMES == {each.case for each in found}
    return {each.case for each in found if each.verdict is verdict}


@pytest.mark.parametrize("held", [(SECRET, None), (None, PUBLIC), (SECRET, PUBLIC)])
@pytest.mark.parametrize("signed", [Keys(SECRET, SIGNING_KEY), None])
async def test_the_reference_receiver_passes_every_case(held: tuple[str, str], signed: Keys | None) -> None:
    """With the secret, with the public key, with both; and the mesh may sign with more than the receiver knows."""
    module = fresh_module()
    keys = signed or Keys(SECRET if held[0] else None, SIGNING_KEY if held[1] else None)
    with serving(module, module.Keys.read(*held)) as url:
        found = await findings(url, keys)

    assert NAMES == failing(found, Verdict.PASS)


WRONG: list[tuple[Callable[[Any], None], set[str]]] = [
    (wrong.believes_every_signature, SIGNED),
    (wrong.tries_every_scheme, {"swapped_schemes"}),
    (wrong.takes_the_first_signature_only, {"several_signatures"}),
    (wrong.has_no_cap, {"thousand_signatures"}),
    (wrong.never_looks_at_the_time, {"stale_timestamp", "future_timestamp", "replay_after_hours"}),
    (wrong.believes_the_future, {"future_timestamp"}),
    (wrong.needs_no_timestamp, {"missing_headers"}),
    (wrong.knows_ids_before_signatures, {"replay_after_hours"}),
    (wrong.doubles, {"same_again", "at_the_same_time", "other_body_same_id"}),
    (wrong.looks_before_it_inserts, {"at_the_same_time"}),
    (wrong.overwrites, {"other_body_same_id"}),
    (wrong.refuses_unknown_fields, {"unknown_fields"}),
    (wrong.knows_new_only, {"update", "withdrawn", "sightings", "update_of_unknown"}),
    (wrong.needs_what_is_replaced, {"update_of_unknown"}),
    (wrong.refuses_gaps, {"feed_gap_taken", *FEED}),
    (wrong.has_a_small_limit, {"large_body"}),
    (wrong.reads_once, {"large_body", "slow_body"}),
    (wrong.looks_at_the_case_of_headers, {"header_case"}),
    (wrong.answers_before_it_has_read, {"refused_then_good"}),
    (
        wrong.fails_on_what_it_refuses,
        SIGNED | {"thousand_signatures", "stale_timestamp", "future_timestamp", "replay_after_hours"},
    ),
    (wrong.acknowledges_without_a_number, TAKING - FEED),
    (wrong.redirects, TAKING),
    (wrong.says_nothing, set()),
    (wrong.says_nothing_of_its_feed, set()),
]


@pytest.mark.parametrize(("spoil", "cases"), WRONG, ids=[spoil.__name__ for spoil, _ in WRONG])
async def test_a_wrong_receiver_fails_at_its_case_and_at_no_other(
    spoil: Callable[[Any], None], cases: set[str]
) -> None:
    """Each is wrong in one way, and the kit says which."""
    module = fresh_module()
    spoil(module)
    with serving(module, module.Keys.read(SECRET, None)) as url:
        found = await findings(url, Keys(SECRET))

    assert cases == failing(found)


@pytest.mark.parametrize(
    ("spoil", "cases"),
    [
        (wrong.says_nothing_of_its_feed, FEED),
        (wrong.counts_skipped_as_missing, {"feed_skipped", "feed_chain_reported"}),
    ],
)
async def test_what_is_recommended_is_advice_and_no_failure(spoil: Callable[[Any], None], cases: set[str]) -> None:
    """A receiver that does not follow its feed passes, and is told what it cannot see."""
    module = fresh_module()
    spoil(module)
    with serving(module, module.Keys.read(SECRET, None)) as url:
        found = await findings(url, Keys(SECRET))

    assert (set(), cases) == (failing(found), failing(found, Verdict.ADVICE))


def kit(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an engineer does."""
    command = [sys.executable, "-m", "services.cli", "conformance", *arguments]
    env = {**os.environ, "SECRET": SECRET, "KEY": SIGNING_KEY, "PUBLIC": PUBLIC, **environment}
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def program(*arguments: str) -> Iterator[str]:
    """The reference receiver as its own program; gives an agency's address."""
    command = [sys.executable, str(wrong.FILE), "--port", "0", *arguments]
    env = {**os.environ, "SECRET": SECRET, "PUBLIC": PUBLIC}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        yield running.stdout.readline().split()[-1].replace("<id>", "hotline-nl")
        running.terminate()


@pytest.mark.timeout(120)
def test_the_command_plays_both_schemes_and_says_so_to_programs(tmp_path: Path) -> None:
    """Exit 0, one finding for each case, and the receiver is left with one row for each referral that it took."""
    inbox = tmp_path / "inbox.db"
    with program("--secret-env", "SECRET", "--public-key-env", "PUBLIC", "--inbox", str(inbox)) as url:
        both = kit(url, "--secret-env", "SECRET", "--signing-key-env", "KEY", "--allow-loopback", "--json")
        told = json.loads(both.stdout)

    assert (0, "") == (both.returncode, both.stderr)
    assert (len(CASES), 0, 0, 0) == tuple(told[word] for word in ("pass", "fail", "advice", "not_played"))
    assert [case.name for case in CASES] == [each["case"] for each in told["cases"]]
    assert inbox.exists()


@pytest.mark.timeout(120)
def test_documents_come_sealed_where_the_agency_gave_its_key(tmp_path: Path) -> None:
    """The receiver opens them with its private key; with another key it refuses, and every case says so."""
    keys = {name: ECKey.generate_key("P-256", private=True) for name in ("ours", "other")}
    for name, key in keys.items():
        (tmp_path / f"{name}.jwk").write_text(json.dumps(key.as_dict(private=True)))
        (tmp_path / f"{name}.pub").write_text(json.dumps(key.as_dict(private=False)))
    given = ("--secret-env", "SECRET", "--allow-loopback", "--json", "--encrypt-to")
    with program("--secret-env", "SECRET", "--private-key", str(tmp_path / "ours.jwk")) as url:
        opened = json.loads(kit(url, *given, str(tmp_path / "ours.pub")).stdout)
        closed = json.loads(kit(url, *given, str(tmp_path / "other.pub")).stdout)
        private = kit(url, *given, str(tmp_path / "ours.jwk"))

    assert [] == [each["says"] for each in opened["cases"] if each["verdict"] != "pass"]
    assert "answered 422" in closed["cases"][0]["says"]
    assert (2, True) == (private.returncode, "private key" in private.stderr)


@pytest.mark.timeout(120)
def test_a_receiver_that_fails_is_said_in_words_and_by_the_exit_code() -> None:
    """Each failing line says what happened and what to do; exit 1."""
    with program("--secret-env", "SECRET", "--mode", "fail") as url:
        done = kit(url, "--secret-env", "SECRET", "--allow-loopback")

    first = done.stdout.splitlines()[0]
    assert 1 == done.returncode
    assert first.startswith("FAIL    valid_referral")
    assert "answered 500 where 2xx is due. Answer 2xx once it is stored" in first


@pytest.mark.timeout(60)
def test_nobody_listening_ends_at_once() -> None:
    """Exit 1 after the first case; the others are not played."""
    done = kit("http://127.0.0.1:1/", "--secret-env", "SECRET", "--allow-loopback", "--json")
    told = json.loads(done.stdout)

    assert (1, 1, len(CASES) - 1) == (done.returncode, told["fail"], told["not_played"])


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "which endpoint?"),
        (("http://host.example/", "--secret-env", "SECRET"), "without TLS"),
        (("http://host.example/", "--secret-env", "SECRET", "--allow-loopback"), "without TLS"),
        (("http://127.0.0.1:1/", "--secret-env", "SECRET"), "without TLS"),
        (("ftp://host.example/", "--secret-env", "SECRET"), "cannot call that: url"),
        (("https://host.example/",), "name a key"),
        (("https://host.example/", "--secret-env", "UNSET"), "UNSET is not set"),
        (("https://host.example/", "--signing-key-env", "SECRET"), "signing_key must be"),
        (("https://host.example/", "--secret-env", "SECRET", "--ca", "/nowhere"), "--ca /nowhere is no file"),
        (("https://host.example/", "--timeout", "0"), "timeout"),
    ],
)
def test_wrong_use_is_exit_2_with_what_to_do(arguments: tuple[str, ...], says: str) -> None:
    """Nothing is sent, and least of all without TLS."""
    done = kit(*arguments)

    assert 2 == done.returncode
    assert says in done.stderr


@pytest.mark.timeout(60)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "[::1]", "192.0.2.7"])
def test_a_reserved_address_is_never_called(address: str) -> None:
    """The kit is held to the same guard as the channel."""
    done = kit(f"https://{address}/", "--secret-env", "SECRET", "--json")
    first = json.loads(done.stdout)["cases"][0]

    assert 1 == done.returncode
    assert "refused_address" in first["says"]


def test_new_keys_fit_each_other() -> None:
    """What it draws is what both ends take."""
    drawn = json.loads(kit("--new-keys", "--json").stdout)
    module = fresh_module()
    with serving(module, module.Keys.read(drawn["VIDARE_TEST_SECRET"], drawn["VIDARE_TEST_PUBLIC_KEY"])) as url:
        found = asyncio.run(findings(url, Keys(None, drawn["VIDARE_TEST_SIGNING_KEY"])))

    assert set() == failing(found)
