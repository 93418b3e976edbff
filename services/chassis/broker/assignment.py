"""Who works which task: balanced, and as few moves as balance allows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Claim(NamedTuple):
    """What a member worked before, and in which generation of the group it got it."""

    tasks: frozenset[str]
    generation: int = -1


def share_out(tasks: Sequence[str], claims: Mapping[str, Claim]) -> dict[str, frozenset[str]]:
    """
    Give every task to exactly one member; sizes differ by at most one.

    A member keeps what it had as far as balance allows; where two claim the
    same task, the later generation is right.
    """
    if not claims:
        return {}
    shares = {member: set[str]() for member in claims}
    for task, member in _owners(tasks, claims).items():
        shares[member].add(task)
    loose = [task for task in tasks if not any(task in share for share in shares.values())]
    low, extra = divmod(len(tasks), len(claims))
    for share in sorted(shares.values(), key=len, reverse=True):
        allowed = low + (1 if extra > 0 else 0)
        loose += sorted(share)[allowed:]
        share.difference_update(sorted(share)[allowed:])
        extra -= len(share) > low
    for task in sorted(loose):
        member = min(shares, key=lambda name: (len(shares[name]), name))
        shares[member].add(task)
    return {member: frozenset(share) for member, share in shares.items()}


def _owners(tasks: Sequence[str], claims: Mapping[str, Claim]) -> dict[str, str]:
    """The one member whose claim to each task counts."""
    known = set(tasks)
    owners: dict[str, str] = {}
    for member in sorted(claims, key=lambda name: (claims[name].generation, name)):
        owners.update(dict.fromkeys(claims[member].tasks & known, member))
    return owners
