"""Everything a decision needs besides the tip, loaded once from the settings' files."""

from services.chassis.onboarding import load_agencies, load_partners
from services.chassis.settings import Settings
from services.router.atlas import Atlas
from services.router.decision import World
from services.router.registry import load_registry
from services.router.rulebook import load_rulebook


def load_world(settings: Settings) -> World:
    """
    Registry, agencies, partners and rulebook as *settings* name them.

    Raises:
        Misconfigured: One of the files is wrong; says file, line and reason.
    """
    registry = load_registry(settings.registry_file)
    atlas = Atlas(settings.country, registry, load_agencies(settings))
    return World(atlas, load_rulebook(settings.rulebook_file), load_partners(settings))
