"""
Which tips that no agency gets are looked at by a person all the same: one in twenty, always the same ones.

What rules close without a referral is where a mistake would stay unseen.
"""

import hashlib
from uuid import UUID

QA_SAMPLE = "qa_sample"
"""Reason of such a question, beside the ids of rules."""

SHARE = 0.05


def sampled(tip: UUID) -> bool:
    """Tell whether *tip* is in the sample: its id decides, so that doing it again asks the same."""
    mark = int.from_bytes(hashlib.sha256(b"sample/" + tip.bytes).digest()[:8], "big")
    return mark < SHARE * 2**64
