"""The canary search can find what it looks for: otherwise a clean result would mean nothing."""

import base64
import json

import pytest

from contracts.submission import Submission
from tests.support.canary import plant, search


def test_planted_submissions_are_valid_and_all_different() -> None:
    """Each is a submission of the contract, and no word stands twice."""
    canaries = plant(20)

    for submission in canaries.submissions:
        Submission.model_validate_json(json.dumps(submission))
    assert len(canaries.words) == 20 * len(set(canaries.words.values()))


def test_every_word_is_in_the_submissions() -> None:
    """The search finds each word in the bytes that were planted, and in nothing else."""
    canaries = plant(3)

    hits = search(canaries, json.dumps(canaries.submissions).encode())

    assert {hit.word for hit in hits if hit.encoding == "plain"} == set(canaries.words)
    assert search(canaries, b"a log line of something else " * 1_000) == []


@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("how", ["plain", "upper", "hex", "base64"])
def test_a_word_is_found_however_it_is_written(how: str, shift: int) -> None:
    """Capitals, hex and base64 at any alignment do not hide a word."""
    canaries = plant(1)
    for word in canaries.words:
        raw = b"x" * shift + word.encode() + b"y"
        written = {"plain": raw, "upper": raw.upper(), "hex": raw.hex().encode(), "base64": base64.b64encode(raw)}[how]

        assert word in {hit.word for hit in search(canaries, b"before " + written + b" after")}


def test_free_fields_have_no_canary() -> None:
    """The sender's reference may be left out: it belongs into its own status topic."""
    assert "reference" not in set(plant(2, free=["reference"]).words.values())
