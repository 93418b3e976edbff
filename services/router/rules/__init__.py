"""The rulebook: read, proven, compared, heard, exchanged."""
