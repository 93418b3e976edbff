"""What each profile may read, held against the bytes."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.referral import Referral
from contracts.vocabulary import Action, Priority
from services.notifier.documents.masking import MASK, without_credentials
from services.notifier.documents.render import CONTACT_WITHHELD, render
from tests.support.notifier_world import SECRETS, a_referral, an_agency, full_content

PROOF = "http://127.0.0.1:8105/v1/tips/x/bundle"
MASKED_URL = "https://***@host.example/a/b?id=7"

ALLOWED = {
    "police": set(SECRETS),
    "interpol-ncb": set(SECRETS),
    "hotline": {"second_url", "hosting", "hash"},
    "interpol-iccam": {"second_url", "hosting", "hash"},
    "provider": set(),
}


def bytes_for(profile: str, **changes: Any) -> bytes:
    """The document of the full referral in *profile*."""
    return render(a_referral(**changes), an_agency(profile=profile), proof=PROOF)


@pytest.mark.parametrize("profile", ALLOWED)
def test_e85_a_profile_shows_what_it_may_and_nothing_else(profile: str) -> None:
    """E85: what a destination may not have is not in the bytes."""
    raw = bytes_for(profile).decode()

    assert {name for name, value in SECRETS.items() if value in raw} == ALLOWED[profile]


@pytest.mark.parametrize("profile", ALLOWED)
def test_every_document_is_a_valid_referral_with_its_proof(profile: str) -> None:
    """Whatever is left out, the document reads back as ``referral/1``."""
    read = Referral.model_validate_json(bytes_for(profile))

    assert ("referral/1", PROOF, "hotline-nl") == (read.schema_, read.custody.proof, read.destination)


@pytest.mark.parametrize(
    ("profile", "withheld"),
    [
        ("police", set()),
        (
            "hotline",
            {"people", "place", "narrative", "urgency_reason", "reporter", "known_to", "addresses", "accounts"},
        ),
        ("provider", {"people", "narrative", "reporter", "urls", "addresses", "hashes", "accounts", "labels"}),
    ],
)
def test_what_is_withheld_is_named(profile: str, withheld: set[str]) -> None:
    """A reader knows that there is more than it may see."""
    named = set(orjson.loads(bytes_for(profile))["withheld"])

    assert withheld <= named
    assert named == withheld or profile == "provider"


@pytest.mark.parametrize("profile", ["hotline", "interpol-iccam", "provider"])
def test_e08_credentials_in_urls_are_masked_outside_the_police(profile: str) -> None:
    """E08: user name and password reach police only; the rest of the URL is as sent."""
    raw = bytes_for(profile).decode()

    assert "hunter2" not in raw
    assert "user:" not in raw
    assert MASKED_URL in raw
    assert SECRETS["url"] in bytes_for("police").decode()


@pytest.mark.parametrize("profile", ALLOWED)
def test_e06_a_contact_without_consent_is_in_no_bytes(profile: str) -> None:
    """E06: the contact never leaves, and the police copy says that there is one."""
    raw = bytes_for(profile, share_with_police=False).decode()

    assert SECRETS["contact"] not in raw
    assert (CONTACT_WITHHELD in raw) == (profile in {"police", "interpol-ncb"})
    assert "reporter" in orjson.loads(raw)["withheld"]


@pytest.mark.parametrize("profile", ALLOWED)
def test_e05_an_anonymous_tip_has_no_reporter_anywhere(profile: str) -> None:
    """E05: no contact was given, so nothing is shown and nothing is withheld."""
    content = full_content().model_copy(update={"reporter": None})
    read = orjson.loads(bytes_for(profile, content=content))

    assert read["reporter"] is None
    assert "reporter" not in read["withheld"]


@pytest.mark.parametrize("profile", ALLOWED)
def test_nobody_learns_who_else_received_the_tip(profile: str) -> None:
    """No other agency is named; what the sender said of known cases goes to police only."""
    read = orjson.loads(bytes_for(profile, known_to=()))
    text = orjson.dumps({key: value for key, value in read.items() if key != "destination"}).decode()

    assert not [name for name in ("police-", "hotline-", "interpol-", "europol", "takedown-") if name in text]


def test_a_withdrawal_repeats_no_content() -> None:
    """Taking back a referral discloses nothing again."""
    raw = bytes_for("police", action=Action.WITHDRAWN, priority=Priority.P0).decode()

    assert not [name for name, value in SECRETS.items() if value in raw]
    assert "withdrawn" == orjson.loads(raw)["action"]


def test_text_reaches_police_byte_for_byte() -> None:
    """Markup, control characters and other scripts come out as they went in."""
    text = "<script>\u202e {{7*7}} \x00\r\nBcc: x \U0001f600 'q' %s%n åäö"
    content = full_content().model_copy(update={"narrative": text})

    assert text == orjson.loads(bytes_for("police", content=content))["narrative"]


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://u:pw@host.example/", "http://***@host.example/"),
        ("http://u@host.example/p@q?x=a@b", "http://***@host.example/p@q?x=a@b"),
        ("http://a@b:pw@host.example", "http://***@host.example"),
        ("hxxp[:]//u:pw@host.example/", "hxxp[:]//***@host.example/"),
        ("HTTP:\\\\u:pw@host.example\\x", "HTTP:\\\\***@host.example\\x"),
        ("//u:pw@host.example/", "//***@host.example/"),
        ("u:pw@host.example/x", "***@host.example/x"),
        ("http:u:pw@host.example/x", "***@host.example/x"),
        ("http:/\t/u:pw@host.example/", "http:/\t/***@host.example/"),
        ("https://host.example/@someone", "https://host.example/@someone"),
        ("https://host.example/?mail=a@b.example", "https://host.example/?mail=a@b.example"),
        ("http://u:pw\uff20host.example/", "http://***@host.example/"),
    ],
)
def test_masking_takes_the_credentials_and_leaves_the_rest(url: str, masked: str) -> None:
    """Every spelling of an authority with credentials, and none where an ``@`` is elsewhere."""
    assert masked == without_credentials(url)


@given(user=st.text(st.characters(exclude_characters="/\\?#@\uff20\ufe6b"), max_size=20), rest=st.text(max_size=20))
def test_no_credentials_survive_masking(user: str, rest: str) -> None:
    """Whatever stands before the ``@``, nothing of it is left."""
    shown = without_credentials(f"https://{user}:hunter2@host.example/{rest}")

    assert f"{MASK}@host.example/{rest}" == shown.removeprefix("https://").lstrip()
