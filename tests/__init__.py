"""Tests, grouped by what they may touch."""
