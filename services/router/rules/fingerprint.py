"""What a world is made of besides its rulebook, as one digest: so that a replay can say that it was another one."""

import hashlib
from collections.abc import Mapping

import orjson

from contracts.onboarding import Partner
from services.router.geography.atlas import Atlas

_OF_AGENCY = {"id", "kind", "country", "active", "test", "hold", "weight", "regions"}
_OF_PARTNER = {"id", "kind", "agency", "vetted"}


def fingerprint(atlas: Atlas, partners: Mapping[str, Partner]) -> str:
    """Digest of all that a decision may read of *atlas* and *partners*; where referrals are delivered is not in it."""
    agencies = atlas.agencies
    parts = [
        atlas.home,
        sorted(repr(row) for row in atlas.registry.rows.values()),
        [agencies.records[name].model_dump(mode="json", include=_OF_AGENCY) for name in sorted(agencies.records)],
        sorted(agencies.hold_countries),
        sorted(atlas.live),
        [partners[name].model_dump(mode="json", include=_OF_PARTNER) for name in sorted(partners)],
    ]
    return f"sha256:{hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()}"
