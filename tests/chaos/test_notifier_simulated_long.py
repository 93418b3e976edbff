"""Ten thousand stories of the whole schedule; the first 500 are in every test run (test_notifier_simulated)."""

import pytest

from tests.support.notifier_story import Story

SEEDS = 10_000
CHUNK = 500


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_nothing_is_discarded_in_ten_thousand_stories(first: int) -> None:
    """E69, E70, E83: every rule of the schedule at every moment, every referral delivered or over at the end."""
    found = [f"seed {seed}: {wrong}" for seed in range(first, first + CHUNK) for wrong in Story(seed).run().wrong]

    assert found == []
