"""The same hop in other systems; programs of our own for a side-by-side run."""
