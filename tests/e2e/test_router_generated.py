"""Tips of every sort through the decisions of intake, geolocate and router: each ends as the design says."""

import os
import sys

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
@pytest.mark.timeout(7200)
@pytest.mark.skipif(os.environ.get("VIDARE_LONG") != "on", reason="twenty minutes; `make long` runs it")
def test_a_million_tips_end_as_the_design_says() -> None:
    """The same in chunks, each with a seed and stores of its own, so that memory stays bounded."""
    for chunk in range(MANY // TIPS):
        check(run(TIPS, seed=1000 + chunk), TIPS)
        sys.stderr.write(f"{(chunk + 1) * TIPS} of {MANY} tips\n")
