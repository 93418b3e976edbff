"""
How the C library hands memory back: a hop's buffers of a megabyte come and go, and must not stay as holes in the heap.

Measured on the geolocate hop under full load, one run each on a busy machine: 126
MiB resident without this, 117 with it, at 2 to 5 us more of the processor per
record. Smaller thresholds (0.6 MB, 0.13 MB) cost 13 to 22 us in the kernel.
Other C libraries than glibc are left alone.
"""

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Names of glibc's ``mallopt``."""

_SETTINGS = {
    _ARENA_MAX: 1,  # the span thread allocates with us: a heap of its own would keep what it held at its busiest
    _MMAP_THRESHOLD: 2_000_000,  # set, it no longer grows by itself
    _TRIM_THRESHOLD: 4_000_000,
}


def hand_back() -> None:
    """Ask for it, once, before threads start."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for name, value in _SETTINGS.items():
            library.mallopt(name, value)
