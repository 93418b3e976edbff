"""``vidare conformance URL``: play the mesh against an agency's webhook, and say what to do where a case fails."""

import asyncio
import base64
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from contracts.onboarding import WebhookChannel
from services.chassis.errors import Misconfigured
from services.cli import output
from services.cli.progress import progress
from services.cli.wronguse import WrongUse
from services.notifier.conformance.cases import CASES
from services.notifier.conformance.documents import Documents, Run, Seal
from services.notifier.conformance.forging import Keys, check_keys
from services.notifier.conformance.judging import Finding, Verdict
from services.notifier.conformance.playing import Target, check_target, play
from services.notifier.documents.locks import lock_at

_NO = 1
_WORDS = {Verdict.PASS: "pass", Verdict.FAIL: "FAIL", Verdict.ADVICE: "advice", Verdict.NOT_PLAYED: "-"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    url: str
    secret_env: str | None = None
    signing_key_env: str | None = None
    agency: str | None = None
    ca: Path | None = None
    encrypt_to: Path | None = None
    timeout_s: float = 15
    allow_loopback: bool = False


def run(wish: Wish, *, json: bool = False) -> int:
    """
    Play every case; 1 if one that is required fails.

    Raises:
        WrongUse: The address is none that the mesh would call, or no key is given.
    """
    target = _target(wish)
    drawn = uuid4()
    made = Run(drawn, datetime.now(UTC), wish.agency or f"conformance-{drawn.hex[:8]}")
    found = asyncio.run(_play(Documents(made, CASES, _seal(wish.encrypt_to)), target))
    if json:
        output.as_json(_summary(found) | {"cases": [asdict(each) for each in found]})
    else:
        _print(found)
    return _NO if any(each.verdict in (Verdict.FAIL, Verdict.NOT_PLAYED) for each in found) else 0


def new_keys(*, json: bool = False) -> int:
    """Draw keys for a test of an endpoint: the mesh's end and the receiver's."""
    key = Ed25519PrivateKey.generate()
    made = {
        "VIDARE_TEST_SECRET": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "VIDARE_TEST_SIGNING_KEY": "whsk_" + base64.b64encode(key.private_bytes_raw()).decode(),
        "VIDARE_TEST_PUBLIC_KEY": "whpk_" + base64.b64encode(key.public_key().public_bytes_raw()).decode(),
    }
    if json:
        output.as_json(made)
    else:
        for name, value in made.items():
            output.line(f"export {name}={value}")
    return 0


def _target(wish: Wish) -> Target:
    if wish.ca is not None and not wish.ca.is_file():
        raise WrongUse(f"--ca {wish.ca} is no file; give the certificates to trust as PEM")
    try:
        hook = WebhookChannel(url=wish.url, timeout_s=wish.timeout_s, ca=str(wish.ca) if wish.ca else None)
        keys = Keys(_named(wish.secret_env), _named(wish.signing_key_env))
        check_keys(keys)
        target = Target(hook, keys, loopback=wish.allow_loopback)
        check_target(target)
    except ValidationError as error:
        wrong = ", ".join(str(each["loc"][0]) for each in error.errors())
        raise WrongUse(f"cannot call that: {wrong}; give an address like https://host.example/path") from None
    except Misconfigured as error:
        raise WrongUse(str(error)) from None
    return target


def _seal(path: Path | None) -> Seal:
    """Documents go sealed where the receiver's public key is given."""
    if path is None:
        return bytes
    try:
        return lock_at(f"--encrypt-to {path}", path).seal
    except Misconfigured as error:
        raise WrongUse(str(error)) from None


def _named(variable: str | None) -> str | None:
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise WrongUse(f"the environment variable {variable} is not set; it must hold the key")
    return value


async def _play(documents: Documents, target: Target) -> list[Finding]:
    found = []
    playing: AsyncIterator[Finding] = play(CASES, documents, target, lambda: datetime.now(UTC))
    with progress("playing the mesh", len(CASES)) as advance:
        async for finding in playing:
            found.append(finding)
            advance(1)
    return found


def _summary(found: list[Finding]) -> dict[str, int]:
    return {word.value: sum(each.verdict is word for each in found) for word in Verdict}


def _print(found: list[Finding]) -> None:
    for each in found:
        output.line(f"{_WORDS[each.verdict]:7} {each.case:20} {each.says}")
    counted = _summary(found)
    output.line(
        f"{counted[Verdict.PASS]} pass, {counted[Verdict.FAIL]} fail, {counted[Verdict.ADVICE]} with advice"
        + (f", {counted[Verdict.NOT_PLAYED]} not played" if counted[Verdict.NOT_PLAYED] else "")
    )
