"""Benchmarks: ratios measured in one run, beside other systems doing the same work. Never an absolute time as a test."""
