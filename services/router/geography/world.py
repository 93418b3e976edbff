"""Everything a decision needs besides the tip, loaded once from the settings' files."""

from services.chassis.errors import Misconfigured
from services.chassis.onboarding import load_agencies, load_partners
from services.chassis.settings import Settings
from services.router.decision import World
from services.router.geography.atlas import Atlas
from services.router.geography.registry import load_registry
from services.router.rules.proof import prove_rows
from services.router.rules.rulebook import load_rulebook


def load_world(settings: Settings) -> World:
    """
    Registry, agencies, partners and rulebook as *settings* name them.

    Raises:
        Misconfigured: One of the files is wrong; says file, line and reason.
    """
    registry = load_registry(settings.registry_file)
    if settings.country not in registry:
        raise Misconfigured(f"VIDARE_COUNTRY: {settings.country!r} is no country of {settings.registry_file}")
    atlas = Atlas(settings.country, registry, load_agencies(settings))
    book = load_rulebook(settings.rulebook_file)
    if settings.rulebook is not None:
        # The shipped book is proven by the tests; anybody else's is proven before it decides anything.
        prove_rows(book)
    return World(atlas, book, load_partners(settings))
