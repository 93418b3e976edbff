"""
How complete a tip is, 0 to 100: whether to enrich first or send, never how fast.

Source: pain points of receivers (a complete report can be of no urgency, and the other way round).
"""

from contracts.events import TipFacts
from contracts.vocabulary import PersonRole

TRACEABLE_ADDRESS = 25
ACCOUNT = 20
URL = 15
HASH = 10
WHERE_SOMEBODY_IS = 20
CONTACTABLE_SOURCE = 10


def actionability(facts: TipFacts, *, located: bool = False) -> int:
    """
    Add up what an investigator can start from.

    Args:
        facts: What intake read of the tip.
        located: A person's address was placed in a country.
    """
    return (
        TRACEABLE_ADDRESS * facts.traceable
        + ACCOUNT * bool(facts.account_count)
        + URL * bool(facts.url_count)
        + HASH * bool(facts.hash_count)
        + WHERE_SOMEBODY_IS * (located or _somebody_is_placed(facts))
        + CONTACTABLE_SOURCE * facts.contactable
    )


def _somebody_is_placed(facts: TipFacts) -> bool:
    people = (p for p in facts.people if p.role is not PersonRole.REPORTER)
    return bool(facts.place_country or facts.place_region) or any(p.location for p in people)
