"""How the calls of a run are signed, rightly and wrongly; every signature is made by the channel's own signing."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from contracts.onboarding import WebhookChannel
from services.chassis.errors import Misconfigured
from services.notifier.channels import signing
from services.notifier.conformance.case import Call, Sign

SIGNATURE = "webhook-signature"
CAP = 16
MANY = 1000
_SECRET, _KEY = "env:SECRET", "env:KEY"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the mesh signs with; at least one of both."""

    secret: str | None = None
    signing_key: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What is signed."""

    referral: UUID
    at: datetime
    body: bytes


def check_keys(keys: Keys) -> None:
    """
    Refuse keys that nothing can be signed with.

    Raises:
        Misconfigured: There is none, or one is none; says what to do.
    """
    if not keys.secret and not keys.signing_key:
        raise Misconfigured(
            "name a key: --secret-env for v1, --signing-key-env for v1a, or both; `vidare conformance --new-keys` "
            "draws some for a test"
        )
    _headers(keys, Sent(UUID(int=0), datetime.fromtimestamp(0, UTC), b""))


def headers_of(call: Call, keys: Keys, sent: Sent) -> dict[str, str]:
    """
    The three headers of *call*, as it wants them.

    Raises:
        Misconfigured: A key is none.
    """
    sent = Sent(sent.referral, sent.at - timedelta(seconds=call.age_s), sent.body)
    made = _headers(keys, sent)
    made[SIGNATURE] = _signature(call.sign, keys, sent)
    if call.without is not None:
        del made[call.without]
    return {name.title(): value for name, value in made.items()} if call.title_case else made


def _headers(keys: Keys, sent: Sent) -> dict[str, str]:
    hook = WebhookChannel(
        url="https://host.example/",
        secret=_SECRET if keys.secret else None,
        signing_key=_KEY if keys.signing_key else None,
    )
    held = {_SECRET: keys.secret or "", _KEY: keys.signing_key or ""}
    return signing.headers(hook, held.__getitem__, sent.referral, sent.at, sent.body)


def _sign(keys: Keys, sent: Sent) -> str:
    return _headers(keys, sent)[SIGNATURE]


def _signature(sign: Sign, keys: Keys, sent: Sent) -> str:
    good = _sign(keys, sent)
    others = {
        Sign.GOOD: good,
        Sign.GOOD_AMONG_OTHERS: f"{_noise(sent, 0)} v9,of-tomorrow {good}",
        Sign.GOOD_LAST_OF_SIXTEEN: _padded(good, sent, CAP),
        Sign.GOOD_LAST_OF_THOUSAND: _padded(good, sent, MANY),
        Sign.RANDOM: _noise(sent, 0),
        Sign.NOTHING: "",
    }
    if sign in others:
        return others[sign]
    return _wrong(sign, keys, sent)


def _wrong(sign: Sign, keys: Keys, sent: Sent) -> str:
    """A signature made by the rules, over something else or with another key."""
    stranger = _stranger(sent)
    if sign in (Sign.V1_HOLDS_V1A, Sign.V1A_HOLDS_V1):
        return _swapped(sign, keys, sent)
    if sign is Sign.STRANGER:
        return _sign(Keys(keys.secret and stranger.secret, keys.signing_key and stranger.signing_key), sent)
    if sign is Sign.STRANGER_V1A:
        return _sign(Keys(None, stranger.signing_key), sent)
    other = {
        Sign.OTHER_BODY: Sent(sent.referral, sent.at, sent.body + b" "),
        Sign.OTHER_ID: Sent(uuid5(sent.referral, "another"), sent.at, sent.body),
        Sign.OTHER_TIME: Sent(sent.referral, sent.at - timedelta(seconds=60), sent.body),
    }
    return _sign(keys, other[sign])


def _swapped(sign: Sign, keys: Keys, sent: Sent) -> str:
    """The bytes of one scheme under the name of the other; with the mesh's own key where there is one."""
    stranger = _stranger(sent)
    if sign is Sign.V1_HOLDS_V1A:
        made = _sign(Keys(None, keys.signing_key or stranger.signing_key), sent)
        return "v1," + made.removeprefix("v1a,")
    made = _sign(Keys(keys.secret or stranger.secret, None), sent)
    return "v1a," + made.removeprefix("v1,")


def _stranger(sent: Sent) -> Keys:
    """Keys that nobody was given."""
    seed = hashlib.sha256(b"stranger" + sent.referral.bytes).digest()
    encoded = base64.b64encode(seed).decode()
    return Keys("whsec_" + encoded, signing.PRIVATE_PREFIX + encoded)


def _noise(sent: Sent, number: int) -> str:
    """A signature in the right form that holds for nothing."""
    seed = hashlib.sha256(b"noise" + sent.referral.bytes + str(number).encode()).digest()
    return f"v1,{base64.b64encode(seed).decode()}"


def _padded(good: str, sent: Sent, length: int) -> str:
    signatures = good.split(" ")
    return " ".join([_noise(sent, number) for number in range(length - len(signatures))] + signatures)
