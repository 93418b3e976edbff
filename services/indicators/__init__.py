"""URLs, addresses and hashes as understood: pure, bounded, never a look-up, never a fetch."""
