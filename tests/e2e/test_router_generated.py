"""Tips of every sort through the decisions of intake, geolocate and router: each ends as the design says."""

import os
import resource
import sys
import time
from collections import Counter

import pytest

from tests.support.flood import ENDS, Line, run

TIPS = 20_000
MANY = 1_000_000


def check(line: Line, count: int) -> None:
    """Every tip was taken and ended: destinations, px with a reason, a sighting, or a person; each of them occurs."""
    assert line.wrong == []
    assert line.refused == {}
    assert sum(line.ends[end] for end in (*ENDS, "repeat")) >= count
    assert {end for end in ENDS if line.ends[end] < count // 200} == set()


@pytest.mark.timeout(300)
def test_twenty_thousand_tips_end_as_the_design_says() -> None:
    """No exception, nobody who was decided got nothing, a person was asked exactly where the decision says so."""
    check(run(TIPS, seed=1), TIPS)


@pytest.mark.long
@pytest.mark.timeout(10_800)
@pytest.mark.skipif(os.environ.get("VIDARE_LONG") != "on", reason="half an hour; `make long` runs it")
def test_a_million_tips_end_as_the_design_says() -> None:
    """The same in chunks, each with a seed and stores of its own; the memory of the second chunk is enough for all."""
    began, ends, held = time.monotonic(), Counter[str](), 0.0
    for chunk in range(MANY // TIPS):
        ends += _chunk(1000 + chunk)
        if chunk == 1:
            held = peak_mib()
        done = (chunk + 1) * TIPS
        rate = done / (time.monotonic() - began)
        told = f"{done} of {MANY} tips, {rate:.0f} a second, {peak_mib():.0f} MiB, {dict(ends)}"
        sys.stderr.write(f"{told}, {(MANY - done) / rate / 60:.0f} min left\n")
        sys.stderr.flush()
    assert sum(ends.values()) >= MANY
    assert peak_mib() < held * 1.25


def _chunk(seed: int) -> Counter[str]:
    """How the tips of one chunk ended; nothing else of it is kept."""
    line = run(TIPS, seed=seed)
    check(line, TIPS)
    return line.ends


def peak_mib() -> float:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
