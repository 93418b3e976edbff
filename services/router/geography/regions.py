"""
Which police region a routine tip goes to (R38): the one it names, else a fair share for each.

Two ways to spread: by the tip's id, which needs no memory, and to the region
that is furthest behind its share, which the hop uses because it can count.
"""

import hashlib
from collections.abc import Mapping, Sequence
from uuid import UUID

from contracts.onboarding import Region


def by_place(regions: Sequence[Region], named: str | None, area: str | None) -> str | None:
    """
    The region that a place names, else the one that the *area* it lies in belongs to; None where neither is known.

    Args:
        regions: Of one agency, each with the names and areas that mean it.
        named: What the tip calls its region.
        area: The county, by the maintained table of the country.
    """
    wanted = (named or "").strip().casefold().removeprefix("polisregion ").removeprefix("region ")
    own = (region.name for region in regions if wanted == region.name.casefold())
    for text in (wanted, (area or "").casefold()):
        meant = (region.name for region in regions if text and text in {place.casefold() for place in region.places})
        if (found := next(own, None) or next(meant, None)) is not None:
            return found
    return None


def by_id(tip: UUID, regions: Sequence[Region]) -> str | None:
    """The region that the tip's id falls to, in proportion to the weights; None without regions."""
    total = sum(region.weight for region in regions)
    if not total:
        return None
    mark = int.from_bytes(hashlib.sha256(b"region/" + tip.bytes).digest()[:8], "big") * total // 2**64
    for region in regions:
        mark -= region.weight
        if mark < 0:
            return region.name
    return regions[-1].name


def furthest_behind(given: Mapping[str, int], regions: Sequence[Region]) -> str | None:
    """The region whose share of the tips *given* so far lies furthest below its weight; None without regions."""
    total = sum(region.weight for region in regions)
    if not total:
        return None
    count = sum(given.get(region.name, 0) for region in regions) + 1
    behind = max(regions, key=lambda region: count * region.weight / total - given.get(region.name, 0))
    return behind.name
