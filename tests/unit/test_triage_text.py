"""What free text may raise."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.triage import language_unknown, text_signals


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Övergreppet pågår just nu i en lägenhet.", ("U1",)),
        ("Någon livesänder från en telefon", ("U1",)),
        ("PÅGÅR  JUST\nNU", ("U1",)),
        ("pa\u030ag\u00e5r just nu", ("U1",)),
        ("på\u200bgår just\u00a0nu!", ("U1",)),
        ("This is happening right now", ("U1",)),
        ("They are live-streaming now", ("U1",)),
        ("he has arranged to meet the child", ("U2",)),
        ("De ska träffas imorgon kväll", ("U2",)),
        ("she writes about suicide", ("U3",)),
        ("barnet vill dö", ("U3",)),
        ("suicide, and it is happening now", ("U1", "U3")),
        ("I saw this last year on a page", ()),
        ("the pagination is right nowhere", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_e04_phrases_raise(text: str | None, codes: tuple[str, ...]) -> None:
    """E04: Swedish and English phrases are found in any case and spacing, as whole words only."""
    assert text_signals(text) == codes


def test_a_phrase_does_not_span_two_texts() -> None:
    """Words of two separate fields are never read as one phrase."""
    assert text_signals("it is happening", "right now and then") == ("U1",)
    assert text_signals("they are happening", "now") == ()


@given(text=st.text(), more=st.text())
def test_more_text_never_takes_a_code_away(text: str, more: str) -> None:
    """A text beside another one only adds codes, and none raises an error."""
    assert set(text_signals(text)) <= set(text_signals(text, more))


@pytest.mark.parametrize(
    ("language", "unknown"),
    [
        (None, False),
        ("", False),
        ("und", False),
        ("sv", False),
        ("sv-SE", False),
        ("EN", False),
        ("de", True),
        ("pt-BR", True),
    ],
)
def test_a_language_without_a_list_is_known_as_such(language: str | None, unknown: bool) -> None:
    """Only a language that is named, and has no list, is unknown."""
    assert language_unknown(language) is unknown


def test_a_text_at_the_limit_takes_milliseconds() -> None:
    """The time is linear in the text, whatever it repeats."""
    begun = time.perf_counter()
    for piece in ("just nu ", "a", "pågår ", "\u0301", "- "):
        text_signals(piece * (200_000 // len(piece)))
    assert time.perf_counter() - begun < 5
