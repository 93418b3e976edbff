"""Signed links: only ours open, only for what they were made for, only until their day; values only."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.notifier.answering.links import VALID, Answerable, Links, links_of

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
LINKS = Links(b"k" * 32, "https://mesh.example")
OF = Answerable("hotline-nl", UUID("5b0f3a52-9a44-5d0e-b6a1-3d4c5e1f2a70"))
AGENCIES = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,60}[a-z0-9])?", fullmatch=True)


def token(of: Answerable = OF) -> str:
    """The token of a link of today."""
    return LINKS.link(of, NOW).rpartition("/")[2]


@given(agency=AGENCIES, referral=st.uuids(), seconds=st.integers(1, 10**9))
def test_a_link_opens_what_it_was_made_for(agency: str, referral: UUID, seconds: int) -> None:
    """Agency and referral come back; one second after its end nothing does."""
    until = NOW + timedelta(seconds=seconds)
    made = LINKS.token(Answerable(agency, referral), until)

    assert Answerable(agency, referral) == LINKS.read(made, NOW)
    assert LINKS.read(made, until) is None


@given(data=st.data())
def test_a_changed_link_opens_nothing(data: st.DataObject) -> None:
    """Any character changed, left out or added, anywhere."""
    made = token()
    at = data.draw(st.integers(0, len(made) - 1))
    kept = data.draw(st.integers(0, 1))
    changed = made[:at] + data.draw(st.text(max_size=2)) + made[at + kept :]

    assert changed == made or LINKS.read(changed, NOW) is None


def test_a_link_has_one_spelling() -> None:
    """Base64 leaves bits over at the end of each part: other spellings of the same bytes open nothing."""
    head, _, tail = token().partition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelled = [f"{head[:-1]}{each}.{tail}" for each in alphabet] + [f"{head}.{tail[:-1]}{each}" for each in alphabet]

    assert [OF, OF] == [found for each in respelled if (found := LINKS.read(each, NOW)) is not None]


@given(text=st.one_of(st.text(max_size=300), st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))))
def test_garbage_opens_nothing_and_raises_nothing(text: str) -> None:
    """Whatever is in the path."""
    assert LINKS.read(text, NOW) is None


def test_another_agencys_link_cannot_be_made_of_ones_own() -> None:
    """The signature covers agency, referral and end."""
    mine, others = token(), token(Answerable("police-se", OF.referral))
    crossed = others.partition(".")[0] + "." + mine.partition(".")[2]

    assert LINKS.read(crossed, NOW) is None


def test_another_key_opens_nothing() -> None:
    """A mesh's links are its own."""
    assert Links(b"x" * 32, LINKS.base).read(token(), NOW) is None


def test_attempts_of_one_day_bring_the_same_link() -> None:
    """A message that is sent again is the same message; next day's is valid a day longer."""
    assert LINKS.link(OF, NOW) == LINKS.link(OF, NOW + timedelta(hours=14))
    assert LINKS.link(OF, NOW) != LINKS.link(OF, NOW + timedelta(hours=15))
    assert LINKS.read(token(), NOW + VALID - timedelta(days=1)) == OF


def test_the_key_is_drawn_once_and_kept(tmp_path: Path) -> None:
    """Every process of a home reads the same links, and nobody else may read the key."""
    settings = Settings(home=tmp_path)
    made = links_of(settings).link(OF, NOW)

    assert made == links_of(settings).link(OF, NOW)
    assert made.startswith("http://127.0.0.1:8104/receipts/")
    assert 0o600 == (tmp_path / "link.key").stat().st_mode & 0o777


def test_key_and_address_can_be_set(tmp_path: Path) -> None:
    """As agencies reach the door, without the slash that somebody wrote behind it."""
    links = links_of(Settings(home=tmp_path, public_url="https://mesh.example/vidare/", link_key="k" * 32))

    assert links.link(OF, NOW).startswith("https://mesh.example/vidare/receipts/")
    assert not (tmp_path / "link.key").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"link_key": "short"},
        {"public_url": "mesh.example"},
        {"public_url": "ftp://mesh.example"},
        {"public_url": "https://mesh.example/?x"},
        {"public_url": "https://mesh.example/a b"},
        {"public_url": "https://[mesh"},
    ],
)
def test_what_cannot_make_a_link_is_said_at_the_start(wrong: dict[str, Any], tmp_path: Path) -> None:
    """A key that can be guessed, an address that is none."""
    with pytest.raises(Misconfigured):
        links_of(Settings(home=tmp_path, **wrong))


def test_a_link_says_nothing_of_the_tip() -> None:
    """Agency, referral, a day, a signature."""
    assert LINKS.read(token(Answerable("hotline-nl", uuid4())), NOW) is not None
    assert len(token()) < 180
