"""From a decision to what follows: versions, groups, rows, outcomes, reviews."""
