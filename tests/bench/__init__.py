"""Benchmarks: ratios measured in one run, beside other systems doing the same work; never an absolute time."""
