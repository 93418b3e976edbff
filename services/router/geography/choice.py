"""
One hotline among several of a country: by weight, and always the same for the same domain.

Weighted rendezvous hashing: when one hotline leaves, only its own domains move.
"""

import hashlib
import math
from collections.abc import Sequence

from contracts.onboarding import Agency

_SCALE = float(2**64)


def choose(hotlines: Sequence[Agency], country: str, domain: str) -> Agency:
    """The hotline of *hotlines* (not empty) that answers for *domain* in *country* (R10)."""
    if len(hotlines) == 1:
        return hotlines[0]
    weighted = [hotline for hotline in hotlines if hotline.weight] or list(hotlines)
    return max(weighted, key=lambda hotline: (_score(hotline, country, domain), hotline.id))


def _score(hotline: Agency, country: str, domain: str) -> float:
    digest = hashlib.sha256(f"{country}/{domain}/{hotline.id}".encode()).digest()
    share = (int.from_bytes(digest[:8], "big") + 1) / (_SCALE + 2)
    return (hotline.weight or 1) / -math.log(share)
