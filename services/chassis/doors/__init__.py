"""What all doors share: serving, refusals, counts, the way to an inbox."""
