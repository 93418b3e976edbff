"""Spans, metrics and logs: made after the commit, never of a tip's content."""
